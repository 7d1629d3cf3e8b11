import { assert, invalid, TicklakeError } from '#core'
import {
  type AvroFile,
  type AvroRecord,
  type AvroSchema,
  decodeAvroFile,
  encodeAvroFile,
  fieldNames,
  innerSchema,
  safeNumber,
} from './avro.js'
import { formatJson, parseJson } from './json.js'
import {
  type PartitionField,
  type PartitionSpec,
  parsePartitionSpec,
  partitionFieldsJson,
  partitionType,
} from './partition.js'
import { type Schema, schemaJson } from './schema.js'
import { baseType, type Value } from './values.js'

/** A data file with the statistics that its manifest keeps. Maps are keyed by field id. */
export interface DataFile {
  /** Absolute, with scheme. */
  readonly path: string
  /** In the order of the partition spec's fields; a day is counted from 1970-01-01. */
  readonly partition: readonly (Value | null)[]
  readonly recordCount: number
  readonly fileSizeBytes: number
  readonly columnSizes: ReadonlyMap<number, number>
  /** Nulls included. */
  readonly valueCounts: ReadonlyMap<number, number>
  readonly nullValueCounts: ReadonlyMap<number, number>
  /** Serialised and truncated: see values.ts. */
  readonly lowerBounds: ReadonlyMap<number, Uint8Array>
  readonly upperBounds: ReadonlyMap<number, Uint8Array>
  /** Starts of the row groups, ascending. */
  readonly splitOffsets: readonly number[]
  /** Only of a file that really is sorted. */
  readonly sortOrderId: number | null
  /** What files of other writers may have besides. Ours are data, in Parquet, and have none of it. */
  readonly foreign?: ForeignFields
}

export interface ForeignFields {
  readonly content: FileContent
  /** In capitals: PARQUET, AVRO, ORC. */
  readonly format: string
  readonly nanValueCounts: ReadonlyMap<number, number>
  readonly keyMetadata: Uint8Array | null
  /** Field ids that an equality delete compares. */
  readonly equalityIds: readonly number[] | null
  /** The one data file that a position delete is about, if it is only one. */
  readonly referencedDataFile: string | null
}

export type FileContent = 'data' | 'position-deletes' | 'equality-deletes'

export type EntryStatus = 'existing' | 'added' | 'deleted'

export interface ManifestEntry {
  readonly status: EntryStatus
  /** Null: inherited from the manifest list, as are the two below. */
  readonly snapshotId: bigint | null
  readonly sequenceNumber: number | null
  readonly fileSequenceNumber: number | null
  readonly file: DataFile
}

export interface Manifest {
  readonly content: 'data' | 'deletes'
  readonly spec: PartitionSpec
  readonly entries: readonly ManifestEntry[]
}

export const PARQUET = 'PARQUET'
// Index = the status, and the content, as stored.
const STATUSES: readonly EntryStatus[] = ['existing', 'added', 'deleted']
const CONTENTS: readonly FileContent[] = ['data', 'position-deletes', 'equality-deletes']

/** A manifest of files (spec: Manifests), all of one partition spec. Pure. */
export function encodeManifest(
  schema: Schema,
  spec: PartitionSpec,
  entries: readonly ManifestEntry[],
  content: Manifest['content'] = 'data',
): Uint8Array {
  const header = {
    schema: formatJson(schemaJson(schema)),
    'schema-id': String(schema.schemaId),
    'partition-spec': formatJson(partitionFieldsJson(spec)),
    'partition-spec-id': String(spec.specId),
    'format-version': '2',
    content,
  }
  return encodeAvroFile(
    entrySchema(schema, spec),
    header,
    entries.map((entry) => entryRecord(entry, spec, schema)),
  )
}

/** Reads a manifest of any writer. `path` names it in errors. */
export function decodeManifest(bytes: Uint8Array, path: string): Manifest {
  const avro = decodeAvroFile(bytes, path)
  const spec = manifestSpec(avro, path)
  const toEntry = entryReader(avro, spec, path)
  return {
    content: avro.header.get('content') === 'deletes' ? 'deletes' : 'data',
    spec,
    entries: avro.records.map(toEntry),
  }
}

