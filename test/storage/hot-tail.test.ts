import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { type AddedColumn, assert, createLogger, EMPTY_LEDGER, TicklakeError, TRADES } from '#core'
import { Engine } from '#engine'
import type { LogRows } from '#storage'
import { Flusher } from '../../src/storage/flusher.js'
import { type FlushPolicy, HotTail } from '../../src/storage/hot-tail.js'
import type { TailSegment } from '../../src/storage/tail-segment.js'
import { logRows } from '../support/log-rows.js'
import { ManualClock } from '../support/manual-clock.js'
import { MarketRows } from '../support/market-rows.js'

const NEVER: FlushPolicy = { rows: 1_000_000, bytes: 2 ** 30, ageMs: 3_600_000 }
const logger = createLogger({ level: 'silent', format: 'text' })

let directory: string
let engine: Engine
let clock: ManualClock
let market: MarketRows
let tail: HotTail

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'ticklake-tail-'))
  engine = await Engine.open({
    memoryLimit: '1GB',
    threads: 1,
    tempDirectory: directory,
    connections: 1,
  })
  clock = new ManualClock()
  market = new MarketRows(TRADES, { seed: 5, partitionCount: 2, days: [19_000] })
})

afterEach(async () => {
  await tail.close()
  await engine.close()
  await rm(directory, { recursive: true })
})

async function open(policy: FlushPolicy, onSealed: () => void = () => {}): Promise<void> {
  tail = await HotTail.open({
    definition: TRADES,
    engine,
    clock,
    policy,
    start: [0, 0],
    watermarks: new Map(),
    ledger: EMPTY_LEDGER,
    onSealed,
  })
}

async function append(rowCount: number, more = false): Promise<void> {
  const rows = market.take(rowCount)
  await tail.append(logRows(TRADES, rows), market.next, more)
}

const NAMES = { next: () => 'name', release() {} }

describe('the hot tail', () => {
  test('shows rows 12 ms after they came, and while more come at once, with those', async () => {
    await open(NEVER)
    await append(10)
    expect(tail.end).toEqual([0, 0])
    clock.advance(12)
    expect(tail.end).toEqual(market.next)
    await append(10, true)
    clock.advance(1000)
    expect(tail.end).not.toEqual(market.next)
    await append(10)
    clock.advance(12)
    expect(tail.end).toEqual(market.next)
  })

  test('seals by rows, by bytes and by age, each segment where the one before it ended', async () => {
    await open({ rows: 50, bytes: 2 ** 30, ageMs: 60_000 })
    await append(50)
    await append(20)
    expect(tail.sealed).toHaveLength(1)
    clock.advance(60_000)
    await tail.changed()
    expect(tail.sealed.map((segment) => segment.rowCount)).toEqual([50, 20])
    expect(tail.sealed[1]?.start).toEqual(tail.sealed[0]?.end)
    expect(tail.sealedEnd).toEqual(tail.sealed[1]?.end)
    expect(tail.sealed[1]?.end).toEqual(market.next)
  })

  test('counts long strings too when it seals by bytes', async () => {
    await open({ rows: 1_000_000, bytes: 1_000_000, ageMs: 60_000 })
    const row = { ...market.take(1)[0], conditions: 'x'.repeat(1_000_000) }
    await tail.append(logRows(TRADES, [row]), market.next, false)
    expect(tail.sealed).toHaveLength(1)
  })

  test('lets appends wait while two sealed segments are unflushed [inv 13]', async () => {
    await open({ rows: 10, bytes: 2 ** 30, ageMs: 60_000 })
    await append(10)
    await append(10)
    let taken = false
    const third = append(10).then(() => {
      taken = true
    })
    await new Promise((resolve) => setImmediate(resolve))
    expect(taken).toBe(false)
    expect(tail.sealed).toHaveLength(2)
    tail.committed(tail.sealed[0] as TailSegment)
    await third
    expect(tail.sealed).toHaveLength(2)
  })
})

