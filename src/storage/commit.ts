import { createHash } from 'node:crypto'
import {
  type Clock,
  covers,
  formatVector,
  type Logger,
  type OffsetVector,
  parseVector,
  type Random,
  sameVector,
  TicklakeError,
  widened,
} from '#core'
import type { Catalog, LoadedTable } from './catalog/catalog.js'
import { type DataFile, encodeManifest } from './iceberg/manifest.js'
import {
  decodeManifestList,
  encodeManifestList,
  type ManifestFile,
  summarisePartitions,
} from './iceberg/manifest-list.js'
import {
  ancestry,
  appendSnapshot,
  currentSchema,
  currentSnapshot,
  nextSequenceNumber,
  type TableMetadata,
} from './iceberg/metadata.js'
import { COMMIT_ID_KEY, FENCE_KEY, OFFSETS_KEY, type Summary } from './iceberg/snapshot.js'
import type { ObjectStore } from './objects/object-store.js'

export interface CommitContext {
  readonly objects: ObjectStore
  readonly catalog: Catalog
  readonly clock: Clock
  readonly random: Random
  /** Number of this ownership of the warehouse: higher than that of every earlier owner. */
  readonly fence: number
  readonly logger: Logger
}

/** The rows of the log from one position vector to the next, as files that are durable already. */
export interface CommitRequest {
  /** None when the batch held no rows: the vector moves all the same. */
  readonly files: readonly DataFile[]
  /** Id of the partition spec that they are written by, which is the default one when it is not given. */
  readonly specId?: number
  readonly from: OffsetVector
  readonly to: OffsetVector
  /** More ticklake.* keys for the snapshot's summary. */
  readonly summary: Summary
}

/** Already applied: the table had passed `to` before; the request's files are not in it and may be forgotten. */
export interface CommitOutcome {
  readonly status: 'committed' | 'already-applied'
  readonly table: LoadedTable
}

/** Each lost race means that another writer has won one; so many in a row mean that something is broken. */
const MAX_LOST_RACES = 100
/** So often a commit is tried again whose outcome was unknown and turned out to be a failure. */
const MAX_FAILURES = 3

/**
 * Appends log rows to a table exactly once. The table's vector must equal `from`; it becomes `to` in the same
 * atomic step. Safe to call again with the same request after any error. Nothing is ever deleted: a file of a
 * failed attempt may be part of a commit that went through unseen.
 *
 * `conflict`: the table's vector lies between `from` and `to`, or before `from`: read the log from there again.
 * `locked`: a later owner of the warehouse has committed: stop. `unavailable`: the commit failed; try again later.
 */
export async function commitAppend(
  context: CommitContext,
  table: string,
  request: CommitRequest,
): Promise<CommitOutcome> {
  const { catalog, random, clock, logger } = context
  const snapshotId = BigInt(random.id())
  let manifest: ManifestFile | null = null
  let lostRaces = 0
  const failures: unknown[] = []
  for (;;) {
    const base = await catalog.load(table)
    const { metadata } = base
    const commitId = commitIdOf(metadata, request)
    checkFence(context, metadata)
    if (isApplied(metadata, request)) {
      const isOurs = failures.length > 0 && hasCommit(metadata, commitId)
      return { status: isOurs ? 'committed' : 'already-applied', table: base }
    }
    checkPosition(metadata, request)
    if (failures.length > MAX_FAILURES) {
      const cause = failures.at(-1)
      throw new TicklakeError('unavailable', `cannot commit to ${table}: ${String(cause)}`, { cause })
    }
    if (request.files.length > 0)
      manifest ??= await writeManifest(context, metadata, request, commitId, snapshotId)
    const next = appendSnapshot(metadata, {
      snapshotId: checkNewId(metadata, snapshotId),
      nowMs: clock.nowMs(),
      manifestList: await writeManifestList(
        context,
        metadata,
        snapshotId,
        manifest,
        lostRaces + failures.length,
      ),
      files: request.files,
      summary: {
        ...request.summary,
        [OFFSETS_KEY]: formatVector(request.to),
        [COMMIT_ID_KEY]: commitId,
        [FENCE_KEY]: String(context.fence),
      },
      properties: { [OFFSETS_KEY]: formatVector(request.to) },
    })
    try {
      return { status: 'committed', table: await catalog.commit(table, base, next) }
    } catch (cause) {
      if (cause instanceof TicklakeError && cause.code === 'conflict') {
        lostRaces += 1
        if (lostRaces > MAX_LOST_RACES) throw cause
        logger.debug('a commit lost a race and is rebased', { table, lost_races: lostRaces })
      } else {
        // The outcome is unknown: the next round reads back whether it went through.
        failures.push(cause)
        logger.warn('the outcome of a commit is unknown; reading back', {
          table,
          commit_id: commitId,
          error: String(cause),
        })
      }
    }
  }
}

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