function entryRecord(entry: ManifestEntry, spec: PartitionSpec, schema: Schema): AvroRecord {
  const { file } = entry
  const { foreign } = file
  assert(
    file.partition.length === spec.fields.length,
    `${file.path} has one partition value a field of the spec`,
  )
  return {
    status: STATUSES.indexOf(entry.status),
    snapshot_id: entry.snapshotId,
    sequence_number: longOrNull(entry.sequenceNumber),
    file_sequence_number: longOrNull(entry.fileSequenceNumber),
    data_file: {
      content: CONTENTS.indexOf(foreign?.content ?? 'data'),
      file_path: file.path,
      file_format: foreign?.format ?? PARQUET,
      partition: Object.fromEntries(
        spec.fields.map((field, i) => [avroName(field), partitionCell(field, schema, file.partition[i])]),
      ),
      record_count: BigInt(file.recordCount),
      file_size_in_bytes: BigInt(file.fileSizeBytes),
      column_sizes: pairs(file.columnSizes),
      value_counts: pairs(file.valueCounts),
      null_value_counts: pairs(file.nullValueCounts),
      nan_value_counts: foreign ? pairs(foreign.nanValueCounts) : null,
      lower_bounds: bytePairs(file.lowerBounds),
      upper_bounds: bytePairs(file.upperBounds),
      key_metadata: foreign?.keyMetadata ? Buffer.from(foreign.keyMetadata) : null,
      split_offsets: file.splitOffsets.length === 0 ? null : file.splitOffsets.map(BigInt),
      equality_ids: foreign?.equalityIds ?? null,
      sort_order_id: file.sortOrderId,
      referenced_data_file: foreign?.referencedDataFile ?? null,
    },
  }
}

function entryReader(
  avro: AvroFile,
  spec: PartitionSpec,
  path: string,
): (record: AvroRecord) => ManifestEntry {
  const inEntry = fieldNames(avro.schema)
  const [status, snapshotId] = [inEntry(0, 'status'), inEntry(1, 'snapshot_id')]
  const [sequence, fileSequence] = [inEntry(3, 'sequence_number'), inEntry(4, 'file_sequence_number')]
  const dataFile = inEntry(2, 'data_file')
  const toFile = fileReader(innerSchema(avro.schema, dataFile), spec, path)
  return (record) => {
    const known = STATUSES[safeNumber(record[status], `${path}: status`)]
    if (!known) throw new TicklakeError('corrupt', `${path}: an entry has status ${String(record[status])}`)
    return {
      status: known,
      snapshotId: typeof record[snapshotId] === 'bigint' ? record[snapshotId] : null,
      sequenceNumber: numberOrNull(record[sequence], path),
      fileSequenceNumber: numberOrNull(record[fileSequence], path),
      // The schema's field 2 is a record.
      file: toFile(record[dataFile] as AvroRecord),
    }
  }
}

