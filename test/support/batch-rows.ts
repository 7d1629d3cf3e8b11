import { batchColumnNames, type Column, type ColumnBatch } from '#core'
import type { CellValue, Row } from './row-batch.js'

/**
 * A batch as rows, read the plain way: the inverse of `batchOfRows`. Every column is there, null where absent; the added
 * ones as `added <id>`.
 */
export function rowsOfBatch(batch: ColumnBatch): Row[] {
  const names = [...batchColumnNames(batch.definition), ...batch.added.map(({ id }) => `added ${id}`)]
  const binaries = new Set([
    ...batch.definition.columns.filter(({ type }) => type === 'binary').map(({ name }) => name),
    ...batch.added.filter(({ type }) => type === 'binary').map(({ id }) => `added ${id}`),
  ])
  return Array.from({ length: batch.rowCount }, (_, row) =>
    Object.fromEntries(
      names.map((name, index) => {
        return [name, cellValue(batch.columns[index]!, row, binaries.has(name))]
      }),
    ),
  )
}

function cellValue(column: Column, row: number, binary: boolean): CellValue {
  if (column.valid && ((column.valid[row >> 3]! >> (row & 7)) & 1) === 0) return null
  if (column.kind !== 'string') return column.values[row]!
  const { buffer, byteOffset } = column.cells
  const short = new Uint8Array(buffer, byteOffset + row * 16 + 4, Math.min(12, column.cells[row * 4]!))
  const bytes = column.long.get(row) ?? short
  if (bytes.length !== column.cells[row * 4])
    throw new Error(`row ${row}: the cell's length is not that of its bytes`)
  return binary ? bytes : new TextDecoder('utf-8', { fatal: true }).decode(bytes)
}
