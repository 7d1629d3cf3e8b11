import { dayOfMicros, type Ledger, type SequenceGap, type TableName } from '#core'
import { sqlString } from '#engine'
import type { SettledRows } from './prepare.js'

/** A row of `sequence_gaps`: a gap that was found, or, with a time, one that was filled. */
export interface GapRow {
  readonly table: TableName
  readonly exchange: string
  readonly symbol: string
  readonly gap: SequenceGap
  readonly filledMicros: number | null
}

/** What a ledger tells beyond the one before, whose open gaps are known. */
export interface GapChanges {
  readonly rows: readonly GapRow[]
  /** The open gaps of this ledger. */
  readonly open: ReadonlySet<string>
}

/** Compares a ledger of a table with the open gaps of the one before it. Pure. */
export function gapChanges(table: TableName, openBefore: ReadonlySet<string>, ledger: Ledger): GapChanges {
  const rows: GapRow[] = ledger.filledGaps.map(({ exchange, symbol, filledMicros, ...gap }) => ({
    ...{ table, exchange, symbol, gap, filledMicros },
  }))
  const open = new Set<string>()
  for (const { partition, exchange, symbol, runs } of ledger.instruments) {
    for (const gap of runs.flatMap((run) => run.gaps)) {
      // Gaps do not change: one of which numbers come makes way for others.
      const { from, to, sessionDay, afterMicros, beforeMicros, detectedMicros } = gap
      const times = [sessionDay, afterMicros, beforeMicros, detectedMicros]
      const key = [partition, exchange, symbol, from, to, ...times].join('\0')
      open.add(key)
      if (!openBefore.has(key)) rows.push({ table, exchange, symbol, gap, filledMicros: null })
    }
  }
  return { rows, open }
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
