import { AnswerReader } from './answer-reader.js'
import { type Broker, type ProducerIdentity, protocolEncoder, protocolError } from './internals.js'

/** What the coordinator knows of the newest transaction of an id. */
export interface TransactionState extends ProducerIdentity {
  readonly state: string
}

const DESCRIBE_TRANSACTIONS_API = 65
const NO_TAGS = 0

/** https://kafka.apache.org/protocol#The_Messages_DescribeTransactions, version 0: Kafka 3.0 and newer. */
export function transactionState(coordinator: Broker, transactionalId: string): Promise<TransactionState> {
  return coordinator.connectionPool.send<TransactionState>({
    request: {
      apiKey: DESCRIBE_TRANSACTIONS_API,
      apiVersion: 0,
      apiName: 'DescribeTransactions',
      encode: async () =>
        // A list of one; lengths are written one larger. The first byte ends the header.
        new protocolEncoder()
          .writeUVarInt(NO_TAGS)
          .writeUVarInt(2)
          .writeUVarIntString(transactionalId)
          .writeUVarInt(NO_TAGS),
    },
    response: { decode: async (answer) => decodeAnswer(answer), parse: async (answer) => answer },
  })
}

function decodeAnswer(answer: Buffer): TransactionState {
  const reader = new AnswerReader(answer)
  reader.unsignedVarint() // tags of the header: none
  reader.int32() // throttle time
  reader.unsignedVarint() // the list of one
  const errorCode = reader.int16()
  if (errorCode !== 0) throw protocolError(errorCode)
  reader.compactBytes() // its id
  const state = reader.compactBytes().toString()
  reader.int32() // timeout
  reader.int64() // start
  return { state, producerId: String(reader.int64()), producerEpoch: reader.int16() }
}

/** True when the brokers have aborted a transaction that this producer had open, and nobody has taken its id since. */
export function isAborted(
  { state, producerId, producerEpoch }: TransactionState,
  producer: ProducerIdentity,
): boolean {
  return (
    (state === 'PrepareAbort' || state === 'CompleteAbort') &&
    producerId === producer.producerId &&
    // An abort by the brokers moves it on by one; whoever takes the id, by one more.
    producerEpoch === producer.producerEpoch + 1
  )
}
