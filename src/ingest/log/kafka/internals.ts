import { createRequire } from 'node:module'
import type { ISocketFactory } from 'kafkajs'

/**
 * The parts of kafkajs that its types do not show: connections, brokers and the protocol. They are used in place of its
 * producer and consumer, which are not exact enough for a log: its consumer makes objects of each record, moves on
 * silently when its position is no longer kept, and shows records of an aborted transaction when a fetch begins inside
 * two of them; its producer cannot find out what became of a transaction whose end nobody answered.
 *
 * Pinned at 2.2.4, kafkajs's last release. `require` gives `any`: the shapes stated here are those of that version, and
 * the contract of Log, run on real brokers, uses each of them.
 */
const require = createRequire(import.meta.url)

/** A request of Kafka's protocol: how it is written, and how its answer is read. */
export interface ProtocolRequest<Answer> {
  readonly request: {
    readonly apiKey: number
    readonly apiVersion: number
    readonly apiName: string
    encode(): Promise<ProtocolEncoder>
  }
  readonly response: {
    decode(answer: Buffer): Promise<Answer>
    /** Throws what the answer reports as failed. */
    parse(answer: Answer): Promise<Answer>
  }
  /** Milliseconds; only longer ones than the connection's own count. */
  readonly requestTimeout?: number
}

/** Writes big-endian, strings and arrays with their length before them. */
export interface ProtocolEncoder {
  writeInt16(value: number): ProtocolEncoder
  writeInt32(value: number): ProtocolEncoder
  writeUVarInt(value: number): ProtocolEncoder
  writeString(value: string): ProtocolEncoder
  /** A compact string. */
  writeUVarIntString(value: string): ProtocolEncoder
  writeBuffer(value: Buffer): ProtocolEncoder
}

/** Which producer speaks: a later one with the same transactional id has a higher epoch and fences this one. */
export interface ProducerIdentity {
  readonly producerId: string
  readonly producerEpoch: number
}

export interface Broker {
  readonly connectionPool: { send<Answer>(request: ProtocolRequest<Answer>): Promise<Answer> }
  listOffsets(request: {
    readonly isolationLevel: number
    readonly topics: readonly {
      readonly topic: string
      readonly partitions: readonly { readonly partition: number; readonly timestamp: number }[]
    }[]
  }): Promise<{
    readonly responses: readonly {
      readonly partitions: readonly { readonly partition: number; readonly offset: string }[]
    }[]
  }>
  initProducerId(request: {
    readonly transactionalId: string
    readonly transactionTimeout: number
  }): Promise<ProducerIdentity>
  addPartitionsToTxn(
    request: ProducerIdentity & {
      readonly transactionalId: string
      readonly topics: readonly { readonly topic: string; readonly partitions: readonly number[] }[]
    },
  ): Promise<unknown>
  endTxn(
    request: ProducerIdentity & { readonly transactionalId: string; readonly transactionResult: boolean },
  ): Promise<unknown>
}

/** Connections to all brokers, and what is known of the topics that were asked for. */
export interface InnerCluster {
  /** Of the brokers that were named, the next becomes the one that is asked first. */
  readonly brokerPool: { createSeedBroker(): Promise<void> }
  connect(): Promise<void>
  disconnect(): Promise<void>
  addMultipleTargetTopics(topics: readonly string[]): Promise<void>
  refreshMetadata(): Promise<void>
  findBroker(node: { readonly nodeId: string }): Promise<Broker>
  /** Partitions by the id of the broker that leads them. */
  findLeaderForPartitions(topic: string, partitions: readonly number[]): Record<string, number[]>
  findGroupCoordinator(group: { readonly groupId: string; readonly coordinatorType: number }): Promise<Broker>
}

export const innerCluster: new (options: object) => InnerCluster = require('kafkajs/src/cluster')
export const socketFactory: () => ISocketFactory = require('kafkajs/src/network/socketFactory')

export const protocolEncoder: new () => ProtocolEncoder = require('kafkajs/src/protocol/encoder')
export const crc32c: (bytes: Uint8Array) => number = require('kafkajs/src/protocol/recordBatch/crc32C')
/** The error of a code in an answer; `type` is its name in the protocol. */
export const protocolError: (code: number) => Error & { readonly type: string } =
  require('kafkajs/src/protocol/error').createErrorFromCode

export const fetchRequest: (request: object) => ProtocolRequest<never>['request'] =
  require('kafkajs/src/protocol/requests/fetch/v11/request')

/** What a produce request is answered: throws the first partition's error if any failed. */
export const produceResponse: ProtocolRequest<{
  readonly topics: readonly {
    readonly topicName: string
    readonly partitions: readonly { readonly partition: number; readonly baseOffset: string }[]
  }[]
}>['response'] = require('kafkajs/src/protocol/requests/produce/v7/response')
