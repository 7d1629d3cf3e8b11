import { TicklakeError } from '#core'
import {
  type AvroRecord,
  type AvroSchema,
  decodeAvroFile,
  encodeAvroFile,
  fieldNames,
  innerSchema,
  safeNumber,
} from './avro.js'
import type { DataFile, ManifestEntry } from './manifest.js'
import { type PartitionSpec, partitionType } from './partition.js'
import type { Schema } from './schema.js'
import { compareValues, encodeValue } from './values.js'

/** What the partition values of a manifest's files span, for one field of its spec. */
export interface PartitionSummary {
  readonly containsNull: boolean
  /** Null: not known. */
  readonly containsNan: boolean | null
  readonly lowerBound: Uint8Array | null
  readonly upperBound: Uint8Array | null
}

/** One manifest in a snapshot's manifest list. Lengths and counts are exact: DuckDB and Trino check them. */
export interface ManifestFile {
  readonly path: string
  readonly lengthBytes: number
  readonly partitionSpecId: number
  readonly content: 'data' | 'deletes'
  readonly sequenceNumber: number
  /** The least data sequence number of a live file. */
  readonly minSequenceNumber: number
  readonly addedSnapshotId: bigint
  readonly addedFiles: number
  readonly existingFiles: number
  readonly deletedFiles: number
  readonly addedRows: number
  readonly existingRows: number
  readonly deletedRows: number
  /** In the order of the spec's fields; null: not known. */
  readonly partitions: readonly PartitionSummary[] | null
  readonly keyMetadata: Uint8Array | null
}

/** The snapshot whose list it is. */
export interface ListOwner {
  readonly snapshotId: bigint
  readonly parentSnapshotId: bigint | null
  readonly sequenceNumber: number
}

/** A manifest list (spec: Manifest Lists). Pure. */
export function encodeManifestList(owner: ListOwner, manifests: readonly ManifestFile[]): Uint8Array {
  const header = {
    'snapshot-id': String(owner.snapshotId),
    'parent-snapshot-id': String(owner.parentSnapshotId),
    'sequence-number': String(owner.sequenceNumber),
    'format-version': '2',
  }
  return encodeAvroFile(LIST_SCHEMA, header, manifests.map(manifestRecord))
}

/** Reads a manifest list of any writer. `path` names it in errors. */
export function decodeManifestList(bytes: Uint8Array, path: string): readonly ManifestFile[] {
  const avro = decodeAvroFile(bytes, path)
  const name = fieldNames(avro.schema)
  const inSummary = fieldNames(innerSchema(avro.schema, name(507, 'partitions')))
  return avro.records.map((record) => {
    const count = (id: number, field: string) => safeNumber(record[name(id, field)], `${path}: ${field}`)
    // Absent in the lists of format version 1, whose sequence numbers are 0.
    const sequence = (id: number, field: string) =>
      safeNumber(record[name(id, field)] ?? 0, `${path}: ${field}`)
    const summaries = record[name(507, 'partitions')]
    return {
      path: String(record[name(500, 'manifest_path')]),
      lengthBytes: count(501, 'manifest_length'),
      partitionSpecId: count(502, 'partition_spec_id'),
      content: sequence(517, 'content') === 1 ? 'deletes' : 'data',
      sequenceNumber: sequence(515, 'sequence_number'),
      minSequenceNumber: sequence(516, 'min_sequence_number'),
      addedSnapshotId: snapshotId(record[name(503, 'added_snapshot_id')], path),
      addedFiles: count(504, 'added_files_count'),
      existingFiles: count(505, 'existing_files_count'),
      deletedFiles: count(506, 'deleted_files_count'),
      addedRows: count(512, 'added_rows_count'),
      existingRows: count(513, 'existing_rows_count'),
      deletedRows: count(514, 'deleted_rows_count'),
      partitions: Array.isArray(summaries)
        ? summaries.map((summary) => partitionSummary(summary, inSummary))
        : null,
      keyMetadata: bytesOrNull(record[name(519, 'key_metadata')]),
    }
  })
}

/** An entry of a manifest with what it inherits from the list (spec: Sequence Number Inheritance). */
export function settled(entry: ManifestEntry, manifest: ManifestFile): ManifestEntry {
  return {
    ...entry,
    snapshotId: entry.snapshotId ?? manifest.addedSnapshotId,
    sequenceNumber: entry.sequenceNumber ?? manifest.sequenceNumber,
    fileSequenceNumber: entry.fileSequenceNumber ?? manifest.sequenceNumber,
  }
}

