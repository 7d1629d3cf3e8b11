import { promisify } from 'node:util'
import { gunzip } from 'node:zlib'
import { compress, decompress } from '@mongodb-js/zstd'
import { assert, TicklakeError } from '#core'
import type { RecordBatch } from '../log.js'
import { crc32c } from './internals.js'
import { type ProducedRecord, RecordCursor, RecordWriter } from './record.js'

/**
 * A record batch of Kafka, magic 2, big-endian. https://kafka.apache.org/documentation/#recordbatch
 *
 *     0  int64  base offset
 *     8  int32  length of what follows
 *    12  int32  partition leader epoch
 *    16  int8   magic
 *    17  uint32 CRC-32C of what follows
 *    21  int16  attributes: codec (bits 0-2), transactional (4), control (5)
 *    23  int32  last offset delta
 *    27  int64  base timestamp
 *    35  int64  max timestamp: with LogAppendTime, when the broker took it
 *    43  int64  producer id
 *    51  int16  producer epoch
 *    53  int32  base sequence
 *    57  int32  record count
 *    61         records, compressed or not
 */
const LENGTH_FROM = 12
const MAGIC_AT = 16
const CRC_AT = 17
const CRC_FROM = 21
const RECORDS_AT = 61

const MAGIC = 2
const CODEC_MASK = 7
const TRANSACTIONAL = 1 << 4
const CONTROL = 1 << 5
const GZIP = 1
const ZSTD = 4
const CODEC_NAMES = ['none', 'gzip', 'snappy', 'lz4', 'zstd'] as const

/** Fast, and most of what zstd gains on records of one kind. */
const ZSTD_LEVEL = 1

const gunzipAsync = promisify(gunzip)

/** A record batch as a broker sent it. */
export interface FetchedBatch {
  readonly baseOffset: number
  /** The offset after its last one. */
  readonly nextOffset: number
  readonly producerId: bigint
  readonly isTransactional: boolean
  /** It ends a transaction and holds no records. */
  readonly isControl: boolean
  readonly attributes: number
  readonly appendedAtMicros: bigint
  readonly count: number
  /** As they were sent: perhaps compressed. */
  readonly records: Buffer
}

/** The batches of one answer; a last one that was cut short is left out. `corrupt` when a checksum differs. */
export function splitBatches(bytes: Buffer): FetchedBatch[] {
  const batches: FetchedBatch[] = []
  for (let start = 0; start + RECORDS_AT <= bytes.length; ) {
    const baseOffset = Number(bytes.readBigInt64BE(start))
    const end = start + LENGTH_FROM + bytes.readInt32BE(start + 8)
    if (end > bytes.length) break
    const magic = bytes.readInt8(start + MAGIC_AT)
    if (magic !== MAGIC) {
      throw new TicklakeError(
        'invalid_input',
        `the batch at offset ${baseOffset} is in Kafka's old message format ${magic}: only format 2 is read`,
      )
    }
    if (crc32c(bytes.subarray(start + CRC_FROM, end)) !== bytes.readUInt32BE(start + CRC_AT))
      throw damaged(baseOffset, 'its checksum differs')
    const attributes = bytes.readInt16BE(start + 21)
    batches.push({
      baseOffset,
      nextOffset: baseOffset + bytes.readInt32BE(start + 23) + 1,
      producerId: bytes.readBigInt64BE(start + 43),
      isTransactional: (attributes & TRANSACTIONAL) !== 0,
      isControl: (attributes & CONTROL) !== 0,
      attributes,
      appendedAtMicros: bytes.readBigInt64BE(start + 35) * 1000n,
      count: bytes.readInt32BE(start + 57),
      records: bytes.subarray(start + RECORDS_AT, end),
    })
    start = end
  }
  return batches
}

/** Its records, decompressed. */
export async function openRecords({
  baseOffset,
  attributes,
  count,
  records,
}: FetchedBatch): Promise<RecordCursor> {
  return new RecordCursor(await decompressed(attributes & CODEC_MASK, records, baseOffset), count)
}

/**
 * The values of a batch, one behind the other. They are moved together inside the batch's own bytes, which nobody else
 * holds: no record gets an object or a buffer of its own.
 */
export async function openBatch(partition: number, batch: FetchedBatch): Promise<RecordBatch> {
  const { baseOffset, count, appendedAtMicros } = batch
  const cursor = await openRecords(batch)
  const { bytes } = cursor
  const ends = new Uint32Array(count)
  let end = 0
  for (let index = 0; index < count; index++) {
    if (!cursor.next()) throw damaged(baseOffset, `it ends within record ${index}`)
    if (cursor.offsetDelta !== index) {
      throw damaged(baseOffset, `record ${index} is missing: a topic of events may not be compacted`)
    }
    // A record without a value has an empty one: it is no record of any table, and goes to quarantine.
    bytes.copyWithin(end, cursor.valueStart, cursor.valueEnd)
    end += cursor.valueEnd - cursor.valueStart
    ends[index] = end
  }
  return { partition, baseOffset, count, appendedAtMicros, bytes: bytes.subarray(0, end), ends }
}

/** The key of a control record says what it ends: version, then type, 0 = abort and 1 = commit. */
export function isAbort({ records }: FetchedBatch): boolean {
  const cursor = new RecordCursor(records, 1)
  assert(cursor.next() && cursor.keyEnd - cursor.keyStart >= 4, 'a control batch holds a control record')
  return cursor.bytes.readInt16BE(cursor.keyStart + 2) === 0
}

async function decompressed(codec: number, records: Buffer, baseOffset: number): Promise<Buffer> {
  switch (codec) {
    case 0:
      return records
    case GZIP:
      return await gunzipAsync(records)
    case ZSTD:
      return await decompress(records)
    default:
      throw new TicklakeError(
        'invalid_input',
        `the batch at offset ${baseOffset} is compressed with ${CODEC_NAMES[codec] ?? `codec ${codec}`}: set the topic's compression.type to zstd, or let its producer use zstd, gzip or none`,
      )
  }
}

function damaged(baseOffset: number, what: string): TicklakeError {
  return new TicklakeError('corrupt', `the batch at offset ${baseOffset} is damaged: ${what}`)
}

export interface BatchOrigin {
  readonly producerId: string
  readonly producerEpoch: number
  /** Of the batch's first record, counted for each partition. */
  readonly sequence: number
  readonly timestampMs: number
}

/** A transactional batch as a producer sends it, compressed with zstd. */
export async function encodeBatch(records: readonly ProducedRecord[], origin: BatchOrigin): Promise<Buffer> {
  const writer = new RecordWriter(records)
  const compressed = await compress(writer.bytes, ZSTD_LEVEL)
  const batch = Buffer.alloc(RECORDS_AT + compressed.length)
  batch.writeInt32BE(batch.length - LENGTH_FROM, 8)
  batch.writeInt32BE(-1, 12)
  batch.writeInt8(MAGIC, MAGIC_AT)
  batch.writeInt16BE(ZSTD | TRANSACTIONAL, 21)
  batch.writeInt32BE(records.length - 1, 23)
  batch.writeBigInt64BE(BigInt(origin.timestampMs), 27)
  batch.writeBigInt64BE(BigInt(origin.timestampMs), 35)
  batch.writeBigInt64BE(BigInt(origin.producerId), 43)
  batch.writeInt16BE(origin.producerEpoch, 51)
  batch.writeInt32BE(origin.sequence, 53)
  batch.writeInt32BE(records.length, 57)
  batch.set(compressed, RECORDS_AT)
  batch.writeUInt32BE(crc32c(batch.subarray(CRC_FROM)), CRC_AT)
  return batch
}
