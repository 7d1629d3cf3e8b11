import type { Bindings } from './bindings.js'
import { microsLiteral } from './order-key.js'
import type { Selection } from './request.js'
import { floorMicros } from './scan.js'

/** The columns that `selectionConditions` reads. */
export const SELECTION_COLUMNS = ['symbol', 'exchange', 'exchange_timestamp', 'exchange_nanos'] as const

/** SQL conditions, all of which an event of the selection meets. */
export function selectionConditions(selection: Selection, bindings: Bindings): readonly string[] {
  const { symbols, exchange, startNanos, endNanos } = selection
  return [
    ...(symbols ? [`symbol IN (${symbols.map((symbol) => bindings.bind(symbol)).join(', ')})`] : []),
    ...(exchange === null ? [] : [`exchange = ${bindings.bind(exchange)}`]),
    ...(startNanos === null ? [] : from(startNanos)),
    ...(endNanos === null ? [] : before(endNanos)),
  ]
}

/** WHERE clause of conditions, or nothing. */
export function whereAll(conditions: readonly string[]): string {
  return conditions.length === 0 ? '' : `WHERE ${conditions.join(' AND ')}`
}

/** Event time ≥ nanos. The first condition is on one column, so that files and row groups can be left out by it. */
function from(nanos: bigint): readonly string[] {
  const micros = floorMicros(nanos)
  const rest = nanos - micros * 1000n
  const time = microsLiteral(micros)
  if (rest === 0n) return [`exchange_timestamp >= ${time}`]
  return [
    `exchange_timestamp >= ${time}`,
    `(exchange_timestamp > ${time} OR coalesce(exchange_nanos, 0) >= ${rest})`,
  ]
}

/** Event time < nanos. */
function before(nanos: bigint): readonly string[] {
  const micros = floorMicros(nanos)
  const rest = nanos - micros * 1000n
  const time = microsLiteral(micros)
  if (rest === 0n) return [`exchange_timestamp < ${time}`]
  return [
    `exchange_timestamp <= ${time}`,
    `(exchange_timestamp < ${time} OR coalesce(exchange_nanos, 0) < ${rest})`,
  ]
}
