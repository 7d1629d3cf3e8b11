import { asRequest, type Fields, NO_FIELDS } from './json.js'
import { currentSchema, defaultOrder, defaultSpec, type TableMetadata } from './metadata.js'
import { checkMetadata } from './metadata-file.js'
import { checkOrder } from './order-rules.js'
import { FIRST_PARTITION_FIELD_ID, UNSORTED } from './partition.js'
import { checkSpec } from './spec-rules.js'
import { columnsOf } from './types.js'

/** A table while updates are applied to it, one after the other. Immutable; each update makes a new one. */
export interface Draft {
  /** The table as it was; null while it is being created. */
  readonly base: TableMetadata | null
  readonly table: TableMetadata
  /** When the change happens: never before the table's last one, whatever the clock does. */
  readonly nowMs: number
  /** What −1 stands for in the updates that follow. */
  readonly lastAdded: LastAdded
  /** Snapshots that were added by this change. */
  readonly added: ReadonlySet<bigint>
}

export interface LastAdded {
  readonly schema?: number
  readonly spec?: number
  readonly order?: number
}

/** One change of a table. `invalid_input` when the table does not allow it, `conflict` when it comes too late. */
export type Update = (draft: Draft) => Draft

/** Makes the update of a request, by the request's name for it. */
export type UpdateParsers = Readonly<Record<string, (from: Fields, path: string) => Update>>

/** In updates, the id that stands for what was added last. */
export const LAST_ADDED = -1

export function draftOf(base: TableMetadata, nowMs: number): Draft {
  return { base, table: base, nowMs: Math.max(nowMs, base.lastUpdatedMs), lastAdded: {}, added: new Set() }
}

/** A table of which updates say all but these. */
export interface EmptyTable {
  readonly uuid: string
  /** Where it lies unless an update says where. */
  readonly location: string
  readonly nowMs: number
}

export function emptyDraft({ uuid, location, nowMs }: EmptyTable): Draft {
  const table: TableMetadata = {
    formatVersion: 2,
    tableUuid: uuid,
    location,
    lastSequenceNumber: 0,
    lastUpdatedMs: nowMs,
    lastColumnId: 0,
    currentSchemaId: 0,
    schemas: [],
    defaultSpecId: 0,
    partitionSpecs: [],
    lastPartitionId: FIRST_PARTITION_FIELD_ID - 1,
    defaultSortOrderId: UNSORTED.orderId,
    sortOrders: [UNSORTED],
    properties: {},
    currentSnapshotId: null,
    refs: {},
    snapshots: [],
    snapshotLog: [],
    metadataLog: [],
    statistics: [],
    partitionStatistics: [],
    extra: NO_FIELDS,
  }
  return { base: null, table, nowMs, lastAdded: {}, added: new Set() }
}

/** The draft with some of its table's keys changed. */
export function changed(draft: Draft, change: Partial<TableMetadata>): Draft {
  return { ...draft, table: { ...draft.table, ...change } }
}

/**
 * The table that the updates have led to; the base itself when they changed nothing. `invalid_input` when the table
 * as a whole is not right, however right each update was.
 */
export function finished({ base, table, nowMs, added }: Draft): TableMetadata {
  if (table === base) return base
  const wasPassedOver = (id: bigint) => added.has(id) && id !== table.currentSnapshotId
  const next: TableMetadata = {
    ...table,
    // Snapshots of one change that were current for no time at all are no history.
    snapshotLog: table.snapshotLog.filter(({ snapshotId }) => !wasPassedOver(snapshotId)),
    lastUpdatedMs: Math.max(table.lastUpdatedMs, nowMs),
  }
  return asRequest(() => {
    checkMetadata(next, next.location)
    const isLaidOutAnew =
      next.currentSchemaId !== base?.currentSchemaId ||
      next.defaultSpecId !== base.defaultSpecId ||
      next.defaultSortOrderId !== base.defaultSortOrderId
    // A foreign table may be laid out in ways that we would refuse to make; its other sides may change all the same.
    if (isLaidOutAnew) {
      const columns = columnsOf(currentSchema(next), 'schema')
      checkSpec(defaultSpec(next).fields, columns)
      checkOrder(defaultOrder(next).fields, columns)
    }
    return next
  })
}
