import { type OffsetVector, parseVector, sameVector, TicklakeError } from '#core'
import { currentSnapshot, type TableMetadata } from './iceberg/metadata.js'
import { OFFSETS_KEY, type Snapshot } from './iceberg/snapshot.js'

/**
 * The position vector that a table has committed. The current snapshot and the table's property must agree:
 * `conflict` when they do not, since then main was rolled back, or another engine committed past the catalog.
 */
export function currentOffsets(metadata: TableMetadata): OffsetVector {
  const { location, properties, snapshots } = metadata
  const property = properties[OFFSETS_KEY]
  if (property === undefined) {
    throw new TicklakeError(
      'corrupt',
      `${location} has no property ${OFFSETS_KEY}: it is not filled from a log`,
    )
  }
  const current = currentSnapshot(metadata)
  if (current === null && snapshots.length === 0) return readVector(property, location)
  const carried = current?.summary[OFFSETS_KEY]
  const committed = readVector(property, location)
  if (carried !== undefined && sameVector(readVector(carried, location), committed)) return committed
  const newest = snapshots.findLast((snapshot) => snapshot.summary[OFFSETS_KEY] === property)
  const forward = newest
    ? `set main to snapshot ${newest.snapshotId}`
    : 'set main to a snapshot that carries it'
  throw new TicklakeError(
    'conflict',
    `${location}: the log was committed up to ${property}, but the current snapshot ` +
      `${current?.snapshotId ?? 'is none and'} carries ${carried ?? 'no position'}: a rollback has happened. ` +
      `To undo it, ${forward}. To accept it, set the property ${OFFSETS_KEY} to what the snapshot carries: ` +
      'the rows since are then read from the log again',
  )
}

/** The position that a snapshot carries; an empty one when it is of a table that no log filled yet. */
export function offsetsOf({ snapshotId, summary }: Snapshot): OffsetVector {
  const carried = summary[OFFSETS_KEY]
  return carried === undefined ? [] : readVector(carried, `snapshot ${snapshotId}`)
}

function readVector(text: string, location: string): OffsetVector {
  try {
    return parseVector(text)
  } catch (cause) {
    throw new TicklakeError('corrupt', `${location}: ${OFFSETS_KEY} is ${text}, which is no position`, {
      cause,
    })
  }
}