function fileReader(
  schema: AvroSchema | undefined,
  spec: PartitionSpec,
  path: string,
): (record: AvroRecord) => DataFile {
  const inFile = fieldNames(schema)
  const name = {
    content: inFile(134, 'content'),
    path: inFile(100, 'file_path'),
    format: inFile(101, 'file_format'),
    partition: inFile(102, 'partition'),
    recordCount: inFile(103, 'record_count'),
    fileSize: inFile(104, 'file_size_in_bytes'),
    columnSizes: inFile(108, 'column_sizes'),
    valueCounts: inFile(109, 'value_counts'),
    nullValueCounts: inFile(110, 'null_value_counts'),
    nanValueCounts: inFile(137, 'nan_value_counts'),
    lowerBounds: inFile(125, 'lower_bounds'),
    upperBounds: inFile(128, 'upper_bounds'),
    keyMetadata: inFile(131, 'key_metadata'),
    splitOffsets: inFile(132, 'split_offsets'),
    equalityIds: inFile(135, 'equality_ids'),
    sortOrderId: inFile(140, 'sort_order_id'),
    referencedDataFile: inFile(143, 'referenced_data_file'),
  }
  const inPartition = fieldNames(innerSchema(schema, name.partition))
  const partitionNames = spec.fields.map((field) => inPartition(field.fieldId, avroName(field)))
  return (record) => {
    // The schema's field 102 is a record whose values have the forms of Value; bytes are Buffers.
    const partition = (record[name.partition] ?? {}) as Record<string, Value | null | undefined>
    return {
      path: String(record[name.path]),
      partition: partitionNames.map((field) => partition[field] ?? null),
      recordCount: safeNumber(record[name.recordCount], `${path}: record_count`),
      fileSizeBytes: safeNumber(record[name.fileSize], `${path}: file_size_in_bytes`),
      columnSizes: toMap(record[name.columnSizes], (value) => safeNumber(value, `${path}: column_sizes`)),
      valueCounts: toMap(record[name.valueCounts], (value) => safeNumber(value, `${path}: value_counts`)),
      nullValueCounts: toMap(record[name.nullValueCounts], (value) =>
        safeNumber(value, `${path}: null_value_counts`),
      ),
      // Fields 125 and 128 map to bytes. Copied, since avsc hands out pieces of larger buffers.
      lowerBounds: toMap(record[name.lowerBounds], (value) => new Uint8Array(value as Buffer)),
      upperBounds: toMap(record[name.upperBounds], (value) => new Uint8Array(value as Buffer)),
      splitOffsets: toList(record[name.splitOffsets]).map((value) =>
        safeNumber(value, `${path}: split_offsets`),
      ),
      sortOrderId: numberOrNull(record[name.sortOrderId], path),
      ...foreignFields(record, name, path),
    }
  }
}

/** Nothing for a plain data file, as ticklake writes them. */
function foreignFields(
  record: AvroRecord,
  name: Readonly<Record<keyof ForeignFields, string>>,
  path: string,
): { readonly foreign?: ForeignFields } {
  const content = CONTENTS[safeNumber(record[name.content] ?? 0, `${path}: content`)]
  if (!content)
    throw new TicklakeError('corrupt', `${path}: a file has content ${String(record[name.content])}`)
  const { [name.equalityIds]: ids, [name.keyMetadata]: key, [name.referencedDataFile]: data } = record
  const count = (value: unknown) => safeNumber(value, `${path}: nan_value_counts`)
  const foreign: ForeignFields = {
    content,
    format: String(record[name.format]).toUpperCase(),
    nanValueCounts: toMap(record[name.nanValueCounts], count),
    keyMetadata: key instanceof Uint8Array ? new Uint8Array(key) : null,
    equalityIds: Array.isArray(ids) ? ids.map((id) => safeNumber(id, `${path}: equality_ids`)) : null,
    referencedDataFile: typeof data === 'string' ? data : null,
  }
  const isPlain =
    content === 'data' &&
    foreign.format === PARQUET &&
    foreign.nanValueCounts.size === 0 &&
    foreign.keyMetadata === null
  return isPlain ? {} : { foreign }
}

function manifestSpec(avro: AvroFile, path: string): PartitionSpec {
  const fields = avro.header.get('partition-spec')
  if (fields === undefined) throw new TicklakeError('corrupt', `${path}: its header has no partition-spec`)
  const specId = Number(avro.header.get('partition-spec-id') ?? 0)
  return parsePartitionSpec({ 'spec-id': specId, fields: parseJson(fields, path) }, `${path}: partition-spec`)
}

