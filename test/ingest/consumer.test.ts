import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setImmediate } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { createLogger, QUARANTINE, systemClock, type TableName, TicklakeError, TRADES } from '#core'
import { Engine } from '#engine'
import { Consumer, EmbeddedRegistry, Producer } from '#ingest'
import { type StreamTable, Warehouse } from '#storage'
import { avroSchema } from '../../src/ingest/avro-schema.js'
import { MemoryLog } from '../../src/ingest/log/memory.js'
import type { SchemaRegistry } from '../../src/ingest/registry/registry.js'
import { framed, oracleType } from '../support/avro-oracle.js'
import { ManualClock } from '../support/manual-clock.js'
import type { Row } from '../support/row-batch.js'
import { SeededRandom } from '../support/seeded-random.js'
import { avroRecord, encodeColumns, plausibleTrades } from '../support/table-records.js'

const logger = createLogger({ level: 'silent', format: 'text' })
const never = new AbortController().signal
const PARTITION_COUNT = 2
const UNKNOWN_WAIT_MS = 3_000

let directory: string
let engine: Engine
let log: MemoryLog
let registry: SchemaRegistry
/** Of the consumers alone. */
let clock: ManualClock

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'ticklake-consumer-'))
  engine = await Engine.open({
    memoryLimit: '1GB',
    threads: 1,
    tempDirectory: directory,
    connections: 2,
    maxWaiting: 100,
  })
  log = new MemoryLog(systemClock)
  await log.start()
  await log.createTopic(TRADES.topic, PARTITION_COUNT)
  await log.createTopic(QUARANTINE.topic, PARTITION_COUNT)
  registry = new EmbeddedRegistry(log.store)
  clock = new ManualClock()
})

afterEach(async () => {
  await log.stop()
  await engine.close()
  await rm(directory, { recursive: true })
})

interface Reading {
  readonly table: (name: TableName) => StreamTable
  readonly consumers: readonly Consumer[]
  stop(): Promise<void>
}

/** Tables and consumers of trades and quarantine, on the log of this test. */
async function startReading(fence: number, flushRows = 1_000_000): Promise<Reading> {
  const warehouse = await Warehouse.open({
    directory,
    engine,
    clock: systemClock,
    random: new SeededRandom(fence),
    logger,
    partitionCount: PARTITION_COUNT,
    flush: { rows: flushRows, bytes: 2 ** 30, ageMs: 3_600_000 },
    fence,
  })
  await warehouse.start()
  const table = (name: TableName) => {
    const found = warehouse.tables.get(name)
    if (!found) throw new Error(`a warehouse has ${name}`)
    return found
  }
  const consumers = (['trades', 'quarantine'] as const).map(
    (name) =>
      new Consumer({ log, registry, table: table(name), clock, logger, unknownWaitMs: UNKNOWN_WAIT_MS }),
  )
  for (const consumer of consumers) await consumer.start()
  return {
    table,
    consumers,
    stop: async () => {
      for (const consumer of consumers) await consumer.stop()
      await warehouse.stop()
    },
  }
}

function trades(seed: number, count: number): Row[] {
  return plausibleTrades(new SeededRandom(seed), count)
}

async function produceTrades(seed: number, count: number): Promise<void> {
  const producer = await Producer.open(TRADES, registry)
  const records = trades(seed, count)
  const columns = new Map(
    encodeColumns(TRADES, records).map((column, index) => [fieldNames[index] ?? '', column]),
  )
  const rows = BigInt64Array.from({ length: count }, (_, row) => BigInt(row + 1))
  const source = { sourceId: 'abcdefghjkmn', fileName: 'trades.csv' }
  await log.append({ records: new Map([[TRADES.topic, producer.accepted(columns, count, source, rows)]]) })
}

const fieldNames = [
  ...TRADES.columns.filter((column) => column.origin === 'record').map((column) => column.name),
  'source_row',
]

async function rowCount(table: StreamTable): Promise<number> {
  const pinned = table.pin()
  const { files } = await pinned.select({})
  pinned.release()
  return [...files.map((file) => file.recordCount), ...pinned.tail.map((slice) => slice.rowCount)].reduce(
    (sum, count) => sum + count,
    0,
  )
}

