import { crc32 } from 'node:zlib'
import { TicklakeError } from '#core'
import type { RecordBatch } from './log.js'

/**
 * A stored batch, little-endian:
 *
 *     0  uint32  format version, 1
 *     4  uint32  CRC-32 of everything after it
 *     8  uint32  record count
 *    12  uint32  reserved, 0
 *    16  int64   when the log took the batch, µs since 1970 UTC
 *    24  float64 bytes stored in the partition before this batch: retention by size needs no counting
 *    32  uint32  end of each value
 *        bytes   the values
 *
 * Keys are not stored. Nothing here reads them back: a key only chooses the partition, and for our own topics it is
 * the `symbol` field of the value. A front that speaks Kafka's protocol would want them: a later format version.
 */
const VERSION = 1
const HEADER_BYTES = 32
const CRC_FROM = 8

/** Where a batch is: the partition of a topic and the offset of its first record. */
export interface BatchPosition {
  readonly topic: string
  readonly partition: number
  readonly baseOffset: number
}

/** What retention and the search for a position need of a stored batch. */
export interface BatchHeader {
  readonly count: number
  readonly appendedAtMicros: bigint
  /** Bytes stored in the partition before this batch. */
  readonly bytesBefore: number
  readonly sizeBytes: number
}

export function packBatch(
  values: readonly Uint8Array[],
  appendedAtMicros: bigint,
  bytesBefore: number,
): Uint8Array {
  const valuesFrom = HEADER_BYTES + values.length * 4
  const valueBytes = values.reduce((sum, value) => sum + value.length, 0)
  const stored = new Uint8Array(valuesFrom + valueBytes)
  const view = new DataView(stored.buffer)
  view.setUint32(0, VERSION, true)
  view.setUint32(8, values.length, true)
  view.setBigInt64(16, appendedAtMicros, true)
  view.setFloat64(24, bytesBefore, true)
  const ends = new Uint32Array(stored.buffer, HEADER_BYTES, values.length)
  let end = 0
  for (let index = 0; index < values.length; index++) {
    const value = values[index]!
    stored.set(value, valuesFrom + end)
    end += value.length
    ends[index] = end
  }
  view.setUint32(4, crc32(stored.subarray(CRC_FROM)), true)
  return stored
}

/** Checks a stored batch whole: `corrupt`, naming topic, partition and offset, when a byte of it has changed. */
export function unpackBatch(position: BatchPosition, stored: Uint8Array): RecordBatch {
  const { count, appendedAtMicros } = readHeader(position, stored)
  const view = viewOf(stored)
  if (view.getUint32(4, true) !== crc32(stored.subarray(CRC_FROM)))
    throw corrupt(position, 'its checksum differs')
  const valuesFrom = HEADER_BYTES + count * 4
  return {
    partition: position.partition,
    baseOffset: position.baseOffset,
    count,
    appendedAtMicros,
    bytes: stored.subarray(valuesFrom),
    ends: readEnds(stored, count),
  }
}

/** The header alone, without the checksum. */
export function readHeader(position: BatchPosition, stored: Uint8Array): BatchHeader {
  if (stored.length < HEADER_BYTES) throw corrupt(position, `it has ${stored.length} bytes`)
  const view = viewOf(stored)
  if (view.getUint32(0, true) !== VERSION) throw corrupt(position, `its format is ${view.getUint32(0, true)}`)
  const count = view.getUint32(8, true)
  if (count === 0 || HEADER_BYTES + count * 4 > stored.length)
    throw corrupt(position, `it counts ${count} records`)
  return {
    count,
    appendedAtMicros: view.getBigInt64(16, true),
    bytesBefore: view.getFloat64(24, true),
    sizeBytes: stored.length,
  }
}

export function corrupt({ topic, partition, baseOffset }: BatchPosition, what: string): TicklakeError {
  return new TicklakeError(
    'corrupt',
    `the log's batch of topic ${topic}, partition ${partition}, offset ${baseOffset} is damaged: ${what}`,
  )
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
}

/** In place where the store has put the batch on a word border, as a copy otherwise. */
function readEnds(stored: Uint8Array, count: number): Uint32Array {
  const from = stored.byteOffset + HEADER_BYTES
  if (from % 4 === 0) return new Uint32Array(stored.buffer, from, count)
  return new Uint32Array(new Uint8Array(stored.subarray(HEADER_BYTES, HEADER_BYTES + count * 4)).buffer)
}
