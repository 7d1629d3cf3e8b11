import { assert, QUARANTINE_REASONS, type QuarantineReason } from '#core'
import type { ResultChunk, ResultColumn } from '#engine'
import type { RefusedRow } from './producer.js'
import { FIRST_FIELD, LINE, ORIGINAL, PROBLEM, SKIPPED } from './source-query.js'

/** Rows of the loader query, each put where it belongs. Their counts add up to `rowCount`. */
export interface SourceRows {
  readonly rowCount: number
  readonly acceptedCount: number
  /** The accepted rows, by field name. */
  readonly columns: ReadonlyMap<string, ResultColumn>
  /** Number of each accepted row in the source, from 1. */
  readonly sourceRows: BigInt64Array
  readonly refused: readonly RefusedRow[]
  readonly skippedCount: number
}

const REASONS: ReadonlySet<string> = new Set(QUARANTINE_REASONS)

/**
 * Sorts the rows [from, …) of a chunk into accepted, refused and skipped ones. `rowsBefore` is how many rows of the
 * source precede the chunk.
 */
export function sortRows(
  chunk: ResultChunk,
  fields: readonly string[],
  from: number,
  rowsBefore: number,
  encoding: 'utf-8' | 'latin-1',
): SourceRows {
  const problems = strings(chunk, PROBLEM)
  const originals = strings(chunk, ORIGINAL)
  const lines = chunk.columns[LINE]!
  assert(lines.kind === 'long', 'the line is a BIGINT')
  const accepted: number[] = []
  const refused: RefusedRow[] = []
  let skippedCount = 0
  for (let row = from; row < chunk.rowCount; row++) {
    const problem = problems[row]!
    if (problem === null) accepted.push(row)
    else if (problem === SKIPPED) skippedCount++
    else {
      refused.push({
        line: lines.values[row] ?? 0n,
        ...reasonAndDetail(problem),
        original: Buffer.from(originals[row] ?? '', encoding === 'utf-8' ? 'utf8' : 'latin1'),
      })
    }
  }
  const columns = chunk.columns.slice(FIRST_FIELD)
  const isWhole = accepted.length === chunk.rowCount
  return {
    rowCount: chunk.rowCount - from,
    acceptedCount: accepted.length,
    columns: new Map(
      columns.map((column, index) => [fields[index]!, isWhole ? column : take(column, accepted)]),
    ),
    sourceRows: BigInt64Array.from(accepted, (row) => BigInt(rowsBefore + row + 1)),
    refused,
    skippedCount,
  }
}

/** "not_a_number: price: …" → reason and detail. A format's own words are taken as `malformed`. */
function reasonAndDetail(problem: string): { reason: QuarantineReason; detail: string } {
  const [, reason = '', detail = ''] = /^(\w+): (.*)$/s.exec(problem) ?? []
  return REASONS.has(reason)
    ? // The set holds nothing but reasons.
      { reason: reason as QuarantineReason, detail }
    : { reason: 'malformed', detail: problem }
}

function strings(chunk: ResultChunk, index: number): readonly (string | null)[] {
  const column = chunk.columns[index]!
  assert(column.kind === 'string', 'problem and original are VARCHAR')
  return column.values
}

function take(column: ResultColumn, rows: readonly number[]): ResultColumn {
  switch (column.kind) {
    case 'string':
      return { kind: 'string', values: rows.map((row) => column.values[row]!) }
    case 'int':
      return { kind: 'int', values: rows.map((row) => column.values[row]!) }
    case 'long': {
      const { values } = column
      return {
        kind: 'long',
        values:
          values instanceof BigInt64Array
            ? BigInt64Array.from(rows, (row) => values[row]!)
            : rows.map((row) => values[row]!),
      }
    }
  }
}
