import { type Encoding, isText } from '../field.js'
import { ArrowEncoder } from './arrow-encoder.js'
import type { RowEncoder } from './row-encoder.js'
import { TextEncoder } from './text-encoder.js'

/** What makes bytes of rows as they come. Parquet is not made so: its file is written whole. */
export function encoderOf(encoding: Exclude<Encoding, 'parquet'>): RowEncoder {
  return isText(encoding) ? new TextEncoder(encoding) : new ArrowEncoder()
}
