import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { QUARANTINE, systemClock, TRADES } from '#core'
import { EmbeddedRegistry } from '#ingest'
import { MemoryLog } from '../../../src/ingest/log/memory.js'
import { type ApiFixture, openApiFixture } from '../../support/api-fixture.js'
import { loggedRecords } from '../../support/log-records.js'
import {
  appendTrades,
  openReading,
  PARTITION_COUNT,
  POLICY,
  rowCount,
  trades,
} from '../../support/reading.js'
import { runScript } from '../script.js'
import { FOREIGN_SCHEMA, foreignTrade } from './foreign-trades.js'

interface Answer {
  /** Our records as Python has decoded them: longs, decimals and times (µs) as text. */
  readonly seen: readonly Readonly<Record<string, string | null>>[]
  /** Values in the wire format, base64. */
  readonly made: readonly string[]
}

const FOREIGN_TRADES = ['41.25', '0.00000001', '9999999999.99999999'].map((price, number) =>
  foreignTrade(number, price),
)

let directory: string
let log: MemoryLog
let registry: EmbeddedRegistry
let api: ApiFixture

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'ticklake-python-'))
  log = new MemoryLog(systemClock)
  await log.start()
  await log.createTopic(TRADES.topic, PARTITION_COUNT)
  await log.createTopic(QUARANTINE.topic, PARTITION_COUNT)
  registry = new EmbeddedRegistry(log.store)
  api = await openApiFixture(undefined, systemClock, registry)
})

afterEach(async () => {
  await api.close()
  await log.stop()
  await rm(directory, { recursive: true })
})

/** Every value of the topic of trades, partition by partition. */
function values(): string[] {
  const { batches } = log.read(TRADES.topic, log.begin(TRADES.topic), 1 << 24)
  return batches
    .toSorted((a, b) => a.partition - b.partition || a.baseOffset - b.baseOffset)
    .flatMap(({ bytes, ends }) =>
      [...ends].map((end, index) =>
        Buffer.from(bytes.subarray(ends[index - 1] ?? 0, end)).toString('base64'),
      ),
    )
}

test('Python decodes our records through the registry routes, and what it registers and writes becomes rows', async () => {
  await appendTrades(log, registry, trades(41, 200))
  const question = {
    url: `${api.url}/schema-registry`,
    topic: TRADES.topic,
    values: values(),
    schema: FOREIGN_SCHEMA,
    records: FOREIGN_TRADES,
  }
  // As the script says.
  const { seen, made } = (await runScript(new URL('registry_serdes.py', import.meta.url), question)) as Answer
  const ours = loggedRecords(log, TRADES).map((record) =>
    Object.fromEntries(
      Object.entries(record).map(([name, value]) => [name, value === null ? null : String(value)]),
    ),
  )
  const plain = seen.map(({ price, size, ...rest }) => ({
    ...rest,
    price: shortened(price),
    size: shortened(size),
  }))
  expect(plain).toEqual(ours)

  expect(await registry.versions(`${TRADES.topic}-value`)).toEqual([1, 2])
  const records = made.map((value) => ({ key: 'BHP', value: Buffer.from(value, 'base64') }))
  await log.append({ records: new Map([[TRADES.topic, records]]) })
  const { engine } = api.lake
  const options = { directory, engine, log, registry, clock: systemClock }
  const reading = await openReading({ ...options, fence: 1, flushRows: 1_000_000, policy: POLICY })
  await Promise.all(reading.consumers.map((consumer) => consumer.caughtUp(new AbortController().signal)))
  expect(await rowCount(reading.table('trades'))).toBe(203)
  expect(await rowCount(reading.table('quarantine'))).toBe(0)
  const pinned = reading.table('trades').pin()
  const { columns } = await engine.query(
    `SELECT price::VARCHAR, epoch_us(exchange_timestamp)::VARCHAR, exchange_nanos, message_id
     FROM ${pinned.tail[0]?.relation} WHERE source = 'python' ORDER BY log_offset`,
  )
  pinned.release()
  expect(columns).toEqual([
    ['41.25000000', '0.00000001', '9999999999.99999999'],
    FOREIGN_TRADES.map((trade) => trade.exchange_timestamp),
    FOREIGN_TRADES.map((trade) => trade.exchange_nanos),
    FOREIGN_TRADES.map((trade) => trade.message_id),
  ])
  await reading.stop()
})

/** Without trailing zeros. */
function shortened(decimal: string | null | undefined): string {
  return (decimal ?? '').replace(/\.?0+$/, '')
}
