import type { Bindings } from './bindings.js'
import { keyText } from './order-key.js'
import type { Key, KeyForm } from './page-token.js'

/** What bars, latest rows and symbols are kept by. A foreign row without one of the two counts under the empty text. */
export const INSTRUMENT = `coalesce(exchange, '') AS exchange, coalesce(symbol, '') AS symbol`

/** Instruments are listed by exchange, then symbol, in the order of their bytes. */
const INSTRUMENT_KEY = ['exchange', 'symbol'] as const

export const INSTRUMENT_KEY_FORM: KeyForm = ['text', 'text']

export function instrumentKeyText(): string {
  return keyText(INSTRUMENT_KEY)
}

/** The condition on instruments that come after a key. */
export function afterInstrument(key: Key, bindings: Bindings): string {
  return `(exchange, symbol) > (${bindings.bind(key[0] ?? '')}, ${bindings.bind(key[1] ?? '')})`
}
