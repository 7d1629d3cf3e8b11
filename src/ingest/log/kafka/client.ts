import { X509Certificate } from 'node:crypto'
import { readFileSync } from 'node:fs'
import kafkajs, { type Admin, type Consumer, type Kafka, type KafkaConfig, type SASLOptions } from 'kafkajs'
import { type Logger, TicklakeError } from '#core'
import { type InnerCluster, innerCluster, socketFactory } from './internals.js'

/** How to reach the brokers. */
export interface KafkaConnection {
  /** `host:port` of some of them. */
  readonly brokers: readonly string[]
  readonly sasl: {
    readonly mechanism: 'plain' | 'scram-sha-256' | 'scram-sha-512'
    readonly username: string
    readonly password: string
  } | null
  /** TLS, with the authorities of this PEM file; an empty name: with those that Node knows. */
  readonly tls: { readonly caFile: string } | null
}

const CLIENT_ID = 'ticklake'
const CONNECTION_TIMEOUT_MS = 5_000
/** After so long Kafka counts a member of a group as dead of which it hears nothing. */
export const SESSION_TIMEOUT_MS = 10_000
/** A broker that hangs is asked no longer, so that one that has taken its place is found well within a transaction's time. */
const REQUEST_TIMEOUT_MS = 10_000
const METADATA_MAX_AGE_MS = 60_000
/** Of kafkajs itself, within one call: what asks again for long does so itself. */
const RETRY = { retries: 3, initialRetryTime: 100, maxRetryTime: 1_000 }

/** Makes connections. Each user has its own, since a broker answers the requests of a connection one after another. */
export class KafkaClient {
  readonly #config: KafkaConfig
  readonly #kafka: Kafka

  constructor(connection: KafkaConnection, logger: Logger) {
    this.#config = clientConfig(connection, logger)
    this.#kafka = new kafkajs.Kafka(this.#config)
  }

  admin(): Admin {
    return this.#kafka.admin()
  }

  /** A member of a group, which starts nowhere by itself. */
  consumer(groupId: string): Consumer {
    return this.#kafka.consumer({
      groupId,
      allowAutoTopicCreation: false,
      maxWaitTimeInMs: 500,
      sessionTimeout: SESSION_TIMEOUT_MS,
      heartbeatInterval: 3_000,
    })
  }

  cluster(): InnerCluster {
    return new innerCluster({
      ...this.#config,
      logger: this.#kafka.logger(),
      authenticationTimeout: 10_000,
      reauthenticationThreshold: 10_000,
      enforceRequestTimeout: true,
      metadataMaxAge: METADATA_MAX_AGE_MS,
      allowAutoTopicCreation: false,
      maxInFlightRequests: null,
    })
  }
}

function clientConfig({ brokers, sasl, tls }: KafkaConnection, logger: Logger): KafkaConfig {
  const connect = socketFactory()
  return {
    clientId: CLIENT_ID,
    brokers: [...brokers],
    // Each time that kafkajs leaves a broker that is away, it adds a listener to the same dead socket: no leak to warn of.
    socketFactory: (to) => connect(to).setMaxListeners(0),
    connectionTimeout: CONNECTION_TIMEOUT_MS,
    requestTimeout: REQUEST_TIMEOUT_MS,
    retry: RETRY,
    logLevel: kafkajs.logLevel.WARN,
    // What matters of it is told again by whoever asked; kafkajs calls each attempt an error.
    logCreator:
      () =>
      ({ namespace, log: { message } }) =>
        logger.debug(`kafkajs: ${message}`, { namespace }),
    ...(tls && { ssl: tls.caFile === '' ? true : { ca: [readAuthorities(tls.caFile)] } }),
    // A copy, since kafkajs adds to it. Each mechanism is a type of its own there, with the same fields.
    ...(sasl && { sasl: { ...sasl } as SASLOptions }),
  }
}

function readAuthorities(file: string): string {
  try {
    const authorities = readFileSync(file, 'utf8')
    // TLS takes what is no certificate too, and trusts nobody then.
    new X509Certificate(authorities)
    return authorities
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause)
    throw new TicklakeError('invalid_input', `kafka.tls.caFile: no certificate in ${file}: ${reason}`, {
      cause,
    })
  }
}
