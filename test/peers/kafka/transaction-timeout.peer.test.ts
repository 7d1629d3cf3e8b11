import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { Breaker, systemClock } from '#core'
import { Brokers } from '../../../src/ingest/log/kafka/brokers.js'
import { KafkaClient } from '../../../src/ingest/log/kafka/client.js'
import { transactionState } from '../../../src/ingest/log/kafka/transaction-state.js'
import { isFenced, NothingWritten, Transactions } from '../../../src/ingest/log/kafka/transactions.js'
import { readAll, record, valuesOf } from '../../support/log-reading.js'
import { KafkaServer } from '../kafka-server.js'
import { kafkaOptions, silent, startLog, stopAll, told } from './kafka-fixture.js'

const TOPIC = 'market-data.trades'
const TIMEOUT_MS = 500

let server: KafkaServer

beforeAll(async () => {
  // It looks each 10 s by default for transactions that are open for too long.
  const properties = { 'transaction.abort.timed.out.transaction.cleanup.interval.ms': '100' }
  server = await KafkaServer.start(told('TICKLAKE_TEST_KAFKA_HOME'), { properties })
})

afterAll(() => server.stop())

const stopping: (() => Promise<void> | void)[] = []
afterEach(async () => {
  for (const stop of stopping.splice(0)) await stop()
  await stopAll()
})

/** Between two requests it may be held up, as a process may be that does not get its turn. */
class HeldUp extends Breaker {
  hold: () => Promise<void> = async () => {}

  override async run<T>(work: () => Promise<T>): Promise<T> {
    const answer = await super.run(work)
    await this.hold()
    return answer
  }
}

async function startTransactions() {
  const options = kafkaOptions({ connection: { brokers: [server.brokers], sasl: null, tls: null } })
  const topic = options.topicPrefix + TOPIC
  const log = await startLog(options)
  await log.createTopic(TOPIC, 1)
  const brokers = new Brokers(new KafkaClient(options.connection, silent), systemClock)
  const breaker = new HeldUp({ name: 'Kafka', timeoutMs: 30_000, resetMs: 1_000 })
  await brokers.connect([topic])
  stopping.push(
    () => brokers.stop(),
    () => breaker.stop(),
  )
  const transactionalId = `${options.group}-timeout`
  const open = (timeoutMs: number) =>
    new Transactions({ transactionalId, timeoutMs, brokers, breaker, clock: systemClock, logger: silent })
  const batch = (value: string) => [
    { topic, partition: 0, records: [{ key: Buffer.from('A'), value: Buffer.from(value) }] },
  ]
  const state = async () =>
    transactionState(await brokers.transactionCoordinator(transactionalId), transactionalId)
  return { log, breaker, open, batch, state }
}

/** The nth request of a transaction: where its partitions are added, then where its records are put. */
test.each([
  { request: 1, before: 'its records are put' },
  { request: 2, before: 'it is committed' },
])(
  'a transaction that times out before $before is written not at all, and the next one is',
  async ({ request }) => {
    const { log, breaker, open, batch, state } = await startTransactions()
    const transactions = open(TIMEOUT_MS)
    await transactions.take()
    let requests = 0
    breaker.hold = async () => {
      if (++requests === request) while ((await state()).state !== 'CompleteAbort');
    }
    const refused = await transactions.write(batch('lost')).catch((error: unknown) => error)
    expect(refused).toBeInstanceOf(NothingWritten)
    expect(refused).toMatchObject({
      reason: {
        code: 'unavailable',
        message: 'Kafka has aborted a transaction that could not be ended in time',
      },
    })
    await transactions.write(batch('kept'))
    await log.append({ records: new Map([[TOPIC, [record('A', 'the end')]]]) })
    expect(valuesOf(await readAll(log, TOPIC, [0]))).toEqual([['kept', 'the end']])
  },
)

test('a transaction whose id somebody else takes before its commit is not taken for one that timed out', async () => {
  const { breaker, open, batch } = await startTransactions()
  const transactions = open(60_000)
  await transactions.take()
  let requests = 0
  breaker.hold = async () => {
    if (++requests === 2) await open(60_000).take()
  }
  const refused = await transactions.write(batch('lost')).catch((error: unknown) => error)
  expect(isFenced(refused)).toBe(true)
})
