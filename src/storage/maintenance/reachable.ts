import type { CommitContext } from '../commit.js'
import type { ManifestFile } from '../iceberg/manifest-list.js'
import type { Snapshot } from '../iceberg/snapshot.js'
import { inParallel } from '../in-parallel.js'
import { LEDGER_KEY } from '../ledger-file.js'

/** What snapshots are made of, by location. */
export interface Reachable {
  readonly lists: ReadonlySet<string>
  readonly manifests: ReadonlyMap<string, ManifestFile>
  readonly ledgers: ReadonlySet<string>
}

/** The manifest lists, manifests and ledgers of some snapshots of a table. */
export async function reachableFrom(
  { manifests }: CommitContext,
  snapshots: readonly Snapshot[],
): Promise<Reachable> {
  const lists = new Set(snapshots.map(({ manifestList }) => manifestList))
  const all = await inParallel([...lists], (path) => manifests.list(path))
  return {
    lists,
    manifests: new Map(all.flat().map((manifest) => [manifest.path, manifest])),
    ledgers: new Set(snapshots.flatMap(({ summary }) => summary[LEDGER_KEY] ?? [])),
  }
}

/** The files that manifests list. `deleted`: those too that have left the table by them. */
export async function filesIn(
  { manifests }: CommitContext,
  list: Iterable<ManifestFile>,
  { deleted }: { readonly deleted: boolean },
): Promise<ReadonlySet<string>> {
  const paths = await inParallel([...list], async ({ path }) => {
    const { entries } = await manifests.read(path)
    return entries.flatMap(({ status, file }) => (deleted || status !== 'deleted' ? file.path : []))
  })
  return new Set(paths.flat())
}
