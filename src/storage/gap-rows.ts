import { dayOfMicros, type FilledGap, type Ledger, type SequenceGap, type TableName } from '#core'
import { sqlString } from '#engine'
import type { SettledRows } from './settled-rows.js'

/** A gap of an instrument. */
export interface InstrumentGap {
  readonly exchange: string
  readonly symbol: string
  readonly gap: SequenceGap
}

/** A row of `sequence_gaps`: a gap that was found or, with a time, one that has ended. */
export interface GapRow extends InstrumentGap {
  readonly table: TableName
  readonly filledMicros: number | null
}

/** The open gaps of a ledger, by all that tells one from another. */
export function openGapsOf({ instruments }: Ledger): ReadonlyMap<string, InstrumentGap> {
  const open = new Map<string, InstrumentGap>()
  for (const { partition, exchange, symbol, runs } of instruments) {
    for (const gap of runs.flatMap((run) => run.gaps)) {
      const { from, to, sessionDay, afterMicros, beforeMicros, detectedMicros } = gap
      const times = [sessionDay, afterMicros, beforeMicros, detectedMicros]
      open.set([partition, exchange, symbol, from, to, ...times].join('\0'), { exchange, symbol, gap })
    }
  }
  return open
}

/** Two ledgers of a table, one after the other. */
export interface LedgerStep {
  readonly before: ReadonlyMap<string, InstrumentGap>
  readonly after: ReadonlyMap<string, InstrumentGap>
  readonly filledGaps: readonly FilledGap[]
}

/**
 * What the second ledger tells beyond the first. Gaps do not change: one of which numbers come ends, and what is still
 * missing of it are gaps of their own. One that is neither open nor filled was given up, because there were too many:
 * nothing says that it has ended. Pure.
 */
export function gapRows(table: TableName, { before, after, filledGaps }: LedgerStep): readonly GapRow[] {
  const pieces = new FilledPieces(filledGaps)
  const rows: GapRow[] = []
  for (const [key, known] of before) {
    const filledMicros = after.has(key) ? null : pieces.take(known)
    if (filledMicros !== null) rows.push({ ...known, table, filledMicros })
  }
  for (const [key, found] of after) {
    if (!before.has(key)) rows.push({ ...found, table, filledMicros: null })
  }
  // Of gaps that came and went in between.
  for (const { exchange, symbol, filledMicros, ...gap } of pieces.rest()) {
    rows.push({ exchange, symbol, gap, table, filledMicros })
  }
  return rows
}

/** Numbers that have come, to be found by the gap that they belonged to. */
class FilledPieces {
  /** By instrument and time of detection; disjoint, ascending. */
  readonly #pieces = new Map<string, FilledGap[]>()
  readonly #left: Set<FilledGap>

  constructor(filled: readonly FilledGap[]) {
    this.#left = new Set(filled)
    for (const piece of filled) {
      const key = pieceKey(piece.exchange, piece.symbol, piece)
      const pieces = this.#pieces.get(key)
      if (pieces) pieces.push(piece)
      else this.#pieces.set(key, [piece])
    }
    for (const pieces of this.#pieces.values()) pieces.sort((a, b) => (a.from < b.from ? -1 : 1))
  }

  /** When the last of a gap's numbers that have come did; null when none has. */
  take({ exchange, symbol, gap }: InstrumentGap): number | null {
    const pieces = this.#pieces.get(pieceKey(exchange, symbol, gap)) ?? []
    let low = 0
    for (let high = pieces.length; low < high; ) {
      const middle = (low + high) >> 1
      if (pieces[middle]!.to < gap.from) low = middle + 1
      else high = middle
    }
    let newest: number | null = null
    for (let piece = pieces[low]; piece && piece.from <= gap.to; piece = pieces[++low]) {
      newest = Math.max(newest ?? piece.filledMicros, piece.filledMicros)
      this.#left.delete(piece)
    }
    return newest
  }

  /** Those that belonged to no gap that was asked for. */
  rest(): Iterable<FilledGap> {
    return this.#left
  }
}

function pieceKey(exchange: string, symbol: string, { sessionDay, detectedMicros }: SequenceGap): string {
  return [exchange, symbol, sessionDay, detectedMicros].join('\0')
}

/** The rows, to be written. */
export function gapRelation(rows: readonly GapRow[]): SettledRows {
  const texts = (column: string, of: (row: GapRow) => string) =>
    `unnest(from_json(${sqlString(JSON.stringify(rows.map(of)))}, '["VARCHAR"]')) AS ${column}`
  // As lists: DuckDB takes ten times as long for so many VALUES.
  const numbers = (column: string, of: (row: GapRow) => bigint | number | null) =>
    `unnest(CAST('[${rows.map((row) => of(row) ?? 'NULL').join(',')}]' AS BIGINT[])) AS ${column}`
  const columns = [
    texts('exchange', (row) => row.exchange),
    texts('symbol', (row) => row.symbol),
    texts('table_name', (row) => row.table),
    numbers('session_day', ({ gap }) => gap.sessionDay),
    numbers('from_sequence', ({ gap }) => gap.from),
    numbers('to_sequence', ({ gap }) => gap.to),
    numbers('detected', ({ gap }) => gap.detectedMicros),
    numbers('filled', (row) => row.filledMicros),
  ]
  return {
    relation: `(SELECT exchange, symbol, table_name,
      DATE '1970-01-01' + CAST(session_day AS INTEGER) AS session_date, from_sequence, to_sequence,
      make_timestamptz(detected) AS detected_at, make_timestamptz(filled) AS filled_at
      FROM (SELECT ${columns.join(', ')}))`,
    rowCount: rows.length,
    days: new Set(rows.map(({ gap }) => dayOfMicros(BigInt(gap.detectedMicros)))),
  }
}
