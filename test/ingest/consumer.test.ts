import { createHash } from 'node:crypto'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setImmediate } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { type Clock, type OffsetVector, QUARANTINE, systemClock, TicklakeError, TRADES } from '#core'
import { Engine } from '#engine'
import { EmbeddedRegistry } from '#ingest'
import type { Appended, LogAppend } from '../../src/ingest/log/log.js'
import { MemoryLog } from '../../src/ingest/log/memory.js'
import { ManualClock } from '../support/manual-clock.js'
import {
  appendTrades,
  openReading,
  PARTITION_COUNT,
  POLICY,
  type Reading,
  rowCount,
  trades,
} from '../support/reading.js'

const never = new AbortController().signal

/** A log to which something may happen before an append, or when it is told what is committed. */
class DisturbedLog extends MemoryLog {
  beforeAppend: (append: LogAppend) => void = () => {}
  beforeCommitted: () => void = () => {}

  override async append(append: LogAppend): Promise<Appended> {
    this.beforeAppend(append)
    return super.append(append)
  }

  override async committed(topic: string, offsets: OffsetVector): Promise<void> {
    this.beforeCommitted()
    await super.committed(topic, offsets)
  }
}

let directory: string
let engine: Engine
let log: DisturbedLog
let registry: EmbeddedRegistry

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'ticklake-consumer-'))
  engine = await Engine.open({
    memoryLimit: '1GB',
    threads: 1,
    tempDirectory: directory,
    connections: 2,
  })
  log = new DisturbedLog(systemClock)
  await log.start()
  await log.createTopic(TRADES.topic, PARTITION_COUNT)
  await log.createTopic(QUARANTINE.topic, PARTITION_COUNT)
  registry = new EmbeddedRegistry(log.store)
})

afterEach(async () => {
  await log.stop()
  await engine.close()
  await rm(directory, { recursive: true })
})

/** Tables and consumers of trades and quarantine, on the log of this test. */
function startReading(
  fence: number,
  flushRows = 1_000_000,
  policy = POLICY,
  clock: Clock = systemClock,
): Promise<Reading> {
  return openReading({ directory, engine, log, registry, clock, fence, flushRows, policy })
}

function produceTrades(seed: number, count: number): Promise<void> {
  return appendTrades(log, registry, trades(seed, count))
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
    expect(second.consumers.map((consumer) => consumer.status().lagRecords)).toEqual([0, 0])
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

  test('waits while the log takes no refused record, says why, and keeps each once', async () => {
    const clock = new ManualClock()
    let refusals = 0
    let isDown = true
    const junk = ['one', 'two'].map((text) => ({ key: 'BHP', value: Buffer.from(text) }))
    await log.append({ records: new Map([[TRADES.topic, junk]]) })
    await produceTrades(11, 10)
    log.beforeAppend = () => {
      if (!isDown) return
      refusals++
      throw new TicklakeError('unavailable', 'no broker answers')
    }
    const start = (fence: number) => startReading(fence, 1_000_000, POLICY, clock)
    const refused = async (reading: Reading, times: number) => {
      while (refusals < times) {
        clock.advance(5_000)
        await setImmediate()
      }
      expect(reading.consumers[0]?.status()).toMatchObject({
        stalled: { code: 'unavailable', message: 'no broker answers' },
        failure: null,
      })
    }
    const first = await start(1)
    await refused(first, 5)
    await first.stop()
    expect(first.consumers[0]?.failure).toBeNull()

    const second = await start(2)
    await refused(second, 6)
    isDown = false
    clock.advance(5_000)
    await second.table('trades').visible(log.end(TRADES.topic), never)
    await second.table('quarantine').visible(log.end(QUARANTINE.topic), never)
    expect(await rowCount(second.table('trades'))).toBe(10)
    expect(await rowCount(second.table('quarantine'))).toBe(2)
    expect(second.consumers[0]?.status().stalled).toBeNull()
    await second.stop()
  })

  test('keeps the beginning of a record that the log does not take again, and of no other', async () => {
    const limit = 600 * 1024
    log.beforeAppend = ({ records }) => {
      for (const { value } of [...records.values()].flat())
        if (value.length > limit) throw new TicklakeError('too_large', 'a record is larger than is taken')
    }
    // With what is said of it, the second one is larger than may be.
    const sizes = [10, limit, 20, limit - 1_000]
    const sent = sizes.map((size, index) => ({ key: 'BHP', value: Buffer.alloc(size, `${index}`) }))
    await log.append({ records: new Map([[TRADES.topic, sent]]) })
    await produceTrades(14, 10)
    const reading = await startReading(1)
    await reading.table('trades').visible(log.end(TRADES.topic), never)
    await reading.table('quarantine').visible(log.end(QUARANTINE.topic), never)
    expect(await rowCount(reading.table('trades'))).toBe(10)
    const pinned = reading.table('quarantine').pin()
    const { columns } = await engine.query(
      `SELECT octet_length(original)::INT, detail, sha256(original) FROM ${pinned.tail[0]?.relation} ORDER BY line`,
    )
    pinned.release()
    const kept = 512 * 1024
    expect(columns[0]).toEqual(sizes.map((size) => (size === limit ? kept : size)))
    const digests = sent.map(({ value }) => createHash('sha256').update(value).digest('hex'))
    const beginning = createHash('sha256').update(sent[1]!.value.subarray(0, kept)).digest('hex')
    expect(columns[2]).toEqual(digests.with(1, beginning))
    const cut = new RegExp(
      `cut: the quarantine topic takes the first ${kept} of its ${limit} bytes, SHA-256 ${digests[1]}, whole in market-data.trades, partition [01], offset 1$`,
    )
    const details = (columns[1] as string[]).map((detail) => cut.test(detail))
    expect(details).toEqual([false, true, false, false])
    await reading.stop()
  })

  test('reads on when the log cannot be told what is committed, and tells it after the next commit', async () => {
    let told = 0
    log.beforeCommitted = () => {
      told++
      throw new Error('the disk is full')
    }
    const reading = await startReading(1, 10)
    for (let seed = 12; told < 2; seed++) {
      await produceTrades(seed, 20)
      await reading.table('trades').visible(log.end(TRADES.topic), never)
    }
    expect(reading.consumers[0]?.failure).toBeNull()
    await reading.stop()
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
    expect(first.consumers[0]?.status().lagRecords).toBe(20)
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
    log = new DisturbedLog(systemClock)
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

  test('drops what a producer sends again, also after a restart, and when it reads again [inv 10]', async () => {
    const comparing = { ...POLICY, rememberedIds: 100 }
    await produceTrades(10, 40)
    const first = await startReading(1, 1_000_000, comparing)
    await first.table('trades').visible(log.end(TRADES.topic), never)
    await first.stop()
    for (const fence of [2, 3]) {
      await produceTrades(10, 40)
      const again = await startReading(fence, 1_000_000, comparing)
      await again.consumers[0]?.caughtUp(never)
      expect(await rowCount(again.table('trades'))).toBe(40)
      await again.stop()
      const { instruments } = await again.table('trades').ledger()
      const sum = (key: 'accepted' | 'duplicates') =>
        instruments.reduce((total, instrument) => total + instrument[key], 0)
      expect([sum('accepted'), sum('duplicates')]).toEqual([40, 40 * (fence - 1)])
    }
  })

  test('that cannot read on says why to everyone who waits', async () => {
    await produceTrades(4, 5)
    const first = await startReading(1)
    await first.table('trades').visible(log.end(TRADES.topic), never)
    await first.stop()
    // A log that ends before the table's vector: its next records would be taken for old ones.
    log = new DisturbedLog(systemClock)
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