describe('a consumer', () => {
  test('goes on where the newest snapshot ends: nothing is missing after a restart and nothing twice [inv 2]', async () => {
    await produceTrades(1, 500)
    const first = await startReading(1)
    await first.table('trades').visible(log.end(TRADES.topic), never)
    await first.stop()
    await produceTrades(2, 300)
    const second = await startReading(2)
    await Promise.all(second.consumers.map((consumer) => consumer.caughtUp(never)))
    expect(await rowCount(second.table('trades'))).toBe(800)
    expect(second.consumers.map((consumer) => consumer.lag)).toEqual([0, 0])
    await second.stop()
  })

  test('quarantines a value that is no record, once, however often it is read [inv 10]', async () => {
    await produceTrades(3, 10)
    const junk = Buffer.from('{"not":"avro"}')
    await log.append({ records: new Map([[TRADES.topic, [{ key: 'BHP', value: junk }]]]) })
    const first = await startReading(1)
    await first.table('trades').visible(log.end(TRADES.topic), never)
    await first.table('quarantine').visible(log.end(QUARANTINE.topic), never)
    expect(await rowCount(first.table('trades'))).toBe(10)
    expect(await rowCount(first.table('quarantine'))).toBe(1)
    await first.stop()

    // As after a crash before the first commit: the tables begin again, the log and its progress stay.
    await rm(join(directory, 'warehouse'), { recursive: true })
    const second = await startReading(2)
    await second.table('trades').visible(log.end(TRADES.topic), never)
    await second.table('quarantine').visible(log.end(QUARANTINE.topic), never)
    expect(await rowCount(second.table('trades'))).toBe(10)
    expect(await rowCount(second.table('quarantine'))).toBe(1)
    const pinned = second.table('quarantine').pin()
    const { columns } = await engine.query(
      `SELECT reason, source_id, original = '{"not":"avro"}'::BLOB FROM ${pinned.tail[0]?.relation}`,
    )
    pinned.release()
    expect(columns).toEqual([['malformed'], [expect.stringMatching(/^market-data\.trades\/[01]$/)], [true]])
    await second.stop()
  })

  test('stops while nothing can be flushed and the tail takes no more; no row is lost', async () => {
    const first = await startReading(1, 10)
    // A file where a folder has to be made: every flush fails, and is tried again.
    const obstacle = join(directory, 'warehouse', 'market_data', 'trades', 'data')
    await writeFile(obstacle, '')
    for (const seed of [5, 6]) {
      await produceTrades(seed, 20)
      await first.table('trades').visible(log.end(TRADES.topic), never)
    }
    // Two sealed segments wait: these rows have to.
    await produceTrades(7, 20)
    for (let turn = 0; turn < 10; turn++) await setImmediate()
    expect(first.consumers[0]?.lag).toBe(20)
    await first.stop()
    await rm(obstacle)
    const second = await startReading(2)
    await second.consumers[0]?.caughtUp(never)
    expect(await rowCount(second.table('trades'))).toBe(60)
    await second.stop()
  })

  test('stops where its topic was made anew: another record lies where its newest one was [inv 15]', async () => {
    await produceTrades(8, 50)
    const first = await startReading(1)
    await first.table('trades').visible(log.end(TRADES.topic), never)
    await first.stop()
    log = new MemoryLog(systemClock)
    await log.start()
    await log.createTopic(TRADES.topic, PARTITION_COUNT)
    await log.createTopic(QUARANTINE.topic, PARTITION_COUNT)
    registry = new EmbeddedRegistry(log.store)
    await produceTrades(9, 400)
    const second = await startReading(2)
    await expect(second.consumers[0]?.caughtUp(never)).rejects.toThrow(
      /^market-data\.trades is not the topic that its table was written from/,
    )
    expect(await rowCount(second.table('trades'))).toBe(50)
    await second.stop()
  })

  test('that cannot read on says why to everyone who waits', async () => {
    await produceTrades(4, 5)
    const first = await startReading(1)
    await first.table('trades').visible(log.end(TRADES.topic), never)
    await first.stop()
    // A log that ends before the table's vector: its next records would be taken for old ones.
    log = new MemoryLog(systemClock)
    await log.start()
    await log.createTopic(TRADES.topic, PARTITION_COUNT)
    await log.createTopic(QUARANTINE.topic, PARTITION_COUNT)
    registry = new EmbeddedRegistry(log.store)
    const second = await startReading(2)
    await expect(second.table('trades').visible([9, 9], never)).rejects.toThrow(TRADES.topic)
    expect(second.consumers[0]?.failure?.message).toContain(TRADES.topic)
    await second.stop()
  })
})

