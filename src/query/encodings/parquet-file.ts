import { randomUUID } from 'node:crypto'
import { open, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { RowData } from '../row-data.js'

/** Bytes of the file that are read at a time. */
const READ_BYTES = 262_144

/** A name in the folder that no other answer has. */
export function answerPath(folder: string): string {
  return join(folder, `answer-${randomUUID()}.parquet`)
}

/** The bytes of a file which is gone from its folder at once, and from the disk when they have been read, whoever dies. */
export async function fileData(path: string): Promise<RowData> {
  const file = await open(path)
  try {
    await rm(path)
  } catch (error) {
    await file.close()
    throw error
  }
  async function* read(): AsyncGenerator<Uint8Array> {
    for (;;) {
      const { bytesRead, buffer } = await file.read(Buffer.allocUnsafe(READ_BYTES))
      if (bytesRead === 0) return
      yield buffer.subarray(0, bytesRead)
    }
  }
  return RowData.ofFile(read(), () => file.close())
}
