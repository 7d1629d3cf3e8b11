import { TRADES } from '#core'
import { formatJson, type Json, type JsonObject, parseJson } from '../../src/storage/iceberg/json.js'
import {
  addSnapshot,
  currentSchema,
  newTableMetadata,
  type TableMetadata,
} from '../../src/storage/iceberg/metadata.js'
import { schemaJson } from '../../src/storage/iceberg/schema.js'
import { applyUpdates, parseUpdates } from '../../src/storage/iceberg/updates.js'

export const NOW = 1_700_000_000_000
export const LOCATION = 'file:///w/trades'

/** The table of trades, without a snapshot. */
export const EMPTY_TRADES = newTableMetadata(TRADES, {
  location: LOCATION,
  uuid: '0b9b4a3a-6d0f-4f6e-8a1e-3f1d4c5b6a70',
  nowMs: NOW,
  partitionCount: 1,
})

/** With so many snapshots more on main, numbered on and a second apart. */
export function withAppends(table: TableMetadata, count: number, summary = {}): TableMetadata {
  let grown = table
  for (let more = 0; more < count; more++) {
    const number = grown.lastSequenceNumber + 1
    grown = addSnapshot(grown, {
      snapshotId: BigInt(number),
      nowMs: NOW + number * 1000,
      manifestList: `${LOCATION}/metadata/snap-${number}.avro`,
      operation: 'append',
      added: [],
      removed: [],
      summary,
      properties: {},
    })
  }
  return grown
}

/** What a foreign writer sends to add a snapshot on top of main, and to make it current. */
export function foreignAppend(
  table: TableMetadata,
  snapshotId: bigint,
  timestampMs: number,
): readonly [Json, Json] {
  return [
    {
      action: 'add-snapshot',
      snapshot: {
        'snapshot-id': snapshotId,
        ...(table.currentSnapshotId === null ? {} : { 'parent-snapshot-id': table.currentSnapshotId }),
        'sequence-number': table.lastSequenceNumber + 1,
        'timestamp-ms': timestampMs,
        'manifest-list': `${LOCATION}/metadata/snap-${snapshotId}.avro`,
        'schema-id': table.currentSchemaId,
        summary: { operation: 'append' },
      },
    },
    setMain(snapshotId),
  ]
}

/** The table after the updates of a request, which come as text. */
export function updated(table: TableMetadata, nowMs: number, ...updates: readonly Json[]): TableMetadata {
  return applyUpdates(table, parseUpdates(parseJson(formatJson(updates), 'request'), 'request'), nowMs)
}

/** The current schema as a request has it, with columns more. */
export function schemaWith(table: TableMetadata, ...more: readonly Json[]): JsonObject {
  const json = schemaJson(currentSchema(table))
  // The schema was written a line above, with its fields in a list.
  return { ...json, 'schema-id': 77, fields: [...(json.fields as Json[]), ...more] }
}

/** A column as a request has it. */
export function optional(id: number, name: string, type: Json, rest: JsonObject = {}): JsonObject {
  return { id, name, required: false, type, ...rest }
}

/** The update that makes a snapshot current. */
export function setMain(snapshotId: bigint): JsonObject {
  return { action: 'set-snapshot-ref', 'ref-name': 'main', type: 'branch', 'snapshot-id': snapshotId }
}

/** The update that makes the schema current that was added last. */
export const LAST_SCHEMA: JsonObject = { action: 'set-current-schema', 'schema-id': -1 }
