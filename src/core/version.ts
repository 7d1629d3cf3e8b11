import { assert } from './assert.js'
import { invalid } from './errors.js'

/**
 * Per partition, the next offset to fetch: control and aborted records included, never last row + 1.
 * Index = partition; the length is the topic's partition count. Offsets are whole numbers below 2^53.
 */
export type OffsetVector = readonly number[]

export function sameVector(a: OffsetVector, b: OffsetVector): boolean {
  return a.length === b.length && a.every((offset, partition) => offset === b[partition])
}

/** True when every position of `a` has reached that of `b`. */
export function covers(a: OffsetVector, b: OffsetVector): boolean {
  return b.every((offset, partition) => (a[partition] ?? 0) >= offset)
}

/** The same position in a topic that has got more partitions: of those, nothing has been read. */
export function widened(vector: OffsetVector, partitionCount: number): OffsetVector {
  return Array.from(
    { length: Math.max(vector.length, partitionCount) },
    (_, partition) => vector[partition] ?? 0,
  )
}

/** `{"0":17,"1":0}`, the form of `ticklake.offsets` in a snapshot summary. */
export function formatVector(vector: OffsetVector): string {
  return JSON.stringify(Object.fromEntries(vector.map((offset, partition) => [String(partition), offset])))
}

export function parseVector(text: string): OffsetVector {
  const parsed: unknown = JSON.parse(text)
  if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed)) {
    throw invalid('ticklake.offsets', text, 'an object of partition to next offset')
  }
  const entries = Object.entries(parsed)
  const vector = new Array<number>(entries.length).fill(-1)
  for (const [partition, offset] of entries) {
    if (!(Number(partition) < entries.length) || !Number.isSafeInteger(offset) || offset < 0) {
      throw invalid('ticklake.offsets', text, 'an object of partition (from 0, without holes) to next offset')
    }
    vector[Number(partition)] = offset
  }
  assert(
    vector.every((offset) => offset >= 0),
    'every partition has an offset',
  )
  return vector
}

/**
 * A version of a table: all live rows of the snapshot, and the log rows from the snapshot's own vector up to
 * `offsets`. Its border is a log position, never a clock. Snapshot null: before the first commit.
 */
export interface Version {
  readonly snapshotId: bigint | null
  readonly offsets: OffsetVector
}
