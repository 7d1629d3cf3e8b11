import type { DuckDBDataChunk } from '@duckdb/node-api'
import duckdb from '@duckdb/node-bindings'
import { assert } from '#core'
import { readText, type TextCells } from './text-cells.js'

/**
 * What the values of a column are. `date` is whole days since 1970. `micros` and `nanos` are whole numbers since 1970: points in time, but for `micros`
 * without `utc`, which are times of an unnamed zone. A decimal is its scaled number.
 */
export type RowType =
  | { readonly kind: 'text' | 'boolean' | 'long' | 'double' | 'date' | 'nanos' }
  | { readonly kind: 'micros'; readonly utc: boolean }
  | { readonly kind: 'decimal'; readonly precision: number; readonly scale: number }

/**
 * A column of a chunk, copied out of DuckDB's memory: a text's cells, else little-endian values of one width: 16 bytes
 * of a decimal whose precision is above 18, 4 of a date, 1 of a boolean, 8 of all others. What a null cell holds means nothing.
 */
export interface RowColumn {
  readonly name: string
  readonly type: RowType
  readonly values: TextCells | Uint8Array
  /** A bit a row, lowest first: 0 is null. Null: no row is. */
  readonly validity: Uint8Array | null
}

/** Some rows of a result. A column that is a STRUCT comes as its members. */
export interface RowsChunk {
  readonly rowCount: number
  readonly columns: readonly RowColumn[]
}

/** The columns of a chunk that are VARCHAR, BOOLEAN, BIGINT, DOUBLE, DATE, TIMESTAMP, TIMESTAMPTZ, TIMESTAMP_NS, DECIMAL of 10 digits or more, or a STRUCT of such. */
export function readRows(chunk: DuckDBDataChunk): RowsChunk {
  const columns = Array.from({ length: chunk.columnCount }, (_, index) => {
    const vector = duckdb.data_chunk_get_vector(chunk.chunk, index)
    const type = duckdb.vector_get_column_type(vector)
    if (duckdb.get_type_id(type) !== duckdb.Type.STRUCT) return [readColumn('', vector, type, chunk.rowCount)]
    return Array.from({ length: duckdb.struct_type_child_count(type) }, (_, member) =>
      readColumn(
        duckdb.struct_type_child_name(type, member),
        duckdb.struct_vector_get_child(vector, member),
        duckdb.struct_type_child_type(type, member),
        chunk.rowCount,
      ),
    )
  })
  return { rowCount: chunk.rowCount, columns: columns.flat() }
}

/** The texts of a column that has no nulls. */
export function textsOf({ type, values, validity }: RowColumn, rowCount: number): readonly string[] {
  assert(type.kind === 'text' && !(values instanceof Uint8Array), 'the column holds text')
  assert(validity === null, 'no text is null')
  const { offsets, bytes } = values
  return Array.from({ length: rowCount }, (_, row) => bytes.toString('utf8', offsets[row], offsets[row + 1]))
}

function readColumn(
  name: string,
  vector: duckdb.Vector,
  logicalType: duckdb.LogicalType,
  rowCount: number,
): RowColumn {
  const type = typeOf(logicalType)
  const bits = rowCount === 0 ? null : duckdb.vector_get_validity(vector, Math.ceil(rowCount / 64) * 8)
  const isNull = (row: number) => bits !== null && (bits[row >> 3]! & (1 << (row & 7))) === 0
  const nulls = bits === null ? [] : Array.from({ length: rowCount }, (_, row) => row).filter(isNull)
  // DuckDB's memory is another chunk's in the next turn: everything is copied. It may have a mask where nothing is null.
  const validity = bits !== null && nulls.length > 0 ? Uint8Array.from(bits) : null
  if (type.kind === 'text') return { name, type, validity, values: readText(vector, rowCount, isNull) }
  const width = widthOf(type)
  const values = rowCount === 0 ? new Uint8Array() : duckdb.vector_get_data(vector, rowCount * width).slice()
  // Under a null is whatever was in that memory before: not for others to see, and not the same twice.
  for (const row of nulls) values.fill(0, row * width, (row + 1) * width)
  return { name, type, validity, values }
}

function widthOf(type: RowType): number {
  switch (type.kind) {
    case 'boolean':
      return 1
    case 'date':
      return 4
    case 'decimal':
      return type.precision > 18 ? 16 : 8
    default:
      return 8
  }
}

function typeOf(type: duckdb.LogicalType): RowType {
  const id = duckdb.get_type_id(type)
  switch (id) {
    case duckdb.Type.VARCHAR:
      return { kind: 'text' }
    case duckdb.Type.BOOLEAN:
      return { kind: 'boolean' }
    case duckdb.Type.BIGINT:
      return { kind: 'long' }
    case duckdb.Type.DOUBLE:
      return { kind: 'double' }
    case duckdb.Type.DATE:
      return { kind: 'date' }
    case duckdb.Type.TIMESTAMP:
      return { kind: 'micros', utc: false }
    case duckdb.Type.TIMESTAMP_TZ:
      return { kind: 'micros', utc: true }
    case duckdb.Type.TIMESTAMP_NS:
      return { kind: 'nanos' }
    case duckdb.Type.DECIMAL: {
      const [precision, scale] = [duckdb.decimal_width(type), duckdb.decimal_scale(type)]
      assert(precision > 9, 'a decimal of fewer digits is narrower than 64 bits')
      return { kind: 'decimal', precision, scale }
    }
    default:
      throw new TypeError(`rows cannot have a column of DuckDB type ${duckdb.Type[id]}`)
  }
}
