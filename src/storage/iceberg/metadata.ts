import { formatVector, type TableLayout, TicklakeError } from '#core'
import { type Json, type JsonObject, NO_FIELDS } from './json.js'
import type { DataFile } from './manifest.js'
import { overwrittenBy } from './overwritten.js'
import { OWN_ROWS } from './own-rows.js'
import {
  dayPartitionSpec,
  FIRST_PARTITION_FIELD_ID,
  type PartitionSpec,
  type SortOrder,
  sortOrder,
  UNSORTED,
} from './partition.js'
import { icebergSchema, type Schema } from './schema.js'
import {
  OFFSETS_KEY,
  type Operation,
  type Snapshot,
  type SnapshotRef,
  type Summary,
  snapshotSummary,
} from './snapshot.js'

/** A table's metadata, format version 2 (spec: Table Metadata). Immutable; each change makes a new one. Pure. */
export interface TableMetadata {
  readonly formatVersion: 2
  readonly tableUuid: string
  /** Absolute, with scheme, no trailing slash. */
  readonly location: string
  readonly lastSequenceNumber: number
  readonly lastUpdatedMs: number
  readonly lastColumnId: number
  readonly currentSchemaId: number
  readonly schemas: readonly Schema[]
  readonly defaultSpecId: number
  readonly partitionSpecs: readonly PartitionSpec[]
  readonly lastPartitionId: number
  readonly defaultSortOrderId: number
  readonly sortOrders: readonly SortOrder[]
  readonly properties: Readonly<Record<string, string>>
  /** Null before the first snapshot. */
  readonly currentSnapshotId: bigint | null
  readonly refs: Readonly<Record<string, SnapshotRef>>
  readonly snapshots: readonly Snapshot[]
  /** What was current from when on. */
  readonly snapshotLog: readonly SnapshotLogEntry[]
  /** Earlier metadata files, oldest first. */
  readonly metadataLog: readonly MetadataLogEntry[]
  readonly statistics: readonly Json[]
  readonly partitionStatistics: readonly Json[]
  /** Keys that this version does not know, carried along. */
  readonly extra: JsonObject
}

export interface SnapshotLogEntry {
  readonly snapshotId: bigint
  readonly timestampMs: number
}

export interface MetadataLogEntry {
  readonly metadataFile: string
  readonly timestampMs: number
}

export const MAIN = 'main'
const PREVIOUS_VERSIONS_KEY = 'write.metadata.previous-versions-max'
/** So many older metadata files are kept at least, whatever the property says: readers hold on to old ones. */
const PREVIOUS_VERSIONS_MIN = 100
/** And so many at most: each commit writes all their names. */
const PREVIOUS_VERSIONS_MAX = 1_000

export interface NewTable {
  readonly location: string
  readonly uuid: string
  readonly nowMs: number
  /** Partitions of the topic that fills it: the vector begins as so many zeros. */
  readonly partitionCount: number
  readonly properties?: Readonly<Record<string, string>>
}

/** The first metadata of a table: its schema, day partitions, sort order, and no snapshot. */
export function newTableMetadata(layout: TableLayout, table: NewTable): TableMetadata {
  const schema = icebergSchema(layout)
  const spec = dayPartitionSpec(layout)
  const order = sortOrder(layout)
  return {
    formatVersion: 2,
    tableUuid: table.uuid,
    location: table.location,
    lastSequenceNumber: 0,
    lastUpdatedMs: table.nowMs,
    lastColumnId: Math.max(...schema.fields.map((field) => field.id)),
    currentSchemaId: schema.schemaId,
    schemas: [schema],
    defaultSpecId: spec.specId,
    partitionSpecs: [spec],
    lastPartitionId: FIRST_PARTITION_FIELD_ID + spec.fields.length - 1,
    defaultSortOrderId: order.orderId,
    sortOrders: [UNSORTED, order],
    properties: {
      // Foreign engines must not delete files under our readers; our own expiry knows who reads.
      'gc.enabled': 'false',
      'write.parquet.compression-codec': 'zstd',
      'write.metadata.delete-after-commit.enabled': 'true',
      [PREVIOUS_VERSIONS_KEY]: String(PREVIOUS_VERSIONS_MIN),
      [OFFSETS_KEY]: formatVector(new Array<number>(table.partitionCount).fill(0)),
      ...table.properties,
    },
    currentSnapshotId: null,
    refs: {},
    snapshots: [],
    snapshotLog: [],
    metadataLog: [],
    statistics: [],
    partitionStatistics: [],
    extra: NO_FIELDS,
  }
}

/** A snapshot to make: its manifest list is written already, with the next sequence number. */
export interface NewSnapshot {
  readonly operation: Operation
  readonly snapshotId: bigint
  readonly nowMs: number
  readonly manifestList: string
  readonly added: readonly DataFile[]
  /** Data files that the parent has and this one has not. */
  readonly removed: readonly DataFile[]
  /** Delete files of which the same is true. Default: none. */
  readonly removedDeletes?: readonly DataFile[]
  /** UTC days (from 1970-01-01) of rows that it takes away; null: any. Default: none if it appends or replaces, else any. */
  readonly overwritten?: ReadonlySet<number> | null
  /** Summary keys of ours, over those carried forward from the parent. */
  readonly summary: Summary
  /** Properties that change in the same commit. */
  readonly properties: Readonly<Record<string, string>>
}

const NO_DAYS: ReadonlySet<number> = new Set()

