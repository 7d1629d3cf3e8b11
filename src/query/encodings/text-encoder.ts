import { assert } from '#core'
import type { RowColumn } from '#engine'
import type { RowEncoder } from './row-encoder.js'

export type TextEncoding = 'json' | 'ndjson' | 'csv'

/** What stands between two rows of a JSON list, and behind every row of the others. */
const SEPARATORS: Readonly<Record<TextEncoding, string>> = { json: ',\n', ndjson: '\n', csv: '\r\n' }

/** Rows that DuckDB has written as one text each. */
export class TextEncoder implements RowEncoder {
  readonly #separator: Buffer
  readonly #isTerminated: boolean
  #isFirst = true

  constructor(encoding: TextEncoding) {
    this.#separator = Buffer.from(SEPARATORS[encoding])
    this.#isTerminated = encoding !== 'json'
  }

  encode([column]: readonly RowColumn[], rowCount: number): readonly Uint8Array[] {
    assert(column !== undefined && !(column.values instanceof Uint8Array), 'a row is a text')
    const { offsets, bytes } = column.values
    const separator = this.#separator
    const rows = Buffer.allocUnsafe(offsets[rowCount]! + rowCount * separator.length)
    let at = 0
    const separate = () => {
      at += separator.copy(rows, at)
    }
    for (let row = 0; row < rowCount; row++) {
      if (!this.#isTerminated && !this.#isFirst) separate()
      this.#isFirst = false
      at += bytes.copy(rows, at, offsets[row], offsets[row + 1])
      if (this.#isTerminated) separate()
    }
    return at === 0 ? [] : [rows.subarray(0, at)]
  }

  end(): readonly Uint8Array[] {
    return []
  }
}

/** Rows that were encoded apart, one after the other. */
export function joinRows(parts: readonly Uint8Array[], encoding: TextEncoding): readonly Uint8Array[] {
  const found = parts.filter(({ byteLength }) => byteLength > 0)
  if (encoding !== 'json') return found
  const separator = Buffer.from(SEPARATORS.json)
  return found.flatMap((part, index) => (index === 0 ? [part] : [separator, part]))
}

/** The same for rows that were not read from tables. */
export function encodeTexts(rows: readonly string[], encoding: TextEncoding): readonly Uint8Array[] {
  if (rows.length === 0) return []
  const separator = SEPARATORS[encoding]
  return [Buffer.from(rows.join(separator) + (encoding === 'json' ? '' : separator))]
}
