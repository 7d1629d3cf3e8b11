import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setImmediate } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { QUARANTINE, systemClock, TicklakeError, TRADES } from '#core'
import { Engine } from '#engine'
import { EmbeddedRegistry } from '#ingest'
import { avroSchema } from '../../src/ingest/avro-schema.js'
import { MemoryLog } from '../../src/ingest/log/memory.js'
import type { SchemaRegistry } from '../../src/ingest/registry/registry.js'
import { framed, oracleType } from '../support/avro-oracle.js'
import { ManualClock } from '../support/manual-clock.js'
import {
  appendTrades,
  openReading,
  PARTITION_COUNT,
  POLICY,
  type Reading,
  rowCount,
  trades,
  UNKNOWN_WAIT_MS,
} from '../support/reading.js'
import { avroRecord } from '../support/table-records.js'

const never = new AbortController().signal

let directory: string
let engine: Engine
let log: MemoryLog
let registry: SchemaRegistry
let clock: ManualClock

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'ticklake-consumer-'))
  engine = await Engine.open({
    memoryLimit: '1GB',
    threads: 1,
    tempDirectory: directory,
    connections: 2,
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

function startReading(fence: number): Promise<Reading> {
  return openReading({ directory, engine, log, registry, clock, fence, flushRows: 1_000_000, policy: POLICY })
}

function produceTrades(seed: number, count: number): Promise<void> {
  return appendTrades(log, registry, trades(seed, count))
}

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
      const { stalled: reason } = consumer?.status() ?? {}
      if (reason) return reason
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
    expect(reading.consumers[0]?.status().lagRecords).toBeGreaterThanOrEqual(5)
    expect(await registry.register('elsewhere-value', oldSchema)).toMatchObject({ id: 3 })
    await passTime(1_000)
    expect(await caughtUp(reading)).toEqual([15, 0])
    expect(reading.consumers[0]?.status().stalled).toBeNull()
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

  test('waits for no other within ten minutes of a wait in vain, and then again', async () => {
    await produceOld(31, 5, 9)
    const reading = await startReading(1)
    await stalled(reading)
    await passTime(UNKNOWN_WAIT_MS)
    expect(await caughtUp(reading)).toEqual([0, 5])
    for (let id = 10; id < 30; id++) await produceOld(id, 1, id)
    // No time passes.
    expect(await caughtUp(reading)).toEqual([0, 25])
    clock.advance(10 * 60_000)
    await produceOld(32, 5, 30)
    await stalled(reading)
    await passTime(UNKNOWN_WAIT_MS)
    expect(await caughtUp(reading)).toEqual([0, 30])
    await reading.stop()
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
    expect(reading.consumers[0]?.status().lagRecords).toBe(10)
    isDown = false
    await passTime(5_000)
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