/** The table with one more snapshot on main, whose parent is the current one. */
export function addSnapshot(metadata: TableMetadata, made: NewSnapshot): TableMetadata {
  const parent = currentSnapshot(metadata)
  // Snapshot times never go back, whatever the clock does; nor does history, when main was taken back since.
  const timestampMs = Math.max(
    made.nowMs,
    (parent?.timestampMs ?? -1) + 1,
    metadata.snapshotLog.at(-1)?.timestampMs ?? 0,
  )
  const sequenceNumber = nextSequenceNumber(metadata)
  const { operation, overwritten = operation === 'append' || operation === 'replace' ? NO_DAYS : null } = made
  const summary = {
    ...(parent === null && OWN_ROWS),
    ...made.summary,
    ...overwrittenBy(parent, sequenceNumber, overwritten),
  }
  const snapshot: Snapshot = {
    snapshotId: made.snapshotId,
    parentSnapshotId: metadata.currentSnapshotId,
    sequenceNumber,
    timestampMs,
    manifestList: made.manifestList,
    schemaId: metadata.currentSchemaId,
    summary: snapshotSummary(parent?.summary ?? null, made, summary),
    extra: NO_FIELDS,
  }
  const main: SnapshotRef = {
    ...(metadata.refs[MAIN] ?? { type: 'branch', extra: NO_FIELDS }),
    snapshotId: snapshot.snapshotId,
  }
  return {
    ...metadata,
    lastSequenceNumber: snapshot.sequenceNumber,
    lastUpdatedMs: Math.max(timestampMs, metadata.lastUpdatedMs),
    properties: { ...metadata.properties, ...made.properties },
    currentSnapshotId: snapshot.snapshotId,
    refs: { ...metadata.refs, [MAIN]: main },
    snapshots: [...metadata.snapshots, snapshot],
    snapshotLog: [...metadata.snapshotLog, { snapshotId: snapshot.snapshotId, timestampMs }],
  }
}

/**
 * `next` with the file that it replaces in its metadata log. Whoever swaps the pointer calls this: a catalog of
 * files does, a REST catalog does it on its own side.
 */
export function logPrevious(next: TableMetadata, base: TableMetadata, baseLocation: string): TableMetadata {
  const asked = Number(next.properties[PREVIOUS_VERSIONS_KEY]) || 0
  const keep = Math.min(Math.max(asked, PREVIOUS_VERSIONS_MIN), PREVIOUS_VERSIONS_MAX)
  const log = [...base.metadataLog, { metadataFile: baseLocation, timestampMs: base.lastUpdatedMs }]
  return { ...next, metadataLog: log.slice(-keep) }
}

export function nextSequenceNumber(metadata: TableMetadata): number {
  return metadata.lastSequenceNumber + 1
}

export function currentSnapshot(metadata: TableMetadata): Snapshot | null {
  return metadata.currentSnapshotId === null ? null : snapshotById(metadata, metadata.currentSnapshotId)
}

/** `gone` when the table has no such snapshot (any more). */
export function snapshotById(metadata: TableMetadata, snapshotId: bigint): Snapshot {
  const snapshot = metadata.snapshots.find((candidate) => candidate.snapshotId === snapshotId)
  if (snapshot) return snapshot
  throw new TicklakeError('gone', `snapshot ${snapshotId} of ${metadata.location} has expired or never was`)
}

/** The snapshot and its ancestors, newest first, as far back as they are retained. */
export function* ancestry(metadata: TableMetadata, from: bigint | null): Generator<Snapshot> {
  const byId = new Map(metadata.snapshots.map((snapshot) => [snapshot.snapshotId, snapshot]))
  for (let id = from; id !== null; ) {
    const snapshot = byId.get(id)
    if (!snapshot) return
    yield snapshot
    // However wrong a foreign writer's parents are, each comes once.
    byId.delete(id)
    id = snapshot.parentSnapshotId
  }
}

export function currentSchema(metadata: TableMetadata): Schema {
  return byIdOf(
    metadata.schemas,
    (schema) => schema.schemaId === metadata.currentSchemaId,
    metadata,
    'current schema',
  )
}

export function defaultSpec(metadata: TableMetadata): PartitionSpec {
  return byIdOf(
    metadata.partitionSpecs,
    (spec) => spec.specId === metadata.defaultSpecId,
    metadata,
    'default partition spec',
  )
}

export function specById(metadata: TableMetadata, specId: number): PartitionSpec {
  return byIdOf(
    metadata.partitionSpecs,
    (spec) => spec.specId === specId,
    metadata,
    `partition spec ${specId}`,
  )
}

/** The newest schema with all columns that a spec is made of: the current one, unless such a column was dropped. */
export function schemaOfSpec(metadata: TableMetadata, { fields }: PartitionSpec): Schema {
  const isWhole = (schema: Schema) =>
    fields.every(({ sourceId }) => schema.fields.some(({ id }) => id === sourceId))
  const current = currentSchema(metadata)
  return isWhole(current) ? current : (metadata.schemas.findLast(isWhole) ?? current)
}

export function defaultOrder(metadata: TableMetadata): SortOrder {
  return byIdOf(
    metadata.sortOrders,
    (order) => order.orderId === metadata.defaultSortOrderId,
    metadata,
    'default sort order',
  )
}

function byIdOf<T>(all: readonly T[], is: (one: T) => boolean, metadata: TableMetadata, what: string): T {
  const found = all.find(is)
  if (found === undefined) throw new TicklakeError('corrupt', `${metadata.location} lacks its ${what}`)
  return found
}
