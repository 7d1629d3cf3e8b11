import { Decompress } from 'fzstd'
import xxhash from 'xxhash-wasm'

type Bytes = AsyncIterable<Uint8Array>
type XxHash = Awaited<ReturnType<typeof xxhash>>

/** RFC 8878, 3.1.1: the first bytes of a frame. */
const FRAME_MAGIC = 0xfd2fb528
/** RFC 8878, 3.1.2: those of a frame that holds something else, which pzstd writes first. Its low four bits are free. */
const SKIPPABLE_MAGIC = 0x184d2a50

const RLE_BLOCK = 1

/** Whether a file begins like a .zst. */
export function isZstd(head: Uint8Array): boolean {
  if (head.length < 4) return false
  const magic = Buffer.from(head).readUInt32LE()
  return magic === FRAME_MAGIC || isSkippable(magic)
}

/**
 * The content of a .zst of any number of frames. Frames are taken apart here because the decompressor passes over their
 * checksums and sizes: what does not agree with them is damaged, and throws after what could be decompressed before.
 */
export async function* unzstd(input: Bytes): Bytes {
  const hashes = await xxhash()
  const reader = new ByteReader(input)
  try {
    while (!(await reader.isAtEnd())) {
      const magic = await reader.take(4)
      if (isSkippable(magic.readUInt32LE())) await reader.skip((await reader.take(4)).readUInt32LE())
      else if (magic.readUInt32LE() === FRAME_MAGIC) yield* frame(reader, magic, hashes)
      else throw new Error('what follows a frame is no frame')
    }
  } finally {
    await reader.close()
  }
}

/** RFC 8878, 3.1.1. */
async function* frame(reader: ByteReader, magic: Buffer, hashes: XxHash): Bytes {
  const start = await reader.take(1)
  const descriptor = start[0]!
  const isSingleSegment = (descriptor & 0x20) !== 0
  const hasChecksum = (descriptor & 0x04) !== 0
  if ((descriptor & 0x03) !== 0) throw new Error('it was compressed with a dictionary')
  const window = await reader.take(isSingleSegment ? 0 : 1)
  const size = await reader.take([isSingleSegment ? 1 : 0, 2, 4, 8][descriptor >> 6]!)

  const output: Uint8Array[] = []
  const decompressor = new Decompress((chunk) => output.push(chunk))
  const sum = hashes.create64()
  let bytes = 0
  decompressor.push(Buffer.concat([magic, start, window, size]))
  for (let isLast = false; !isLast; ) {
    const block = await reader.take(3)
    const header = block.readUIntLE(0, 3)
    isLast = (header & 1) === 1
    const content = await reader.take(((header >> 1) & 3) === RLE_BLOCK ? 1 : header >> 3)
    decompressor.push(Buffer.concat([block, content]), isLast && !hasChecksum)
    const checksum = isLast && hasChecksum ? await reader.take(4) : null
    // A short frame is held back until its end.
    if (checksum) decompressor.push(checksum, true)
    for (const chunk of output.splice(0)) {
      bytes += chunk.length
      sum.update(chunk)
      yield chunk
    }
    if (checksum && checksum.readUInt32LE() !== Number(BigInt.asUintN(32, sum.digest())))
      throw new Error('the checksum of a frame does not match')
  }
  if (size.length > 0 && BigInt(bytes) !== contentSize(size))
    throw new Error(`a frame should hold ${contentSize(size)} bytes`)
}

function contentSize(field: Buffer): bigint {
  switch (field.length) {
    case 8:
      return field.readBigUInt64LE()
    case 2:
      return BigInt(field.readUInt16LE() + 256)
    default:
      return BigInt(field.readUIntLE(0, field.length))
  }
}

function isSkippable(magic: number): boolean {
  return magic >>> 4 === SKIPPABLE_MAGIC >>> 4
}

/** Takes exact numbers of bytes from a stream of chunks. */
class ByteReader {
  readonly #chunks: AsyncIterator<Uint8Array>
  #rest: Buffer = Buffer.alloc(0)

  constructor(input: Bytes) {
    this.#chunks = input[Symbol.asyncIterator]()
  }

  async isAtEnd(): Promise<boolean> {
    while (this.#rest.length === 0) {
      const next = await this.#chunks.next()
      if (next.done) return true
      this.#rest = Buffer.from(next.value.buffer, next.value.byteOffset, next.value.length)
    }
    return false
  }

  async take(count: number): Promise<Buffer> {
    const parts: Buffer[] = []
    let missing = count
    while (missing > 0) {
      if (await this.isAtEnd()) throw new Error('unexpected end of file')
      const part = this.#rest.subarray(0, missing)
      this.#rest = this.#rest.subarray(part.length)
      missing -= part.length
      parts.push(part)
    }
    return parts.length === 1 ? parts[0]! : Buffer.concat(parts)
  }

  async skip(count: number): Promise<void> {
    for (let missing = count; missing > 0; ) {
      if (await this.isAtEnd()) throw new Error('unexpected end of file')
      const skipped = Math.min(missing, this.#rest.length)
      this.#rest = this.#rest.subarray(skipped)
      missing -= skipped
    }
  }

  /** Takes no more: the stream may close its file. */
  async close(): Promise<void> {
    await this.#chunks.return?.()
  }
}