describe('rows with other columns than those before', () => {
  const wider: readonly AddedColumn[] = [{ id: 30, type: 'double' }]

  /** Rows of a table that has a double besides, which is the number of the row. */
  function wide(rowCount: number): LogRows {
    const rows = logRows(TRADES, market.take(rowCount))
    const values = Float64Array.from({ length: rowCount }, (_, row) => row)
    const columns = [...rows.batch.columns, { kind: 'double', values, valid: null } as const]
    return { ...rows, batch: { ...rows.batch, added: wider, columns } }
  }

  test('begin a segment of their own, where the one before ends [inv 1]', async () => {
    await open(NEVER)
    await append(10)
    await tail.append(wide(5), market.next, false)
    await tail.append(wide(5), market.next, false)
    expect(tail.sealed.map(({ rowCount, added }) => [rowCount, added])).toEqual([[10, []]])
    expect(tail.sealedEnd).toEqual(tail.sealed[0]?.end)
    tail.publish()
    const [narrow, open_] = tail.segments()
    expect(open_?.added).toEqual(wider)
    const column = { id: 30, name: 'renamed since', type: 'double' }
    expect(narrow?.addedOf([column])).toEqual([])
    expect(open_?.addedOf([column, { ...column, id: 31 }])).toEqual([column])
    const { columns } = await engine.query(`SELECT "renamed since" FROM ${open_?.relation([column])}`)
    expect(columns).toEqual([[0, 1, 2, 3, 4, 0, 1, 2, 3, 4]])
    tail.committed(tail.sealed[0] as TailSegment)
    await append(10)
    expect(tail.sealed.map(({ rowCount, added }) => [rowCount, added])).toEqual([[10, wider]])
    expect(tail.rowCount).toBe(20)
  })

  test('take the place of a segment that has none, which is not flushed', async () => {
    let sealed = 0
    await open(NEVER, () => sealed++)
    await tail.append(wide(5), market.next, false)
    expect([sealed, tail.sealed.length, tail.rowCount]).toEqual([0, 0, 5])
    await engine.dropped()
    const { columns } = await engine.query(
      `SELECT table_name FROM duckdb_tables() WHERE estimated_size > 0 OR table_name = 'tail_trades_0'`,
    )
    expect(columns.flat()).not.toContain('tail_trades_0')
  })

  test('wait while two sealed segments are unflushed, and are not taken if that ends [inv 13]', async () => {
    await open({ rows: 10, bytes: 2 ** 30, ageMs: 60_000 })
    await append(10)
    await append(3)
    const stopping = new AbortController()
    const waiting = tail.append(wide(5), market.next, false, stopping.signal)
    while (tail.sealed.length < 2) await new Promise((resolve) => setImmediate(resolve))
    stopping.abort(new Error('stopping'))
    await expect(waiting).rejects.toThrow('stopping')
    expect([tail.rowCount, tail.appendedEnd]).toEqual([13, tail.sealedEnd])
  })
})

describe('who waits for the hot tail', () => {
  test('to take rows is let go by a signal, with nothing taken', async () => {
    await open({ rows: 10, bytes: 2 ** 30, ageMs: 60_000 })
    await append(10)
    await append(10)
    const stopping = new AbortController()
    const third = tail.append(logRows(TRADES, market.take(10)), market.next, false, stopping.signal)
    stopping.abort(new Error('stopping'))
    await expect(third).rejects.toThrow('stopping')
    expect(tail.appendedEnd).toEqual(tail.sealedEnd)
  })

  test('to show rows hears of its end', async () => {
    await open(NEVER)
    const shown = tail.visible([1, 1], new AbortController().signal)
    const outcome = expect(shown).rejects.toThrow('stopping')
    await tail.close()
    await outcome
    await engine.close()
    engine = await Engine.open({
      memoryLimit: '1GB',
      threads: 1,
      tempDirectory: directory,
      connections: 1,
    })
    await open(NEVER)
  })

  test('to show rows hears that they could not be published', async () => {
    await open(NEVER)
    await append(10)
    const shown = tail.visible(market.next, new AbortController().signal)
    const outcome = expect(shown).rejects.toThrow('columns')
    // As when DuckDB has no memory left for them.
    await engine.run('ALTER TABLE tail_trades_0 ADD COLUMN unexpected INTEGER')
    clock.advance(12)
    await outcome
    await expect(append(10)).rejects.toThrow('columns')
  })
})

describe('the flusher', () => {
  test('tries a failed commit again with the files that were written, until it holds', async () => {
    let prepared = 0
    let attempts = 0
    const committed: TailSegment[] = []
    const flusher = new Flusher({
      clock,
      logger,
      prepare: async () => {
        prepared++
        return { files: [], specId: 0, summary: {}, names: NAMES }
      },
      commit: async (segment) => {
        if (++attempts < 3) throw new Error('no space left on device')
        committed.push(segment)
        tail.committed(segment)
      },
    })
    await open(NEVER, () => flusher.flushSealed(tail))
    await append(5)
    await tail.seal()
    const [sealed] = tail.sealed
    await tail.changed()
    expect(flusher.lastFailure?.message).toBe('no space left on device')
    clock.advance(500)
    await tail.changed()
    clock.advance(1000)
    await tail.changed()
    expect(committed).toEqual([sealed])
    expect([prepared, attempts]).toEqual([1, 3])
    await flusher.stop()
  })

  test('does not try again what an invariant forbids', async () => {
    let attempts = 0
    const flusher = new Flusher({
      clock,
      logger,
      prepare: async () => {
        attempts++
        assert(false, 'every row of a segment is in the file of its day')
      },
      commit: async () => {},
    })
    await open(NEVER, () => flusher.flushSealed(tail))
    await append(5)
    await tail.seal()
    await flusher.stop()
    expect(attempts).toBe(1)
    await expect(append(5)).rejects.toThrow('every row')
  })

  test('gives up when trying again cannot help, and appends say why', async () => {
    const conflict = new TicklakeError('conflict', 'the table is somewhere else')
    const flusher = new Flusher({
      clock,
      logger,
      prepare: async () => ({ files: [], specId: 0, summary: {}, names: NAMES }),
      commit: async () => {
        throw conflict
      },
    })
    await open(NEVER, () => flusher.flushSealed(tail))
    await append(5)
    await tail.seal()
    await tail.changed()
    expect(flusher.hasGivenUp).toBe(true)
    await expect(append(5)).rejects.toBe(conflict)
    await flusher.stop()
  })
})
