import { TicklakeError } from '#core'
import { Fields, formatJson, type Json, parseJson } from './json.js'
import { MAIN, type MetadataLogEntry, type SnapshotLogEntry, type TableMetadata } from './metadata.js'
import { parsePartitionSpec, parseSortOrder, partitionSpecJson, sortOrderJson } from './partition.js'
import { parseSchema, schemaJson } from './schema.js'
import { parseSnapshot, parseSnapshotRef, snapshotJson, snapshotRefJson } from './snapshot.js'

/** Clocks of different writers may differ by this much before a log counts as disordered (as in Iceberg's Java). */
export const CLOCK_TOLERANCE_MS = 60_000

/** Reads a metadata.json and checks it. `location` names it in errors; `corrupt` says what is wrong. */
export function parseMetadata(text: string, location: string): TableMetadata {
  const from = new Fields(parseJson(text, location), location)
  const formatVersion = from.integer('format-version')
  if (formatVersion !== 2) {
    const message = `${location}: format version ${formatVersion}; ticklake reads and writes version 2`
    throw new TicklakeError('invalid_input', message, {
      field: 'format-version',
      value: String(formatVersion),
      expected: '2',
    })
  }
  const currentSnapshotId = from.optional('current-snapshot-id', from.long, null)
  const keep = (json: Json) => json
  const metadata: TableMetadata = {
    formatVersion,
    tableUuid: from.string('table-uuid'),
    location: from.string('location').replace(/\/+$/, ''),
    lastSequenceNumber: from.integer('last-sequence-number'),
    lastUpdatedMs: from.integer('last-updated-ms'),
    lastColumnId: from.integer('last-column-id'),
    currentSchemaId: from.integer('current-schema-id'),
    schemas: from.list('schemas', parseSchema),
    defaultSpecId: from.integer('default-spec-id'),
    partitionSpecs: from.list('partition-specs', parsePartitionSpec),
    lastPartitionId: from.integer('last-partition-id'),
    defaultSortOrderId: from.integer('default-sort-order-id'),
    sortOrders: from.list('sort-orders', parseSortOrder),
    properties: from.has('properties') ? from.object('properties').strings() : {},
    currentSnapshotId: currentSnapshotId === -1n ? null : currentSnapshotId,
    refs: from.has('refs') ? parseRefs(from.object('refs'), `${location}.refs`) : {},
    snapshots: from.has('snapshots') ? from.list('snapshots', parseSnapshot) : [],
    snapshotLog: from.has('snapshot-log') ? from.list('snapshot-log', parseSnapshotLogEntry) : [],
    metadataLog: from.has('metadata-log') ? from.list('metadata-log', parseMetadataLogEntry) : [],
    statistics: from.has('statistics') ? from.list('statistics', keep) : [],
    partitionStatistics: from.has('partition-statistics') ? from.list('partition-statistics', keep) : [],
    extra: from.rest(),
  }
  const checked = withMain(metadata)
  checkMetadata(checked, location)
  return checked
}

/** The text of a metadata.json, checked before it is given. */
export function formatMetadata(metadata: TableMetadata): string {
  return metadataBytes(metadata).toString()
}

/** The same as it is stored. */
export function metadataBytes(metadata: TableMetadata): Buffer {
  checkMetadata(metadata, metadata.location)
  const rest = formatJson({
    'format-version': metadata.formatVersion,
    'table-uuid': metadata.tableUuid,
    location: metadata.location,
    'last-sequence-number': metadata.lastSequenceNumber,
    'last-updated-ms': metadata.lastUpdatedMs,
    'last-column-id': metadata.lastColumnId,
    'current-schema-id': metadata.currentSchemaId,
    schemas: metadata.schemas.map(schemaJson),
    'default-spec-id': metadata.defaultSpecId,
    'partition-specs': metadata.partitionSpecs.map(partitionSpecJson),
    'last-partition-id': metadata.lastPartitionId,
    'default-sort-order-id': metadata.defaultSortOrderId,
    'sort-orders': metadata.sortOrders.map(sortOrderJson),
    properties: metadata.properties,
    'current-snapshot-id': metadata.currentSnapshotId ?? -1,
    refs: Object.fromEntries(
      Object.entries(metadata.refs).map(([name, ref]) => [name, snapshotRefJson(ref)]),
    ),
    statistics: metadata.statistics,
    'partition-statistics': metadata.partitionStatistics,
    ...metadata.extra,
  })
  return Buffer.concat([
    Buffer.from(rest.slice(0, -1)),
    ...listBytes('snapshots', metadata.snapshots, snapshotJson),
    ...listBytes('snapshot-log', metadata.snapshotLog, snapshotLogEntryJson),
    ...listBytes('metadata-log', metadata.metadataLog, metadataLogEntryJson),
    CLOSING_BRACE,
  ])
}

const [CLOSING_BRACE, CLOSING_BRACKET] = [Buffer.from('}'), Buffer.from(']')]

