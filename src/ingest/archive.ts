import { createReadStream } from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'
import { basename } from 'node:path'
import { crc32, createGunzip, createInflateRaw, type Gunzip, type InflateRaw } from 'node:zlib'
import { type Entry, openPromise } from 'yauzl'
import { invalid, TicklakeError } from '#core'
import { isZstd, unzstd } from './zstd.js'

/** One file of an input: the input itself, decompressed, or an entry of a .zip. */
export interface ArchiveEntry {
  readonly name: string
  /**
   * The decompressed bytes. Throws `incomplete` where a truncated or damaged archive ends, after all that could be
   * decompressed before.
   */
  readonly content: AsyncIterable<Uint8Array>
}

type Bytes = AsyncIterable<Uint8Array>

/** The local header of a zip entry: .ZIP File Format Specification (APPNOTE.TXT), 4.3.7. */
const LOCAL_HEADER = { signature: 0x04034b50, method: 8, nameLength: 26, extraLength: 28, bytes: 30 }
const STORED = 0
const DEFLATED = 8

/**
 * The files of a .gz (of any number of members), .zst or .zip, or a plain file as it is; told apart by their first
 * bytes, not by their name. Entries must be read in turn.
 */
export async function* openArchive(path: string, fileName: string): AsyncGenerator<ArchiveEntry> {
  const head = await readHead(path, fileName)
  const stream = () => createReadStream(path)
  if (startsWith(head, [0x1f, 0x8b])) {
    yield {
      name: stem(fileName, '.gz'),
      content: decompress(fileName, inflate(createGunzip(), stream(), requirePadding)),
    }
  } else if (isZstd(head)) {
    yield { name: stem(fileName, '.zst'), content: decompress(fileName, unzstd(stream())) }
  } else if (startsWith(head, [0x50, 0x4b, 0x03, 0x04]) || startsWith(head, [0x50, 0x4b, 0x05, 0x06])) {
    yield* zipEntries(path, fileName)
  } else {
    yield { name: basename(fileName), content: stream() }
  }
}

async function* zipEntries(path: string, fileName: string): AsyncGenerator<ArchiveEntry> {
  let zip: Awaited<ReturnType<typeof openPromise>>
  try {
    zip = await openPromise(path, { autoClose: false })
  } catch (cause) {
    // The directory stands at the end: without it, the first entry is all that can be found for certain.
    yield await firstEntry(path, fileName, cause)
    return
  }
  try {
    for await (const entry of zip.eachEntry()) {
      if (/(^|\/)(__MACOSX\/|\.)|\/$/.test(entry.fileName)) continue
      if (entry.isEncrypted())
        throw invalid('file', `${fileName}/${entry.fileName}`, 'readable: it is encrypted')
      const { fileDataStart } = await zip.readLocalFileHeaderPromise(entry, { minimal: true })
      const raw: Bytes =
        entry.compressedSize === 0
          ? nothing()
          : createReadStream(path, { start: fileDataStart, end: fileDataStart + entry.compressedSize - 1 })
      const content = checked(entry, unpack(entry.compressionMethod, `${fileName}/${entry.fileName}`, raw))
      yield { name: basename(entry.fileName), content: decompress(`${fileName}/${entry.fileName}`, content) }
    }
  } finally {
    zip.close()
  }
}

/** What a .zip without its directory still holds of its first entry; always ends as incomplete. */
async function firstEntry(path: string, fileName: string, cause: unknown): Promise<ArchiveEntry> {
  const file = await open(path)
  try {
    const header = Buffer.alloc(LOCAL_HEADER.bytes)
    const { bytesRead } = await file.read(header, 0, LOCAL_HEADER.bytes, 0)
    if (bytesRead < LOCAL_HEADER.bytes || header.readUInt32LE(0) !== LOCAL_HEADER.signature) {
      throw invalid('file', fileName, 'a .zip that can be read', cause)
    }
    const nameLength = header.readUInt16LE(LOCAL_HEADER.nameLength)
    const name = Buffer.alloc(nameLength)
    await file.read(name, 0, nameLength, LOCAL_HEADER.bytes)
    const start = LOCAL_HEADER.bytes + nameLength + header.readUInt16LE(LOCAL_HEADER.extraLength)
    const raw = createReadStream(path, { start })
    const content = unpack(header.readUInt16LE(LOCAL_HEADER.method), fileName, raw)
    return { name: basename(name.toString()), content: decompress(fileName, endingWith(content, cause)) }
  } finally {
    await file.close()
  }
}

