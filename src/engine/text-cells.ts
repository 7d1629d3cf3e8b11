import duckdb from '@duckdb/node-bindings'

/** Texts in UTF-8, one after the other: that of row n lies from `offsets[n]` to `offsets[n + 1]`. That of a null is empty. */
export interface TextCells {
  readonly offsets: Int32Array
  readonly bytes: Buffer
}

/** A cell of DuckDB holds the length and the text itself, or, when that is longer than 12 bytes, where it lies. */
const CELL_BYTES = 16
const INLINE_BYTES = 12
/** Where a cell has the text, and where the address. */
const [TEXT_AT, ADDRESS_AT] = [4, 8]
/** Texts that were allocated one after the other lie closer than this. */
const ALIGNMENT = 8

/** Long texts that lie one after the other in memory: one call across the border to C++ reads them, instead of one for each. */
interface Run {
  readonly firstRow: number
  readonly start: number
  readonly end: number
}

/** Copies the texts of a VARCHAR vector. */
export function readText(
  vector: duckdb.Vector,
  rowCount: number,
  isNull: (row: number) => boolean,
): TextCells {
  const offsets = new Int32Array(rowCount + 1)
  if (rowCount === 0) return { offsets, bytes: Buffer.alloc(0) }
  const data = duckdb.vector_get_data(vector, rowCount * CELL_BYTES)
  const cells = Buffer.from(data.buffer, data.byteOffset, data.byteLength)
  const lengths = new Int32Array(data.buffer, data.byteOffset, rowCount * (CELL_BYTES / 4))
  for (let row = 0; row < rowCount; row++) {
    offsets[row + 1] = offsets[row]! + (isNull(row) ? 0 : lengths[row * (CELL_BYTES / 4)]!)
  }
  const bytes = Buffer.allocUnsafe(offsets[rowCount]!)
  let run: Run | null = null
  let source: Buffer | null = null
  for (let row = 0; row < rowCount; row++) {
    const at = offsets[row]!
    const length = offsets[row + 1]! - at
    const cell = row * CELL_BYTES
    if (length <= INLINE_BYTES) {
      // A call that copies takes ten times as long as so few bytes.
      for (let byte = 0; byte < length; byte++) bytes[at + byte] = cells[cell + TEXT_AT + byte]!
      continue
    }
    const address = addressAt(cells, cell)
    if (!run || !source || address < run.start || address + length > run.end) {
      run = runFrom(cells, row, offsets)
      source = memoryOf(data, run)
    }
    source.copy(bytes, at, address - run.start, address - run.start + length)
  }
  return { offsets, bytes }
}

/**
 * The run that begins with the long text of a row. What lies between two of its texts is less than `ALIGNMENT` bytes,
 * so that every byte of the run is on a page with a byte of a text: there is nothing in it that must not be read.
 */
function runFrom(cells: Buffer, firstRow: number, offsets: Int32Array): Run {
  const start = addressAt(cells, firstRow * CELL_BYTES)
  let end = start + offsets[firstRow + 1]! - offsets[firstRow]!
  for (let row = firstRow + 1; row < offsets.length - 1; row++) {
    const length = offsets[row + 1]! - offsets[row]!
    if (length <= INLINE_BYTES) continue
    const address = addressAt(cells, row * CELL_BYTES)
    if (address < end || address >= end + ALIGNMENT) break
    end = address + length
  }
  return { firstRow, start, end }
}

/** An address of a process has 47 bits, or 56 in time to come; a double has room for 53. */
function addressAt(cells: Buffer, cell: number): number {
  return cells.readUInt32LE(cell + ADDRESS_AT) + cells.readUInt32LE(cell + ADDRESS_AT + 4) * 2 ** 32
}

function memoryOf(data: Uint8Array, { firstRow, start, end }: Run): Buffer {
  // DuckDB's memory is no shared one.
  const memory = data.buffer as ArrayBuffer
  const pointer = data.byteOffset + firstRow * CELL_BYTES + ADDRESS_AT
  const bytes = duckdb.get_data_from_pointer(memory, pointer, end - start)
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}
