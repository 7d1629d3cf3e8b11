import type { StringColumn } from '#core'

/** The string of a row that has one. */
export function cellText(column: Pick<StringColumn, 'cells' | 'long'>, row: number): string {
  const long = column.long.get(row)
  if (long) return Buffer.from(long.buffer, long.byteOffset, long.length).toString('utf8')
  const { buffer, byteOffset } = column.cells
  return Buffer.from(buffer, byteOffset + row * 16 + 4, column.cells[row * 4]!).toString('utf8')
}

/** Whether two rows surely hold the same string: long strings, whose bytes are elsewhere, count as different. */
export function sameCell({ cells, long }: StringColumn, row: number, other: number): boolean {
  for (let word = 0; word < 4; word++) {
    if (cells[row * 4 + word] !== cells[other * 4 + word]) return false
  }
  return long.size === 0 || !long.has(row)
}