/** Names the archive in whatever a decompressor throws. */
async function* decompress(name: string, content: Bytes): Bytes {
  let bytes = 0
  try {
    for await (const chunk of content) {
      bytes += chunk.length
      yield chunk
    }
  } catch (cause) {
    if (cause instanceof TicklakeError) throw cause
    const why = cause instanceof Error ? cause.message : String(cause)
    throw new TicklakeError(
      'incomplete',
      `${name} is truncated or damaged after ${bytes} bytes of content: ${why}`,
      {
        field: 'file',
        value: name,
        expected: 'a whole archive',
        cause,
      },
    )
  }
}

function unpack(method: number, name: string, raw: Bytes): Bytes {
  if (method === DEFLATED) return inflate(createInflateRaw(), raw)
  if (method === STORED) return raw
  throw invalid('file', name, `compressed with deflate (method ${DEFLATED}): its method is ${method}`)
}

async function* checked(entry: Entry, content: Bytes): Bytes {
  let bytes = 0
  let sum = 0
  for await (const chunk of content) {
    bytes += chunk.length
    sum = crc32(chunk, sum)
    yield chunk
  }
  if (bytes !== entry.uncompressedSize) throw new Error(`it should hold ${entry.uncompressedSize} bytes`)
  if (sum !== entry.crc32) throw new Error('its CRC-32 does not match')
}

async function* endingWith(content: Bytes, cause: unknown): Bytes {
  yield* content
  throw cause
}

async function* nothing(): Bytes {}

/**
 * Node takes a zero byte behind a member for padding and drops whatever follows it, be it a further member whose first
 * byte was damaged. Padding is zeros to the end.
 */
function requirePadding(rest: Uint8Array): void {
  if (rest.some((byte) => byte !== 0))
    throw new Error('what follows a member is neither a member nor padding')
}

/**
 * Pushes bytes through one of zlib's streams. By hand, because a stream that fails takes down with it what it had
 * decompressed but not yet handed over. `checkRest` is given the bytes that the stream left behind its end.
 */
async function* inflate(
  stream: Gunzip | InflateRaw,
  input: Bytes,
  checkRest: (rest: Uint8Array) => void = () => {},
): Bytes {
  let fedBytes = 0
  let isOver = false
  const output: Uint8Array[] = []
  let failure: Error | undefined
  const failed = new Promise<void>((resolve) => {
    stream.once('error', (error) => {
      failure = error
      resolve()
    })
  })
  stream.on('data', (chunk: Uint8Array) => output.push(chunk))
  const ended = new Promise<void>((resolve) => stream.once('end', resolve))
  try {
    for await (const chunk of input) {
      if (isOver) {
        checkRest(chunk)
        continue
      }
      await Promise.race([new Promise<void>((resolve) => stream.write(chunk, () => resolve())), failed])
      yield* output.splice(0)
      if (failure) throw failure
      fedBytes += chunk.length
      // What the stream says was written to it is what it has taken.
      const restBytes = fedBytes - stream.bytesWritten
      isOver = restBytes > 0
      checkRest(chunk.subarray(chunk.length - restBytes))
    }
    stream.end()
    await Promise.race([ended, failed])
    yield* output.splice(0)
    if (failure) throw failure
  } finally {
    stream.destroy()
  }
}

async function readHead(path: string, fileName: string): Promise<Uint8Array> {
  let file: FileHandle
  try {
    file = await open(path)
  } catch (cause) {
    throw invalid('file', fileName, 'a file that can be read', cause)
  }
  try {
    if (!(await file.stat()).isFile()) throw invalid('file', fileName, 'a file')
    const head = new Uint8Array(4)
    const { bytesRead } = await file.read(head, 0, head.length, 0)
    return head.subarray(0, bytesRead)
  } finally {
    await file.close()
  }
}

function startsWith(bytes: Uint8Array, prefix: readonly number[]): boolean {
  return prefix.every((byte, index) => bytes[index] === byte)
}

function stem(fileName: string, suffix: string): string {
  return basename(fileName, suffix)
}
