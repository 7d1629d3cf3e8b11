import { TicklakeError } from '#core'
import { currentSchema, currentSnapshot, snapshotById, type TableMetadata } from './metadata.js'
import type { Schema } from './schema.js'
import type { Snapshot, SnapshotRef } from './snapshot.js'

/** The state of a table that somebody asks for. A ref is a branch or a tag. */
export type AsOf =
  | { readonly kind: 'snapshot'; readonly snapshotId: bigint }
  | { readonly kind: 'time'; readonly timeMs: number }
  | { readonly kind: 'ref'; readonly name: string }

/** The branch or tag of that name, or null. */
export function refNamed({ refs }: TableMetadata, name: string): SnapshotRef | null {
  return Object.hasOwn(refs, name) ? refs[name]! : null
}

/**
 * The snapshot of that state. A time means what was current on main then, rollbacks included. `gone`: it has expired
 * (or, of a snapshot id, never was); `not_found`: there is no such branch or tag, or the table held nothing yet.
 */
export function snapshotAsOf(metadata: TableMetadata, asOf: AsOf): Snapshot {
  switch (asOf.kind) {
    case 'snapshot':
      return snapshotById(metadata, asOf.snapshotId)
    case 'time':
      return snapshotAt(metadata, asOf.timeMs)
    case 'ref': {
      const ref = refNamed(metadata, asOf.name)
      if (ref) return snapshotById(metadata, ref.snapshotId)
      const names = Object.keys(metadata.refs).join(', ') || 'none'
      const message = `${metadata.location} has no branch or tag ${asOf.name}; there are: ${names}`
      throw new TicklakeError('not_found', message)
    }
  }
}

/** What a state is read by (spec: Snapshots): a branch goes on and has the current schema, all else the one of its time. */
export function schemaAsOf(metadata: TableMetadata, asOf: AsOf, { schemaId }: Snapshot): Schema {
  const current = currentSchema(metadata)
  if (asOf.kind === 'ref' && refNamed(metadata, asOf.name)?.type === 'branch') return current
  return metadata.schemas.find((schema) => schema.schemaId === schemaId) ?? current
}

function snapshotAt(metadata: TableMetadata, timeMs: number): Snapshot {
  const { location, snapshotLog, snapshots } = metadata
  const current = currentSnapshot(metadata)
  // A writer that keeps no log leaves the current snapshot as all that is known.
  const log = snapshotLog.length > 0 ? snapshotLog : current ? [current] : []
  const entry = log.findLast(({ timestampMs }) => timestampMs <= timeMs)
  if (entry) return snapshotById(metadata, entry.snapshotId)
  const [first] = log
  const at = new Date(timeMs).toISOString()
  if (!first) throw new TicklakeError('not_found', `${location} held no snapshot at ${at}: it is empty`)
  const since = new Date(first.timestampMs).toISOString()
  const isBeginning =
    snapshots.find(({ snapshotId }) => snapshotId === first.snapshotId)?.parentSnapshotId === null
  throw isBeginning
    ? new TicklakeError('not_found', `${location} held no snapshot yet at ${at}; the first is from ${since}`)
    : new TicklakeError('gone', `what ${location} held at ${at} has expired; what is kept begins at ${since}`)
}
