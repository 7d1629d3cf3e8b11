import { invalid, TicklakeError } from '#core'
import type { LoadedTable } from '../catalog/catalog.js'
import { Fields } from '../iceberg/json.js'
import type { TableHead } from '../table-head.js'
import { filesIn, reachableFrom } from './reachable.js'
import type { TaskRun } from './task.js'

export interface OrphanOptions {
  /** Younger files may be of a commit in flight. At least an hour. */
  readonly olderThanMs: number
  /** Only tell which there are. */
  readonly dryRun: boolean
}

export interface OrphanReport {
  readonly files: readonly string[]
  readonly bytes: number
  /** Whether they are gone now. */
  readonly removed: boolean
}

const LEAST_AGE_MS = 3_600_000
const VERSION_HINT = 'version-hint.text'

/**
 * Finds what lies in a table's folder and belongs to no snapshot: left by a crash, by a lost race, by an expiry that was
 * interrupted. Files of all snapshots are kept, those that have left the table by one too, those of snapshots that
 * have expired and are still being read, and all metadata files of the log. Never looks outside of the table's folder.
 *
 * `conflict` when the listing lacks the metadata that the table had before: it can't be trusted then, and nothing is
 * removed.
 */
export async function removeOrphans(
  head: TableHead,
  { olderThanMs, dryRun }: OrphanOptions,
  { signal, progress }: TaskRun,
): Promise<OrphanReport> {
  const { context, name } = head
  if (olderThanMs < LEAST_AGE_MS)
    throw invalid('older_than_ms', olderThanMs, `${LEAST_AGE_MS} (an hour) or more`)
  const before = context.clock.nowMs() - olderThanMs
  // The listing need not have what is committed while it is made.
  const { metadataLocation } = await context.catalog.load(name)
  const listed = await context.objects.list(head.metadata.location)
  // A flush may be unable to commit for long, and compactions take their time. Asked for before the table is read: who
  // lets go of a file has committed it by then, or never will.
  const candidates = listed.filter(
    ({ location, modifiedMs }) => modifiedMs < before && !head.isClaimed(location),
  )
  // Read after the listing: what was committed meanwhile is known, whatever the listing saw of it.
  const table = await context.catalog.load(name)
  if (!listed.some(({ location }) => location === metadataLocation)) {
    const message = `the listing of ${table.metadata.location} lacks ${metadataLocation}`
    throw new TicklakeError('conflict', `${message}: it cannot be trusted, and nothing is removed. Try again`)
  }
  const needed = await neededFiles(head, table)
  const orphans = candidates.filter(({ location }) => !needed.has(location) && isOfTable(location, table))
  if (!dryRun) {
    for (const [index, { location }] of orphans.entries()) {
      signal.throwIfAborted()
      await context.objects.remove(location)
      progress(index + 1, orphans.length)
    }
  }
  return {
    files: orphans.map(({ location }) => location),
    bytes: orphans.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0),
    removed: !dryRun,
  }
}

async function neededFiles(
  { context, metadata: seen, lingering }: TableHead,
  { metadata, metadataLocation }: LoadedTable,
): Promise<ReadonlySet<string>> {
  // What readers see may be older than what is committed, for as long as a commit takes.
  const snapshots = [...metadata.snapshots, ...seen.snapshots, ...lingering]
  const { lists, manifests, ledgers } = await reachableFrom(context, snapshots)
  const files = await filesIn(context, manifests.values(), { deleted: true })
  const statistics = [...metadata.statistics, ...metadata.partitionStatistics].map((file) =>
    new Fields(file, 'statistics').string('statistics-path'),
  )
  return new Set([
    ...lists,
    ...manifests.keys(),
    ...ledgers,
    ...files,
    ...statistics,
    ...metadata.metadataLog.map(({ metadataFile }) => metadataFile),
    metadataLocation,
    `${metadata.location}/metadata/${VERSION_HINT}`,
  ])
}

/** Whether it lies where tables keep their files. */
function isOfTable(location: string, { metadata }: LoadedTable): boolean {
  return ['data', 'metadata'].some((folder) => location.startsWith(`${metadata.location}/${folder}/`))
}
