import { Fields, type Json, type JsonObject } from './json.js'
import type { DataFile } from './manifest.js'

export type Summary = Readonly<Record<string, string>>

/** One state of a table (spec: Snapshots). Ids of foreign writers have 63 bits. */
export interface Snapshot {
  readonly snapshotId: bigint
  readonly parentSnapshotId: bigint | null
  readonly sequenceNumber: number
  readonly timestampMs: number
  /** Location of the manifest list. */
  readonly manifestList: string
  readonly schemaId: number | null
  /** `operation` (append, replace, overwrite or delete), counts, totals, and the ticklake.* keys. */
  readonly summary: Summary
  readonly extra: JsonObject
}

/** A branch or tag. How long it and its snapshots are kept may be its own matter; else the table's policy holds. */
export interface SnapshotRef {
  readonly snapshotId: bigint
  readonly type: 'branch' | 'tag'
  /** Once its snapshot is older, the ref goes. Main stays whatever this says. */
  readonly maxRefAgeMs?: number
  /** Of branches alone: younger ancestors are kept. */
  readonly maxSnapshotAgeMs?: number
  /** Of branches alone: so many ancestors are kept, whatever their age. */
  readonly minSnapshotsToKeep?: number
  readonly extra: JsonObject
}

/** What a snapshot did to its parent: added files only; the same rows in other files; other rows; fewer rows. */
export type Operation = 'append' | 'replace' | 'overwrite' | 'delete'

/** How a snapshot's files differ from its parent's. */
export interface FileChanges {
  readonly operation: Operation
  readonly added: readonly DataFile[]
  readonly removed: readonly DataFile[]
  readonly removedDeletes?: readonly DataFile[]
}

/** Keys of ours in snapshot summaries. Each snapshot carries them all forward. */
const TICKLAKE_PREFIX = 'ticklake.'
export const OFFSETS_KEY = 'ticklake.offsets'
export const COMMIT_ID_KEY = 'ticklake.commit-id'
export const FENCE_KEY = 'ticklake.fence'

/**
 * The summary of a snapshot on top of `parent`: what changed, the new totals, the parent's ticklake.* keys, and over
 * them `extra`. A total that a foreign parent does not state, or not as a number, stays unknown.
 */
export function snapshotSummary(
  parent: Summary | null,
  { operation, added, removed, removedDeletes = [] }: FileChanges,
  extra: Summary,
): Summary {
  const total = (key: string, more: number) => {
    const before = parent === null ? '0' : parent[key]
    return before === undefined || !/^\d+$/.test(before)
      ? {}
      : { [key]: String(BigInt(before) + BigInt(more)) }
  }
  const [more, fewer, deletes] = [sizeOf(added), sizeOf(removed), sizeOf(removedDeletes)]
  const [positions, equalities] = [
    sizeOf(removedDeletes.filter(({ foreign }) => foreign?.content === 'position-deletes')),
    sizeOf(removedDeletes.filter(({ foreign }) => foreign?.content === 'equality-deletes')),
  ]
  const partitions = new Set(
    [...added, ...removed, ...removedDeletes].map((file) => file.partition.map(String).join('/')),
  )
  return {
    operation,
    'added-data-files': String(added.length),
    'added-records': String(more.records),
    'added-files-size': String(more.bytes),
    ...(removed.length === 0
      ? {}
      : { 'deleted-data-files': String(removed.length), 'deleted-records': String(fewer.records) }),
    ...(removedDeletes.length === 0
      ? {}
      : {
          'removed-delete-files': String(deletes.files),
          'removed-position-delete-files': String(positions.files),
          'removed-position-deletes': String(positions.records),
          'removed-equality-delete-files': String(equalities.files),
          'removed-equality-deletes': String(equalities.records),
        }),
    ...(fewer.files + deletes.files === 0
      ? {}
      : { 'removed-files-size': String(fewer.bytes + deletes.bytes) }),
    'changed-partition-count': String(partitions.size),
    ...total('total-records', more.records - fewer.records),
    ...total('total-files-size', more.bytes - fewer.bytes - deletes.bytes),
    ...total('total-data-files', added.length - removed.length),
    ...total('total-delete-files', -deletes.files),
    ...total('total-position-deletes', -positions.records),
    ...total('total-equality-deletes', -equalities.records),
    ...ticklakeKeys(parent ?? {}),
    ...extra,
  }
}

