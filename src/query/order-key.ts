import { AFTER_TIME } from '#storage'
import type { Bindings } from './bindings.js'
import { selectList } from './field.js'
import type { Key, KeyForm, PagePosition } from './page-token.js'
import type { Order } from './request.js'

export { ORDER_COLUMNS } from '#storage'

/*
 * Rows of foreign engines, which have no position, may tie, and are then told apart by `tie`, a hash of the columns
 * that the statement reads. What still ties is equal in all of them: which of those comes first cannot be seen.
 */

/** Event time, the parts after it, and the tie. */
export const ORDER_KEY_FORM: KeyForm = ['number', ...AFTER_TIME.map(() => 'number' as const), 'number']

/** 0 for a row that has a log position, which no other row has; a hash of these columns for any other. */
export function tieOf(columns: readonly string[]): string {
  return `CASE WHEN log_partition IS NULL OR log_offset IS NULL THEN hash(${selectList(columns)}) ELSE 0::UBIGINT END`
}

/** The key as one comparable value, for arg_min and arg_max; `tie` is an expression that settles what is left. */
export function orderKey(tie: string): string {
  return `(exchange_timestamp, ${AFTER_TIME.join(', ')}, ${tie})`
}

/** ORDER BY list. Descending is the exact reverse of ascending, nulls included. */
export function orderBy(order: Order, tie: string): string {
  const [direction, nulls] = order === 'asc' ? ['ASC', 'NULLS LAST'] : ['DESC', 'NULLS FIRST']
  const rest = [...AFTER_TIME, tie].map((part) => `${part} ${direction}`)
  return [`exchange_timestamp ${direction} ${nulls}`, ...rest].join(', ')
}

/** SQL that writes the key as a JSON list of texts: micros (null: no event time), nanos, partition, offset, tie. */
export function orderKeyText(tie: string): string {
  return keyText(['epoch_us(exchange_timestamp)', ...AFTER_TIME, tie])
}

/** The condition on rows that come after a key; the rows with this very key count too where it was a tie. */
export function afterOrderKey(position: PagePosition, order: Order, tie: string, bindings: Bindings): string {
  const [micros, ...rest] = position.key
  const operator = `${order === 'asc' ? '>' : '<'}${position.ties > 0 ? '=' : ''}`
  const types = ['INTEGER', 'INTEGER', 'BIGINT', 'UBIGINT']
  const bound = rest.map((part, index) => `CAST(${bindings.bind(part)} AS ${types[index]})`)
  const afterRest = `(${[...AFTER_TIME, tie].join(', ')}) ${operator} (${bound.join(', ')})`
  if (micros === null || micros === undefined) {
    return order === 'asc'
      ? `(exchange_timestamp IS NULL AND ${afterRest})`
      : `(exchange_timestamp IS NOT NULL OR ${afterRest})`
  }
  const time = microsLiteral(BigInt(micros))
  const later =
    order === 'asc'
      ? `exchange_timestamp > ${time} OR exchange_timestamp IS NULL`
      : `exchange_timestamp < ${time}`
  return `(${later} OR (exchange_timestamp = ${time} AND ${afterRest}))`
}

/** A constant point in time: DuckDB compares it with the statistics of files, which it does not with a parameter. */
export function microsLiteral(micros: bigint): string {
  return `make_timestamptz(${micros})`
}

/** SQL that writes a key as a JSON list of texts. */
export function keyText(parts: readonly string[]): string {
  return `CAST(to_json([${parts.map((part) => `CAST(${part} AS VARCHAR)`).join(', ')}]) AS VARCHAR)`
}

/** The event time of a key, µs; null when it has none. */
export function keyMicros(key: Key): bigint | null {
  return key[0] === null || key[0] === undefined ? null : BigInt(key[0])
}