describe('a consumer whose records come in several schemas', () => {
  const TURNS = 20

  /** Trades without the columns that came later, as an old producer writes them. */
  const oldSchema = (() => {
    // The schema of `avroSchema` is a record schema with fields.
    const schema = avroSchema(TRADES) as { fields: { name: string }[] }
    const fields = schema.fields.filter(
      ({ name }) => !['currency', 'conditions', 'source_row'].includes(name),
    )
    return JSON.stringify({ ...schema, fields })
  })()

  /** Appends trades in the old schema, under a wire id that may not have been registered. */
  async function produceOld(seed: number, count: number, id: number): Promise<Uint8Array[]> {
    const type = oracleType(JSON.parse(oldSchema))
    const values = trades(seed, count).map((record) => framed(id, type.toBuffer(avroRecord(TRADES, record))))
    await log.append({ records: new Map([[TRADES.topic, values.map((value) => ({ key: 'BHP', value }))]]) })
    return values
  }

  async function turns(): Promise<void> {
    for (let turn = 0; turn < TURNS; turn++) await setImmediate()
  }

  /** Until the consumer of trades waits for the registry. */
  async function stalled({ consumers: [consumer] }: Reading): Promise<Error> {
    for (;;) {
      if (consumer?.failure) throw consumer.failure
      if (consumer?.stalled) return consumer.stalled
      await setImmediate()
    }
  }

  async function passTime(ms: number): Promise<void> {
    for (let passed = 0; passed < ms; passed += 1_000) {
      clock.advance(1_000)
      await turns()
    }
  }

  async function caughtUp(reading: Reading): Promise<number[]> {
    await reading.table('trades').visible(log.end(TRADES.topic), never)
    await reading.table('quarantine').visible(log.end(QUARANTINE.topic), never)
    return [await rowCount(reading.table('trades')), await rowCount(reading.table('quarantine'))]
  }

  test('reads old and new ones into the columns of today', async () => {
    const old = await registry.register(`${TRADES.topic}-value`, oldSchema)
    await produceOld(21, 30, old.id)
    await produceTrades(22, 40)
    await produceOld(23, 30, old.id)
    expect(await registry.versions(`${TRADES.topic}-value`)).toEqual([1, 2])
    const reading = await startReading(1)
    expect(await caughtUp(reading)).toEqual([100, 0])
    const pinned = reading.table('trades').pin()
    const { columns } = await engine.query(
      `SELECT (sum(price) * 100000000)::HUGEINT::VARCHAR FROM ${pinned.tail[0]?.relation}`,
    )
    pinned.release()
    const prices = [...trades(21, 30), ...trades(22, 40), ...trades(23, 30)].map(
      ({ price }) => price as bigint,
    )
    const total = prices.reduce((sum, price) => sum + price, 0n)
    expect(columns[0]).toEqual([String(total)])
    await reading.stop()
  })

  test('waits for one that is registered after its first record', async () => {
    await produceTrades(24, 10)
    await produceOld(25, 5, 3)
    const reading = await startReading(1)
    expect((await stalled(reading)).message).toBe('records wait for schemas that nobody has registered: 3')
    await passTime(UNKNOWN_WAIT_MS - 1_000)
    expect(reading.consumers[0]?.lag).toBeGreaterThanOrEqual(5)
    expect(await registry.register('elsewhere-value', oldSchema)).toMatchObject({ id: 3 })
    await passTime(1_000)
    expect(await caughtUp(reading)).toEqual([15, 0])
    expect(reading.consumers[0]?.stalled).toBeNull()
    await reading.stop()
  })

  test('quarantines what nobody registers, whole; what was decided once stays so, whatever is registered later [inv 10]', async () => {
    await produceTrades(26, 10)
    const refused = await produceOld(27, 5, 3)
    const first = await startReading(1)
    await stalled(first)
    await passTime(UNKNOWN_WAIT_MS)
    expect(await caughtUp(first)).toEqual([10, 5])
    const pinned = first.table('quarantine').pin()
    const { columns } = await engine.query(
      `SELECT reason, detail, lower(hex(original)) FROM ${pinned.tail[0]?.relation} ORDER BY line`,
    )
    pinned.release()
    expect(new Set(columns[0])).toEqual(new Set(['unknown_schema']))
    expect(new Set(columns[1])).toEqual(new Set(['schema id: nobody has registered 3']))
    expect(columns[2]).toEqual(refused.map((value) => Buffer.from(value).toString('hex')))
    await first.stop()

    // As after a crash before the first commit: the tables begin again, the log and its progress stay.
    await rm(join(directory, 'warehouse'), { recursive: true })
    expect(await registry.register('elsewhere-value', oldSchema)).toMatchObject({ id: 3 })
    await produceOld(28, 7, 3)
    const second = await startReading(2)
    expect(await caughtUp(second)).toEqual([17, 5])
    await second.stop()
  })

  test('waits for as long as the registry does not answer, and quarantines nothing for it', async () => {
    await produceTrades(29, 10)
    const working = registry
    let isDown = true
    registry = Object.create(working, {
      byId: {
        value: async (id: number) => {
          if (isDown) throw new TicklakeError('unavailable', 'schema registry does not answer')
          return working.byId(id)
        },
      },
    })
    const reading = await startReading(1)
    expect(await stalled(reading)).toMatchObject({ code: 'unavailable' })
    await passTime(10 * UNKNOWN_WAIT_MS)
    expect(reading.consumers[0]?.lag).toBe(10)
    isDown = false
    await passTime(1_000)
    expect(await caughtUp(reading)).toEqual([10, 0])
    await reading.stop()
  })

  test('stops at once while it waits', async () => {
    await produceOld(30, 5, 9)
    const reading = await startReading(1)
    await stalled(reading)
    await reading.stop()
    expect(reading.consumers[0]?.failure).toBeNull()
  })
})