/** The span of the partition values of `files`, one summary a field of the spec. */
export function summarisePartitions(
  schema: Schema,
  spec: PartitionSpec,
  files: readonly DataFile[],
): readonly PartitionSummary[] {
  return spec.fields.map((field, index) => {
    const type = partitionType(field, schema)
    const values = files.map((file) => file.partition[index] ?? null)
    let lowerBound: Uint8Array | null = null
    let upperBound: Uint8Array | null = null
    for (const value of values) {
      if (value === null || type === null) continue
      const bytes = encodeValue(type, value)
      if (lowerBound === null || (compareValues(type, bytes, lowerBound) ?? 0) < 0) lowerBound = bytes
      if (upperBound === null || (compareValues(type, bytes, upperBound) ?? 0) > 0) upperBound = bytes
    }
    return { containsNull: values.includes(null), containsNan: false, lowerBound, upperBound }
  })
}

const SUMMARY_SCHEMA: AvroSchema = {
  type: 'record',
  name: 'r508',
  fields: [
    { name: 'contains_null', type: 'boolean', 'field-id': 509 },
    { name: 'contains_nan', type: ['null', 'boolean'], default: null, 'field-id': 518 },
    { name: 'lower_bound', type: ['null', 'bytes'], default: null, 'field-id': 510 },
    { name: 'upper_bound', type: ['null', 'bytes'], default: null, 'field-id': 511 },
  ],
}

const LIST_SCHEMA: AvroSchema = {
  type: 'record',
  name: 'manifest_file',
  fields: [
    { name: 'manifest_path', type: 'string', 'field-id': 500 },
    { name: 'manifest_length', type: 'long', 'field-id': 501 },
    { name: 'partition_spec_id', type: 'int', 'field-id': 502 },
    { name: 'content', type: 'int', 'field-id': 517 },
    { name: 'sequence_number', type: 'long', 'field-id': 515 },
    { name: 'min_sequence_number', type: 'long', 'field-id': 516 },
    { name: 'added_snapshot_id', type: 'long', 'field-id': 503 },
    { name: 'added_files_count', type: 'int', 'field-id': 504 },
    { name: 'existing_files_count', type: 'int', 'field-id': 505 },
    { name: 'deleted_files_count', type: 'int', 'field-id': 506 },
    { name: 'added_rows_count', type: 'long', 'field-id': 512 },
    { name: 'existing_rows_count', type: 'long', 'field-id': 513 },
    { name: 'deleted_rows_count', type: 'long', 'field-id': 514 },
    {
      name: 'partitions',
      type: ['null', { type: 'array', items: SUMMARY_SCHEMA, 'element-id': 508 }],
      default: null,
      'field-id': 507,
    },
    { name: 'key_metadata', type: ['null', 'bytes'], default: null, 'field-id': 519 },
  ],
}

function manifestRecord(manifest: ManifestFile): AvroRecord {
  return {
    manifest_path: manifest.path,
    manifest_length: BigInt(manifest.lengthBytes),
    partition_spec_id: manifest.partitionSpecId,
    content: manifest.content === 'data' ? 0 : 1,
    sequence_number: BigInt(manifest.sequenceNumber),
    min_sequence_number: BigInt(manifest.minSequenceNumber),
    added_snapshot_id: manifest.addedSnapshotId,
    added_files_count: manifest.addedFiles,
    existing_files_count: manifest.existingFiles,
    deleted_files_count: manifest.deletedFiles,
    added_rows_count: BigInt(manifest.addedRows),
    existing_rows_count: BigInt(manifest.existingRows),
    deleted_rows_count: BigInt(manifest.deletedRows),
    partitions:
      manifest.partitions?.map((summary) => ({
        contains_null: summary.containsNull,
        contains_nan: summary.containsNan,
        lower_bound: bufferOrNull(summary.lowerBound),
        upper_bound: bufferOrNull(summary.upperBound),
      })) ?? null,
    key_metadata: bufferOrNull(manifest.keyMetadata),
  }
}

function partitionSummary(record: AvroRecord, name: ReturnType<typeof fieldNames>): PartitionSummary {
  const nan = record[name(518, 'contains_nan')]
  return {
    // Not known counts as yes: it is what excludes nothing.
    containsNull: record[name(509, 'contains_null')] !== false,
    containsNan: typeof nan === 'boolean' ? nan : null,
    lowerBound: bytesOrNull(record[name(510, 'lower_bound')]),
    upperBound: bytesOrNull(record[name(511, 'upper_bound')]),
  }
}

function snapshotId(value: unknown, path: string): bigint {
  if (typeof value !== 'bigint')
    throw new TicklakeError('corrupt', `${path}: a manifest has no added_snapshot_id`)
  return value
}

function bytesOrNull(value: unknown): Uint8Array | null {
  return value instanceof Uint8Array ? new Uint8Array(value) : null
}

function bufferOrNull(bytes: Uint8Array | null): Buffer | null {
  return bytes === null ? null : Buffer.from(bytes)
}