function entrySchema(schema: Schema, spec: PartitionSpec): AvroSchema {
  const partition = spec.fields.map((field) =>
    optional(field.fieldId, avroName(field), avroType(field, schema)),
  )
  const dataFile = [
    required(134, 'content', 'int'),
    required(100, 'file_path', 'string'),
    required(101, 'file_format', 'string'),
    required(102, 'partition', { type: 'record', name: 'r102', fields: partition }),
    required(103, 'record_count', 'long'),
    required(104, 'file_size_in_bytes', 'long'),
    optional(108, 'column_sizes', mapOf(117, 118, 'long')),
    optional(109, 'value_counts', mapOf(119, 120, 'long')),
    optional(110, 'null_value_counts', mapOf(121, 122, 'long')),
    optional(137, 'nan_value_counts', mapOf(138, 139, 'long')),
    optional(125, 'lower_bounds', mapOf(126, 127, 'bytes')),
    optional(128, 'upper_bounds', mapOf(129, 130, 'bytes')),
    optional(131, 'key_metadata', 'bytes'),
    optional(132, 'split_offsets', { type: 'array', items: 'long', 'element-id': 133 }),
    optional(135, 'equality_ids', { type: 'array', items: 'int', 'element-id': 136 }),
    optional(140, 'sort_order_id', 'int'),
    optional(143, 'referenced_data_file', 'string'),
  ]
  const entry = [
    required(0, 'status', 'int'),
    optional(1, 'snapshot_id', 'long'),
    optional(3, 'sequence_number', 'long'),
    optional(4, 'file_sequence_number', 'long'),
    required(2, 'data_file', { type: 'record', name: 'r2', fields: dataFile }),
  ]
  return { type: 'record', name: 'manifest_entry', fields: entry }
}

function required(id: number, name: string, type: AvroSchema): AvroSchema {
  return { name, type, 'field-id': id }
}

function optional(id: number, name: string, type: AvroSchema): AvroSchema {
  return { name, type: ['null', type], default: null, 'field-id': id }
}

/** Avro's maps have string keys only, so Iceberg stores an int-keyed map as an array of pairs. */
function mapOf(keyId: number, valueId: number, value: AvroSchema): AvroSchema {
  const fields = [required(keyId, 'key', 'int'), required(valueId, 'value', value)]
  return {
    type: 'array',
    logicalType: 'map',
    items: { type: 'record', name: `k${keyId}_v${valueId}`, fields },
  }
}

function avroType(field: PartitionField, schema: Schema): AvroSchema {
  const type = partitionType(field, schema)
  switch (type === null ? 'unknown' : baseType(type)) {
    case 'date':
      return { type: 'int', logicalType: 'date' }
    case 'int':
    case 'long':
    case 'string':
    case 'boolean':
      return baseType(type!)
    case 'timestamptz':
      return { type: 'long', logicalType: 'timestamp-micros', 'adjust-to-utc': true }
    case 'timestamp':
      return { type: 'long', logicalType: 'timestamp-micros', 'adjust-to-utc': false }
    default:
      throw invalid('partition', `${field.transform} of ${type}`, 'a partition that ticklake can write')
  }
}

/** A value of a column that was an int, and has been widened since. */
function partitionCell(field: PartitionField, schema: Schema, value: Value | null | undefined): unknown {
  return typeof value === 'number' && partitionType(field, schema) === 'long' ? BigInt(value) : value
}

/** Partition names are Avro names; other characters are written as Iceberg's Java library does. */
function avroName(field: PartitionField): string {
  const escaped = field.name.replace(
    /[^A-Za-z0-9_]/g,
    (c) => `_x${c.charCodeAt(0).toString(16).toUpperCase()}`,
  )
  return /^\d/.test(escaped) ? `_${escaped}` : escaped
}

function pairs(map: ReadonlyMap<number, number>): readonly object[] {
  return Array.from(map, ([key, value]) => ({ key, value }))
}

function bytePairs(map: ReadonlyMap<number, Uint8Array>): readonly object[] {
  return Array.from(map, ([key, value]) => ({ key, value: Buffer.from(value) }))
}

function toMap<T>(list: unknown, read: (value: unknown) => T): ReadonlyMap<number, T> {
  // The schema's maps are arrays of pairs with an int key.
  const entries = toList(list) as readonly { readonly key: number; readonly value: unknown }[]
  return new Map(entries.map((entry) => [entry.key, read(entry.value)]))
}

function toList(list: unknown): readonly unknown[] {
  return Array.isArray(list) ? list : []
}

function longOrNull(value: number | null): bigint | null {
  return value === null ? null : BigInt(value)
}

function numberOrNull(value: unknown, path: string): number | null {
  return value === null || value === undefined ? null : safeNumber(value, path)
}
