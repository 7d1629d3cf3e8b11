import { isUtf8 } from 'node:buffer'
import { createHash, type Hash } from 'node:crypto'
import { type FileHandle, mkdtemp, open, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { assert, invalid, TicklakeError } from '#core'
import { type ArchiveEntry, openArchive } from './archive.js'
import { MAX_LINE_BYTES } from './format-vocabulary.js'

/** A file that DuckDB can read: decompressed, with LF line ends. Parquet is left as it is. */
export interface StagedFile {
  readonly path: string
  /** Name of the entry in a .zip, else of the file, without .gz or .zst. */
  readonly name: string
  readonly isParquet: boolean
  /** A text that is not UTF-8 is read as Latin-1, in which every byte is a character. */
  readonly encoding: 'utf-8' | 'latin-1'
  /** The first line of a text. */
  readonly header: string
  /** Of the content, before line ends were changed. */
  readonly sizeBytes: number
}

export interface StagedInput {
  readonly files: readonly StagedFile[]
  /** SHA-256, in hex, of the names that DuckDB sees and the decompressed contents. */
  readonly contentDigest: string
  /** Why the input ended early, if it did: the files hold what came before, up to the last whole line. */
  readonly incomplete: TicklakeError | undefined
  /** Removes the staged files. */
  dispose(): Promise<void>
}

const CR = 0x0d
const LF = 0x0a
const BYTE_ORDER_MARK = Buffer.from([0xef, 0xbb, 0xbf])
const PARQUET_MAGIC = Buffer.from('PAR1')

/**
 * Copies an input into a folder of its own, decompressed. The copy cannot change under the load, and its line ends are
 * alike, so that DuckDB's reader takes each line for what it is.
 */
export async function stageInput(
  path: string,
  fileName: string,
  tempDirectory: string,
  signal?: AbortSignal,
): Promise<StagedInput> {
  const folder = await mkdtemp(join(tempDirectory, 'load-'))
  const dispose = () => rm(folder, { recursive: true, force: true })
  try {
    const files: StagedFile[] = []
    const digest = createHash('sha256')
    let incomplete: TicklakeError | undefined
    try {
      for await (const entry of openArchive(path, fileName)) {
        const staged = await stageEntry(entry, join(folder, String(files.length)), digest, signal)
        files.push(staged.file)
        incomplete = staged.incomplete
        if (incomplete) break
      }
    } catch (error) {
      // The directory of a .zip may be damaged behind entries that were read.
      if (files.length === 0 || !(error instanceof Error) || error instanceof TicklakeError) throw error
      incomplete = new TicklakeError('incomplete', `${fileName} is damaged: ${error.message}`, {
        cause: error,
      })
    }
    return { files, contentDigest: digest.digest('hex'), incomplete, dispose }
  } catch (error) {
    await dispose()
    throw error
  }
}

async function stageEntry(
  entry: ArchiveEntry,
  path: string,
  inputDigest: Hash,
  signal: AbortSignal | undefined,
): Promise<{ file: StagedFile; incomplete: TicklakeError | undefined }> {
  const handle = await open(path, 'wx')
  const writer = new LineWriter(handle, entry.name)
  const digest = createHash('sha256')
  let sizeBytes = 0
  let incomplete: TicklakeError | undefined
  try {
    try {
      for await (const chunk of entry.content) {
        signal?.throwIfAborted()
        digest.update(chunk)
        sizeBytes += chunk.length
        await writer.write(Buffer.from(chunk.buffer, chunk.byteOffset, chunk.length))
      }
    } catch (error) {
      if (!(error instanceof TicklakeError) || error.code !== 'incomplete') throw error
      incomplete = error
    }
    await writer.end(incomplete === undefined)
  } finally {
    await handle.close()
  }
  // Sizes and digests have a fixed form: no two lists of contents give the same text.
  inputDigest.update(`${sizeBytes} ${digest.digest('hex')}\n`)
  const { isParquet, encoding, header } = writer
  return { file: { path, name: entry.name, isParquet, encoding, header, sizeBytes }, incomplete }
}

/** Writes whole lines, ended by LF whatever ended them before (LF, CRLF or CR). */
class LineWriter {
  readonly #file: FileHandle
  readonly #name: string
  #tail: Buffer = Buffer.alloc(0)
  #isStart = true
  #header: string | undefined
  #isUtf8 = true
  isParquet = false

  constructor(file: FileHandle, name: string) {
    this.#file = file
    this.#name = name
  }

  get encoding(): 'utf-8' | 'latin-1' {
    return this.#isUtf8 ? 'utf-8' : 'latin-1'
  }

  get header(): string {
    return this.#header ?? ''
  }

  async write(chunk: Buffer): Promise<void> {
    let bytes = this.#tail.length === 0 ? chunk : Buffer.concat([this.#tail, chunk])
    if (this.#isStart) {
      if (bytes.length < PARQUET_MAGIC.length) {
        this.#tail = bytes
        return
      }
      this.#isStart = false
      this.isParquet = bytes.subarray(0, PARQUET_MAGIC.length).equals(PARQUET_MAGIC)
      bytes = withoutMark(bytes)
    }
    if (this.isParquet) {
      this.#tail = Buffer.alloc(0)
      await this.#file.writeFile(bytes)
      return
    }
    // A CR at the very end may be half of a CRLF.
    const end = Math.max(bytes.lastIndexOf(LF), bytes.subarray(0, -1).lastIndexOf(CR)) + 1
    this.#tail = Buffer.from(bytes.subarray(end))
    if (this.#tail.length > MAX_LINE_BYTES) {
      throw invalid('file', this.#name, `text: a line has more than ${MAX_LINE_BYTES} bytes`)
    }
    if (end > 0) await this.#writeLines(bytes.subarray(0, end))
  }

  /** `complete`: what follows the last line end is a line too. */
  async end(complete: boolean): Promise<void> {
    if (this.#tail.length === 0 || !complete) return
    // A file of fewer bytes than the magic is long has not begun yet.
    await this.#writeLines(this.#isStart ? withoutMark(this.#tail) : this.#tail)
  }

  async #writeLines(lines: Buffer): Promise<void> {
    this.#isUtf8 &&= isUtf8(lines)
    const normal = lines.includes(CR) ? withLineFeeds(lines) : lines
    if (this.#header === undefined) {
      const end = normal.indexOf(LF)
      this.#header = normal
        .subarray(0, end < 0 ? normal.length : end)
        .toString(this.#isUtf8 ? 'utf8' : 'latin1')
    }
    await this.#file.writeFile(normal)
  }
}

function withoutMark(bytes: Buffer): Buffer {
  return bytes.subarray(0, BYTE_ORDER_MARK.length).equals(BYTE_ORDER_MARK)
    ? bytes.subarray(BYTE_ORDER_MARK.length)
    : bytes
}

function withLineFeeds(bytes: Buffer): Buffer {
  const result = Buffer.allocUnsafe(bytes.length)
  let length = 0
  let from = 0
  for (;;) {
    const at = bytes.indexOf(CR, from)
    if (at < 0) break
    length += bytes.copy(result, length, from, at)
    result[length++] = LF
    from = bytes[at + 1] === LF ? at + 2 : at + 1
  }
  length += bytes.copy(result, length, from)
  assert(length <= bytes.length, 'one line end takes no more room than another')
  return result.subarray(0, length)
}
