import type { Statement } from './answer.js'
import { Bindings } from './bindings.js'
import { SELECTION_COLUMNS, selectionConditions, whereAll } from './conditions.js'
import { type Encoding, encodeRow, numberField } from './field.js'
import type { CountRequest, Selection } from './request.js'
import { relation, type Scan } from './scan.js'

export const COUNT_FIELDS = [numberField('count', 'count', 'rows of the selection')] as const
export const COUNT_TYPES = { count: 'BIGINT' } as const

/** True when manifests and tail know the count: every row counts. */
export function countsEveryRow(selection: Selection): boolean {
  const { symbols, exchange, startNanos, endNanos } = selection
  return symbols === null && exchange === null && startNanos === null && endNanos === null
}

/** One row: the count. */
export function countStatement(request: CountRequest, scan: Scan, encoding: Encoding): Statement {
  const source = relation(scan, SELECTION_COLUMNS)
  const bindings = new Bindings()
  const where = whereAll(selectionConditions(request, bindings))
  const sql = `SELECT ${encodeRow(COUNT_FIELDS, encoding)} AS row, '[]' AS key FROM (SELECT count(*) AS count FROM ${source} ${where})`
  return { sql, parameters: bindings.values }
}

/** The same row for a count that is known. */
export function encodeCount({ count }: { readonly count: number }, encoding: Encoding): string {
  return encoding === 'csv' ? String(count) : JSON.stringify({ count })
}
