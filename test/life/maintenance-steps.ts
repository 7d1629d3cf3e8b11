import { compact } from '../../src/storage/maintenance/compact.js'
import { expireSnapshots } from '../../src/storage/maintenance/expire.js'
import { removeOrphans } from '../../src/storage/maintenance/orphans.js'
import { rewriteManifests } from '../../src/storage/maintenance/rewrite-manifests.js'
import { verify } from '../../src/storage/maintenance/verify.js'
import type { SeededRandom } from '../support/seeded-random.js'
import type { LivedTable } from './lived-table.js'

const RUN = { signal: new AbortController().signal, progress: () => {} }
const HOUR_MS = 3_600_000

export async function compactFiles({ owner }: LivedTable, random: SeededRandom): Promise<void> {
  const targetBytes = random.pick([3_000, 12_000])
  await compact(owner, { targetBytes, minInputs: 2, patient: random.oneIn(2) }, RUN)
}

export async function rewriteAllManifests({ head }: LivedTable): Promise<void> {
  await rewriteManifests(head)
}

export async function expire({ head }: LivedTable, random: SeededRandom): Promise<void> {
  const maxAgeMs = random.pick([0, HOUR_MS, 24 * HOUR_MS])
  await expireSnapshots(head, { maxAgeMs, minToKeep: 1 + random.below(4), maxCount: 12 }, RUN)
}

export async function clearOrphans({ head, clock }: LivedTable, random: SeededRandom): Promise<void> {
  // Files are as old as the disk says, so that what was written until now is old enough to go.
  clock.advance(2 * HOUR_MS)
  await removeOrphans(head, { olderThanMs: HOUR_MS, dryRun: random.oneIn(4) }, RUN)
}

export async function verifyFiles({ owner }: LivedTable): Promise<void> {
  const { problems } = await verify(owner, RUN)
  if (problems.length > 0 && !owner.process.isDead) throw new Error(problems.join('; '))
}
