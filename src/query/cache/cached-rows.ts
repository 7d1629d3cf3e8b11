import type { ArrowColumn } from '../encodings/arrow-schema.js'
import type { PagePosition } from '../page-token.js'

/** The rows of a part of an answer, encoded, with all that was learnt when they were read. */
export interface CachedRows {
  readonly bytes: Uint8Array
  /** What the columns are, in an encoding whose opening tells it (Arrow); null in others. */
  readonly columns: readonly ArrowColumn[] | null
  readonly rowCount: number
  /** Where they end; null when there are none. */
  readonly end: PagePosition | null
  /** Whether rows of the same part follow. */
  readonly hasMore: boolean
}

/** What of it is not bytes; every value is one of JSON. */
type Head = Omit<CachedRows, 'bytes'>

const HEAD_LENGTH_BYTES = 4

/** As one value of a store: the length of the head, the head, the bytes. */
export function packRows({ bytes, ...rest }: CachedRows): Buffer {
  const head = Buffer.from(JSON.stringify(rest satisfies Head))
  const length = Buffer.alloc(HEAD_LENGTH_BYTES)
  length.writeUInt32LE(head.length)
  return Buffer.concat([length, head, bytes])
}

/** What `packRows` made. Throws for anything else, such as a value that was cut. */
export function unpackRows(packed: Buffer): CachedRows {
  const end = HEAD_LENGTH_BYTES + packed.readUInt32LE()
  // The key names the version of this form, and only `packRows` writes under it.
  const head = JSON.parse(packed.toString('utf8', HEAD_LENGTH_BYTES, end)) as Head
  return { ...head, bytes: packed.subarray(end) }
}
