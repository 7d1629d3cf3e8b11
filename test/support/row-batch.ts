import {
  batchColumnNames,
  CELL_STRING_BYTES,
  type Column,
  type ColumnBatch,
  type ColumnType,
  type TableDefinition,
} from '#core'

/** string, int as number, long, timestamptz (µs) and decimal (scaled by 10^8) as bigint, binary as bytes. */
export type CellValue = string | number | bigint | Uint8Array | null

/** One row by column name. Absent means null. */
export type Row = Readonly<Record<string, CellValue>>

/** A cell that holds a bigint. */
export function long(value: CellValue | undefined): bigint {
  if (typeof value !== 'bigint') throw new TypeError(`${String(value)} is not a bigint`)
  return value
}

/** Builds a batch the plain way, one value at a time. */
export function batchOfRows(definition: TableDefinition, rows: readonly Row[]): ColumnBatch {
  const types = new Map(definition.columns.map((column) => [column.name, column.type]))
  const columns = batchColumnNames(definition).map((name) =>
    columnOf(
      types.get(name) ?? 'long',
      rows.map((row) => row[name] ?? null),
    ),
  )
  return { definition, added: [], rowCount: rows.length, columns }
}

function columnOf(type: ColumnType, values: readonly CellValue[]): Column {
  const valid = validity(values)
  switch (type) {
    case 'int':
      return { kind: 'int', valid, values: Int32Array.from(values, (value) => Number(value ?? 0)) }
    case 'long':
    case 'timestamptz':
    case 'decimal':
      return {
        kind: 'long',
        valid,
        values: BigInt64Array.from(values, (value) => (typeof value === 'bigint' ? value : 0n)),
      }
    case 'string':
    case 'binary':
      return { kind: 'string', valid, ...cellsOf(values, type === 'binary') }
  }
}

function validity(values: readonly CellValue[]): Uint8Array | null {
  if (!values.includes(null)) return null
  const bits = new Uint8Array(Math.ceil(values.length / 8))
  for (const [row, value] of values.entries()) if (value !== null) bits[row >> 3]! |= 1 << (row & 7)
  return bits
}

function cellsOf(values: readonly CellValue[], binary: boolean) {
  const cells = new Uint32Array(values.length * 4)
  const cellBytes = new Uint8Array(cells.buffer)
  const long = new Map<number, Uint8Array>()
  for (const [row, value] of values.entries()) {
    if (value === null) continue
    const bytes = value instanceof Uint8Array ? value : new TextEncoder().encode(String(value))
    cells[row * 4] = bytes.length
    if (binary || bytes.length > CELL_STRING_BYTES) long.set(row, bytes)
    else cellBytes.set(bytes, row * 16 + 4)
  }
  return { cells, long }
}
