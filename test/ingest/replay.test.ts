import { beforeEach, describe, expect, test } from 'vitest'
import { createLogger, TRADES } from '#core'
import { type QuarantinedRecord, Replay } from '#ingest'
import { avroSchema } from '../../src/ingest/avro-schema.js'
import { MemoryLog } from '../../src/ingest/log/memory.js'
import { EmbeddedRegistry } from '../../src/ingest/registry/embedded.js'
import { loggedRecords } from '../support/log-records.js'
import { ManualClock } from '../support/manual-clock.js'
import { encodeRecords } from '../support/road.js'

const SCHEMA = JSON.stringify(avroSchema(TRADES))
const START_MS = Date.UTC(2024, 0, 1)

let clock: ManualClock
let log: MemoryLog
let replay: Replay
let wireId: number

beforeEach(async () => {
  clock = new ManualClock(START_MS)
  log = new MemoryLog(clock)
  await log.start()
  await log.createTopic(TRADES.topic, 2)
  const registry = new EmbeddedRegistry(log.store)
  wireId = (await registry.register(`${TRADES.topic}-value`, SCHEMA)).id
  replay = new Replay({ log, registry, clock, logger: createLogger({ level: 'silent', format: 'text' }) })
})

/** Trades at the given hours after the start, as the quarantine would have them, from offset 0. */
function refused(hours: readonly number[], symbol = 'BHP'): QuarantinedRecord[] {
  const rows = hours.map((hour) => ({
    ...{ symbol, exchange: 'X', price: 100n, size: 1n, message_id: `at ${hour}` },
    exchange_timestamp: BigInt(START_MS + hour * 3_600_000) * 1000n,
  }))
  return encodeRecords(TRADES, rows, wireId).map((original, offset) => ({ partition: 1, offset, original }))
}

async function* pagesOf(...pages: QuarantinedRecord[][]): AsyncGenerator<readonly QuarantinedRecord[]> {
  yield* pages
}

function logged(): unknown[] {
  return loggedRecords(log, TRADES).map((record) => record.message_id)
}

describe('a replay', () => {
  test('appends each record once, in their order, under its symbol, however often it is asked', async () => {
    const records = refused([0, 0, 0])
    const first = await replay.replay(TRADES, pagesOf(records.slice(0, 2)))
    expect(first).toMatchObject({
      replayed: 2,
      already: 0,
      refused: 0,
      problems: [],
      end: log.end(TRADES.topic),
    })
    const second = await replay.replay(TRADES, pagesOf(records.slice(0, 2), records.slice(2)))
    expect(second).toMatchObject({ replayed: 1, already: 2, refused: 0 })
    expect(logged()).toEqual(['at 0', 'at 0', 'at 0'])
    // All in the partition of their symbol.
    expect([...log.end(TRADES.topic)].sort()).toEqual([0, 3])
    await log.stop()
    await log.start()
    expect(await replay.replay(TRADES, pagesOf(records))).toMatchObject({ replayed: 0, already: 3 })
  })

  test('leaves what would be refused again, names it by its place, and takes it when its time has come', async () => {
    const records = refused([0, 2, 4])
    const early = await replay.replay(TRADES, pagesOf(records))
    expect(early).toMatchObject({ replayed: 1, already: 0, refused: 2 })
    expect(early.problems).toMatchObject([
      { partition: 1, offset: 1, reason: 'time_ahead' },
      { partition: 1, offset: 2, reason: 'time_ahead' },
    ])
    clock.advance(2 * 3_600_000)
    expect(await replay.replay(TRADES, pagesOf(records))).toMatchObject({
      replayed: 1,
      already: 1,
      refused: 1,
    })
    expect(logged()).toEqual(['at 0', 'at 2'])
  })

  test('counts all that would be refused again and names a hundred', async () => {
    const junk = Array.from({ length: 130 }, (_, offset) => ({
      partition: 0,
      offset,
      original: Buffer.from('junk'),
    }))
    const result = await replay.replay(TRADES, pagesOf(junk.slice(0, 70), [], junk.slice(70)))
    expect(result).toMatchObject({ replayed: 0, refused: 130 })
    expect(result.problems.map((problem) => problem.offset)).toEqual(
      junk.slice(0, 100).map((one) => one.offset),
    )
  })

  test('is alone: another one meanwhile is a conflict, and one after it is not', async () => {
    const one = replay.replay(TRADES, pagesOf(refused([0])))
    await expect(replay.replay(TRADES, pagesOf(refused([0])))).rejects.toMatchObject({ code: 'conflict' })
    await one
    expect(await replay.replay(TRADES, pagesOf(refused([0])))).toMatchObject({ already: 1 })
  })

  test('that the log refuses has replayed nothing that it did not count', async () => {
    await log.stop()
    await expect(replay.replay(TRADES, pagesOf(refused([0])))).rejects.toThrow()
    await log.start()
    expect(await replay.replay(TRADES, pagesOf(refused([0])))).toMatchObject({ replayed: 1, already: 0 })
    expect(logged()).toEqual(['at 0'])
  })
})