/** By the element, with a comma before: it never changes once it is made, and from commit to commit most of the file stays. */
const BYTES = new WeakMap<object, Buffer>()

/** A member behind others whose value is a list. */
function* listBytes<T extends object>(
  name: string,
  elements: readonly T[],
  json: (element: T) => Json,
): Generator<Buffer> {
  yield Buffer.from(`,"${name}":[`)
  for (const [index, element] of elements.entries()) {
    let bytes = BYTES.get(element)
    if (!bytes) {
      bytes = Buffer.from(`,${formatJson(json(element))}`)
      BYTES.set(element, bytes)
    }
    yield index === 0 ? bytes.subarray(1) : bytes
  }
  yield CLOSING_BRACKET
}

/** The invariants that Iceberg's Java library enforces when it reads; one that fails is `corrupt`. */
export function checkMetadata(metadata: TableMetadata, location: string): void {
  const broken = (problem: string) => new TicklakeError('corrupt', `${location}: ${problem}`)
  const check = (holds: boolean, problem: string) => {
    if (!holds) throw broken(problem)
  }
  const { snapshots, snapshotLog, metadataLog, currentSnapshotId } = metadata
  check(metadata.location !== '', 'the location is empty')
  check(
    metadata.schemas.some((schema) => schema.schemaId === metadata.currentSchemaId),
    `no schema has the current id ${metadata.currentSchemaId}`,
  )
  check(
    metadata.partitionSpecs.some((spec) => spec.specId === metadata.defaultSpecId),
    `no partition spec has the default id ${metadata.defaultSpecId}`,
  )
  check(
    metadata.sortOrders.some((order) => order.orderId === metadata.defaultSortOrderId),
    `no sort order has the default id ${metadata.defaultSortOrderId}`,
  )
  const ids = new Set(snapshots.map((snapshot) => snapshot.snapshotId))
  check(ids.size === snapshots.length, 'two snapshots have the same id')
  for (const { snapshotId, sequenceNumber, timestampMs } of snapshots) {
    // There are hundreds of them: a message is written only when it is needed.
    const { lastSequenceNumber, lastUpdatedMs } = metadata
    if (sequenceNumber > lastSequenceNumber) {
      const above = `has sequence number ${sequenceNumber}, above the last, ${lastSequenceNumber}`
      throw broken(`snapshot ${snapshotId} ${above}`)
    }
    if (timestampMs > lastUpdatedMs + CLOCK_TOLERANCE_MS) {
      throw broken(`snapshot ${snapshotId} is from ${timestampMs}, after the last update, ${lastUpdatedMs}`)
    }
  }
  for (const [name, ref] of Object.entries(metadata.refs)) {
    check(ids.has(ref.snapshotId), `the ref ${name} points at snapshot ${ref.snapshotId}, which is absent`)
  }
  check((metadata.refs[MAIN]?.snapshotId ?? null) === currentSnapshotId, 'main is not the current snapshot')
  const lastLogged = snapshotLog.at(-1)
  if (lastLogged && currentSnapshotId !== null) {
    check(
      lastLogged.snapshotId === currentSnapshotId,
      'the snapshot log does not end with the current snapshot',
    )
  }
  for (const [what, log] of [
    ['snapshot', snapshotLog],
    ['metadata', metadataLog],
  ] as const) {
    const times = [...log.map((entry) => entry.timestampMs), metadata.lastUpdatedMs]
    const ascends = times.every((time, i) => i === 0 || time - times[i - 1]! >= -CLOCK_TOLERANCE_MS)
    check(ascends, `the ${what} log is not in the order of time`)
  }
}

/** Before refs were part of the format, the current snapshot alone was main. */
function withMain(metadata: TableMetadata): TableMetadata {
  if (metadata.refs[MAIN] || metadata.currentSnapshotId === null) return metadata
  const main = { snapshotId: metadata.currentSnapshotId, type: 'branch' as const, extra: {} }
  return { ...metadata, refs: { ...metadata.refs, [MAIN]: main } }
}

function parseRefs(from: Fields, path: string): TableMetadata['refs'] {
  return Object.fromEntries(
    from.keys().map((name) => [name, parseSnapshotRef(from.json(name), `${path}.${name}`)]),
  )
}

function snapshotLogEntryJson({ timestampMs, snapshotId }: SnapshotLogEntry): Json {
  return { 'timestamp-ms': timestampMs, 'snapshot-id': snapshotId }
}

function parseSnapshotLogEntry(json: Json, path: string): SnapshotLogEntry {
  const from = new Fields(json, path)
  return { snapshotId: from.long('snapshot-id'), timestampMs: from.integer('timestamp-ms') }
}

function metadataLogEntryJson({ timestampMs, metadataFile }: MetadataLogEntry): Json {
  return { 'timestamp-ms': timestampMs, 'metadata-file': metadataFile }
}

function parseMetadataLogEntry(json: Json, path: string): MetadataLogEntry {
  const from = new Fields(json, path)
  return { metadataFile: from.string('metadata-file'), timestampMs: from.integer('timestamp-ms') }
}
