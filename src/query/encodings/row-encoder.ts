import type { RowColumn } from '#engine'

/** Makes bytes of rows in one encoding. Rows come in the order of the answer; bytes may come later than their rows. */
export interface RowEncoder {
  /** The first `rowCount` rows of these columns. */
  encode(columns: readonly RowColumn[], rowCount: number): readonly Uint8Array[]
  /** What is still missing once all rows have come. */
  end(): readonly Uint8Array[]
}
