import type { TableLayout } from '#core'
import { type ReadableFile, timesOf } from '#storage'
import type { Statement } from './answer.js'
import { Bindings } from './bindings.js'
import { SELECTION_COLUMNS, selectionConditions, whereAll } from './conditions.js'
import { type Encoding, encodeRow, numberField } from './field.js'
import type { CountRequest, Selection } from './request.js'
import { NOTHING, relation, rowsScanned, type Scan } from './scan.js'

export const COUNT_FIELDS = [numberField('count', 'count', 'rows of the selection')] as const
export const COUNT_TYPES = { count: 'BIGINT' } as const

/** Rows of a scan that count for what is known of their files, and what has to be read to know of the others. */
export interface KnownCount {
  readonly count: number
  readonly rest: Scan
}

/** Of a file without deletes that lies in the range every row counts, if a range is all that is asked for. */
export function knownCount(selection: Selection, scan: Scan, layout: TableLayout): KnownCount {
  const { symbols, exchange, startNanos, endNanos } = selection
  if (symbols !== null || exchange !== null) return { count: 0, rest: scan }
  const isAny = startNanos === null && endNanos === null
  const lies = (file: ReadableFile) => {
    const times = timesOf(layout, file)
    if (times === null) return false
    const isAfter = startNanos === null || times.from * 1000n >= startNanos
    return isAfter && (endNanos === null || times.to * 1000n + 999n < endNanos)
  }
  const isKnown = (file: ReadableFile) => file.deletes === undefined && (isAny || lies(file))
  const known: Scan = {
    ...NOTHING,
    files: scan.files.filter(isKnown),
    tail: isAny ? scan.tail : [],
  }
  const files = scan.files.filter((file) => !isKnown(file))
  return { count: rowsScanned(known), rest: { ...scan, files, tail: isAny ? [] : scan.tail } }
}

/** One row: how many rows of a scan are of a selection, and those that are known to be. */
export function countStatement(
  request: CountRequest,
  { count, rest }: KnownCount,
  encoding: Encoding,
): Statement {
  const source = relation(rest, SELECTION_COLUMNS)
  const bindings = new Bindings()
  const where = whereAll(selectionConditions(request, bindings))
  const sql = `SELECT ${encodeRow(COUNT_FIELDS, encoding)} AS row, '[]' AS key FROM (SELECT ${count} + count(*) AS count FROM ${source} ${where})`
  return { sql, parameters: bindings.values }
}

/** The same row for a count that is known. */
export function encodeCount({ count }: { readonly count: number }, encoding: Encoding): string {
  return encoding === 'csv' ? String(count) : JSON.stringify({ count })
}