/** Rows of a snapshot, or of none, before what is deleted of them by files of its own; infinite when it does not tell. */
export function totalRecords(snapshot: Snapshot | null): number {
  return snapshot === null ? 0 : Number(snapshot.summary['total-records'] ?? Number.POSITIVE_INFINITY)
}

function sizeOf(files: readonly DataFile[]) {
  return {
    files: files.length,
    records: files.reduce((sum, file) => sum + file.recordCount, 0),
    bytes: files.reduce((sum, file) => sum + file.fileSizeBytes, 0),
  }
}

/** The keys of ours among a summary's or a table's. */
export function ticklakeKeys(all: Summary): Summary {
  return Object.fromEntries(Object.entries(all).filter(([key]) => key.startsWith(TICKLAKE_PREFIX)))
}

export function parseSnapshot(json: Json, path: string): Snapshot {
  const from = new Fields(json, path)
  return {
    snapshotId: from.long('snapshot-id'),
    parentSnapshotId: from.optional('parent-snapshot-id', from.long, null),
    sequenceNumber: from.optional('sequence-number', from.integer, 0),
    timestampMs: from.integer('timestamp-ms'),
    manifestList: from.string('manifest-list'),
    schemaId: from.optional('schema-id', from.integer, null),
    summary: from.has('summary') ? from.object('summary').strings() : {},
    extra: from.rest(),
  }
}

export function snapshotJson(snapshot: Snapshot): JsonObject {
  return {
    'snapshot-id': snapshot.snapshotId,
    ...(snapshot.parentSnapshotId === null ? {} : { 'parent-snapshot-id': snapshot.parentSnapshotId }),
    'sequence-number': snapshot.sequenceNumber,
    'timestamp-ms': snapshot.timestampMs,
    'manifest-list': snapshot.manifestList,
    ...(snapshot.schemaId === null ? {} : { 'schema-id': snapshot.schemaId }),
    summary: snapshot.summary,
    ...snapshot.extra,
  }
}

export function parseSnapshotRef(json: Json, path: string): SnapshotRef {
  const from = new Fields(json, path)
  return {
    snapshotId: from.long('snapshot-id'),
    type: from.choice('type', ['branch', 'tag']),
    ...parseRetention(from),
    extra: from.rest(),
  }
}

export function snapshotRefJson(ref: SnapshotRef): JsonObject {
  const retention = RETENTION.flatMap(([key, name]) => (ref[name] === undefined ? [] : [[key, ref[name]]]))
  return { 'snapshot-id': ref.snapshotId, type: ref.type, ...Object.fromEntries(retention), ...ref.extra }
}

const RETENTION = [
  ['max-ref-age-ms', 'maxRefAgeMs'],
  ['max-snapshot-age-ms', 'maxSnapshotAgeMs'],
  ['min-snapshots-to-keep', 'minSnapshotsToKeep'],
] as const

/** How long a ref and its snapshots are kept: whole numbers above zero, each of them optional. */
export function parseRetention(from: Fields): Pick<SnapshotRef, (typeof RETENTION)[number][1]> {
  const given = RETENTION.flatMap(([key, name]) => {
    const value = from.optional(key, from.integer, null)
    return value === null ? [] : [[name, value]]
  })
  return Object.fromEntries(given)
}

/** The snapshot that a file of statistics is of, if it says. */
export function statisticsSnapshot(file: Json): bigint | null {
  const from = new Fields(file, 'statistics')
  return from.optional('snapshot-id', from.long, null)
}
