import type { Version } from '#core'
import { seal } from './sealed.js'

/** The wire form of a version: snapshot id as text (it may exceed 2^53) and the vector. */
export type VersionTuple = readonly [snapshotId: string | null, offsets: readonly number[]]

/** The receipt of an answer: the version of the table that it was read from. At one version the same rows are seen. */
export function encodeReceipt(tableUuid: string, version: Version): string {
  return seal([tableUuid, ...versionTuple(version)])
}

export function versionTuple(version: Version): VersionTuple {
  return [version.snapshotId === null ? null : String(version.snapshotId), version.offsets]
}

/** The version of a tuple from outside, or undefined when it is none. */
export function parseVersion(snapshotId: unknown, offsets: unknown): Version | undefined {
  const isId = snapshotId === null || (typeof snapshotId === 'string' && /^\d{1,19}$/.test(snapshotId))
  if (!isId || !Array.isArray(offsets)) return undefined
  if (!offsets.every((offset) => Number.isSafeInteger(offset) && offset >= 0)) return undefined
  return { snapshotId: snapshotId === null ? null : BigInt(snapshotId), offsets }
}