function isApplied(metadata: TableMetadata, { to }: CommitRequest): boolean {
  const committed = currentOffsets(metadata)
  if (committed.length > to.length) {
    const message = `${metadata.location} counts ${committed.length} partitions, the log ${to.length}`
    throw new TicklakeError('conflict', `${message}: it was filled from another topic`)
  }
  return covers(committed, to)
}

function checkPosition(metadata: TableMetadata, { from, to }: CommitRequest): void {
  const committed = widened(currentOffsets(metadata), from.length)
  if (sameVector(committed, from)) return
  throw new TicklakeError(
    'conflict',
    `${metadata.location} is at ${formatVector(committed)}; rows from ${formatVector(from)} to ${formatVector(to)} ` +
      'do not follow. Discard them and read the log from the position of the table',
  )
}

function checkFence({ fence }: CommitContext, metadata: TableMetadata): void {
  const newest = Number(currentSnapshot(metadata)?.summary[FENCE_KEY] ?? 0)
  if (newest <= fence) return
  const message = `${metadata.location} was committed to by owner ${newest} of the warehouse, and this is owner ${fence}`
  throw new TicklakeError('locked', `${message}: another process has taken over; end this one`)
}

function checkNewId(metadata: TableMetadata, snapshotId: bigint): bigint {
  const isTaken = metadata.snapshots.some((snapshot) => snapshot.snapshotId === snapshotId)
  if (isTaken) throw new TicklakeError('unavailable', `snapshot id ${snapshotId} is taken: try again`)
  return snapshotId
}

/** The manifest of the request's files: written once, whatever races are lost afterwards. */
async function writeManifest(
  { objects, random }: CommitContext,
  metadata: TableMetadata,
  { files, specId }: CommitRequest,
  commitId: string,
  snapshotId: bigint,
): Promise<ManifestFile> {
  const schema = currentSchema(metadata)
  const wanted = specId ?? metadata.defaultSpecId
  const spec = metadata.partitionSpecs.find((candidate) => candidate.specId === wanted)
  if (!spec)
    throw new TicklakeError('conflict', `${metadata.location} has no partition spec ${wanted} (any more)`)
  const entries = files.map((file) => ({
    status: 'added' as const,
    snapshotId,
    // Inherited from the list, so that a rebase need not write this file again.
    sequenceNumber: null,
    fileSequenceNumber: null,
    file,
  }))
  const bytes = encodeManifest(schema, spec, entries)
  const path = `${metadata.location}/metadata/${commitId}-${random.id().toString(16)}-m0.avro`
  await objects.create(path, bytes)
  return {
    path,
    lengthBytes: bytes.length,
    partitionSpecId: spec.specId,
    content: 'data',
    // Both are set when a list takes it in.
    sequenceNumber: 0,
    minSequenceNumber: 0,
    addedSnapshotId: snapshotId,
    addedFiles: files.length,
    existingFiles: 0,
    deletedFiles: 0,
    addedRows: files.reduce((sum, file) => sum + file.recordCount, 0),
    existingRows: 0,
    deletedRows: 0,
    partitions: summarisePartitions(schema, spec, files),
    keyMetadata: null,
  }
}

/** The new snapshot's list: our manifest, then those of the parent that still hold live files. */
async function writeManifestList(
  { objects, random }: CommitContext,
  metadata: TableMetadata,
  snapshotId: bigint,
  manifest: ManifestFile | null,
  attempt: number,
): Promise<string> {
  const sequenceNumber = nextSequenceNumber(metadata)
  const parent = currentSnapshot(metadata)
  const parents = parent
    ? decodeManifestList(await objects.read(parent.manifestList), parent.manifestList)
    : []
  const live = parents.filter(({ addedFiles, existingFiles }) => addedFiles + existingFiles > 0)
  const ours = manifest === null ? [] : [{ ...manifest, sequenceNumber, minSequenceNumber: sequenceNumber }]
  const owner = { snapshotId, parentSnapshotId: metadata.currentSnapshotId, sequenceNumber }
  const path = `${metadata.location}/metadata/snap-${snapshotId}-${attempt}-${random.id().toString(16)}.avro`
  await objects.create(path, encodeManifestList(owner, [...ours, ...live]))
  return path
}

function hasCommit(metadata: TableMetadata, commitId: string): boolean {
  for (const snapshot of ancestry(metadata, metadata.currentSnapshotId)) {
    if (snapshot.summary[COMMIT_ID_KEY] === commitId) return true
  }
  return false
}

function commitIdOf({ tableUuid }: TableMetadata, { from, to }: CommitRequest): string {
  const text = `${tableUuid} ${formatVector(from)} ${formatVector(to)}`
  return createHash('sha256').update(text).digest('hex').slice(0, 32)
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
