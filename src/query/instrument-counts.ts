import type { InstrumentState } from '#core'
import type { Bindings } from './bindings.js'
import { openIn } from './gaps.js'
import type { Selection } from './request.js'

/** How many records were refused, by reason. */
export type ReasonCounts = Readonly<Record<string, number>>

/** What the ledger tells of an instrument: since the beginning of the log, but for what is missing. */
export interface InstrumentCounts {
  readonly exchange: string
  readonly symbol: string
  readonly accepted: number
  readonly duplicates: number
  readonly refused: ReasonCounts
  /** Sequence numbers of the gaps whose events the selection may mean. */
  readonly missing: bigint
}

/** Of the instruments that a selection means. One that is in several partitions is added up. */
export function instrumentCounts(
  states: Iterable<InstrumentState>,
  selection: Selection,
): readonly InstrumentCounts[] {
  const symbols = selection.symbols === null ? null : new Set(selection.symbols)
  const isOpenIn = openIn(selection)
  const counts = new Map<string, InstrumentCounts>()
  for (const { exchange, symbol, accepted, duplicates, refused, runs } of states) {
    if (symbols?.has(symbol) === false) continue
    if (selection.exchange !== null && selection.exchange !== exchange) continue
    const gaps = runs.flatMap((run) => run.gaps).filter(isOpenIn)
    const key = JSON.stringify([exchange, symbol])
    const known = counts.get(key)
    counts.set(key, {
      exchange,
      symbol,
      accepted: accepted + (known?.accepted ?? 0),
      duplicates: duplicates + (known?.duplicates ?? 0),
      refused: addReasons(known?.refused ?? {}, refused),
      missing: gaps.reduce((sum, { from, to }) => sum + to - from + 1n, known?.missing ?? 0n),
    })
  }
  return [...counts.values()]
}

export function addReasons(a: ReasonCounts, b: ReasonCounts): ReasonCounts {
  const sum: Record<string, number> = { ...a }
  for (const [reason, count] of Object.entries(b)) sum[reason] = (sum[reason] ?? 0) + count
  return sum
}

export function totalOf(reasons: ReasonCounts): number {
  return Object.values(reasons).reduce((sum, count) => sum + count, 0)
}

/** Counts as a relation for a statement, one row an instrument; `reasons` is a JSON object. */
export function countsRelation(counts: readonly InstrumentCounts[], bindings: Bindings): string {
  // As bound lists: DuckDB takes ten times as long for so many VALUES.
  const texts = (values: readonly string[]) =>
    `unnest(from_json(${bindings.bind(JSON.stringify(values))}, '["VARCHAR"]'))`
  const numbers = (type: string, values: readonly (number | bigint)[]) =>
    `unnest(CAST(${bindings.bind(`[${values.join(',')}]`)} AS ${type}[]))`
  const columns = [
    `${texts(counts.map((one) => one.exchange))} AS exchange`,
    `${texts(counts.map((one) => one.symbol))} AS symbol`,
    `${numbers(
      'BIGINT',
      counts.map((one) => one.accepted),
    )} AS accepted`,
    `${numbers(
      'BIGINT',
      counts.map((one) => one.duplicates),
    )} AS duplicates`,
    `${numbers(
      'BIGINT',
      counts.map((one) => totalOf(one.refused)),
    )} AS quarantined`,
    `${texts(counts.map((one) => JSON.stringify(one.refused)))} AS reasons`,
    `${numbers(
      'HUGEINT',
      counts.map((one) => one.missing),
    )} AS missing_numbers`,
  ]
  return `SELECT ${columns.join(', ')}`
}
