import type { KillMoment } from './armed-kill.js'
import { hintedVersion } from './crashed-folder.js'
import type { SeededRandom } from './seeded-random.js'
import { leftBehind, readMetadata, type TableFolder } from './table-folder.js'

export const KILLED_JOBS = ['compact', 'rewrite-manifests', 'expire-snapshots', 'remove-orphans'] as const
export type KilledJob = (typeof KILLED_JOBS)[number]

/** How far a job has come when a kill strikes; beside it, a commit of the ingest, which goes on meanwhile. */
export const MAINTENANCE_STAGES = [
  'read',
  'parquet',
  'manifest',
  'manifest list',
  'metadata',
  'hint',
  'delete',
  'ingest',
] as const
export type MaintenanceStage = (typeof MAINTENANCE_STAGES)[number]

/** A moment in a stage of a job. */
export interface MaintenanceAim {
  readonly job: KilledJob
  readonly stage: MaintenanceStage
  readonly moment: KillMoment
}

type Beginning = readonly [change: RegExp | 'removal' | null, occurrences: number, lastsMs: number]

const TEMPORARY = String.raw`\.\d+-\d+\.tmp$`
const METADATA = new RegExp(String.raw`/metadata/v\d+\.metadata\.json${TEMPORARY}`)
const LIST = /\/metadata\/snap-[^/]*\.avro$/
const HINT = new RegExp(String.raw`/metadata/version-hint\.text${TEMPORARY}`)
const OWN_MANIFEST = /\/metadata\/(rewrite|manifests)-[^/]*-m0\.avro/
/** A file that no commit has made; planted, so that there is always something to remove. */
export const LOST = /\/lost-\d+\./

const COMMIT: Partial<Record<MaintenanceStage, Beginning>> = {
  'manifest list': [OWN_MANIFEST, 3, 4],
  metadata: [METADATA, 3, 1],
  hint: [HINT, 3, 1],
}

/** The change with which a stage begins, how often it comes, and how long the stage may last, in ms. */
const BEGINNINGS: Readonly<Record<KilledJob, Partial<Record<MaintenanceStage, Beginning>>>> = {
  compact: {
    read: [null, 1, 60],
    parquet: [/\/data\/.*\.parquet$/, 6, 10],
    manifest: [/\/data\/.*\.parquet$/, 4, 30],
    ...COMMIT,
  },
  'rewrite-manifests': { read: [null, 1, 8], manifest: [OWN_MANIFEST, 1, 1], ...COMMIT },
  'expire-snapshots': {
    read: [null, 1, 8],
    metadata: [METADATA, 1, 1],
    hint: [HINT, 1, 1],
    delete: ['removal', 60, 2],
  },
  'remove-orphans': { read: [null, 1, 25], delete: ['removal', 30, 2] },
}

/** All pairs of a job and a stage that can be aimed at. */
export const MAINTENANCE_AIMS: readonly (readonly [KilledJob, MaintenanceStage])[] = KILLED_JOBS.flatMap(
  (job) =>
    MAINTENANCE_STAGES.filter((stage) => stage in BEGINNINGS[job]).map((stage) => [job, stage] as const),
)

/**
 * A seeded moment in a stage. The more aims have met nothing in a row, the earlier it is.
 *
 * @param there names of files below the data folder: a change of one of them is its removal.
 */
export function aimAtJob(
  job: KilledJob,
  stage: MaintenanceStage,
  { table, misses, there, random }: AimOptions,
): MaintenanceAim {
  const [change, occurrences, lastsMs] = BEGINNINGS[job][stage]!
  const isSought = (name: string) =>
    change === 'removal' ? there.has(name) && !name.endsWith('version-hint.text') : change!.test(name)
  // What comes after a manifest is told from that of a commit of the ingest by the manifest before it.
  let isBegun = !('manifest' in BEGINNINGS[job]) || ['parquet', 'manifest'].includes(stage)
  const test = (name: string) => {
    if (!name.includes(`/${table}/`)) return false
    isBegun ||= OWN_MANIFEST.test(name)
    return isBegun && isSought(name)
  }
  const moment = {
    change: change === null ? null : { test },
    occurrence: 1 + random.below(Math.max(1, occurrences >> misses)),
    delayMs: random.below(Math.max(1, (lastsMs + 1) >> misses)),
  }
  return { job, stage, moment }
}

export interface AimOptions {
  readonly table: string
  readonly misses: number
  readonly there: ReadonlySet<string>
  readonly random: SeededRandom
}

/**
 * The stage that a kill really struck, by what lies in the table's folder. A correction commits as a compaction does.
 *
 * @param before the folder when the job was asked for.
 */
export function struckJobStage(
  data: string,
  table: string,
  job: KilledJob,
  before: TableFolder,
  now: TableFolder,
): MaintenanceStage {
  const known = new Set(before.files)
  const lying = leftBehind(now)
  const open = lying.filter((path) => !known.has(path))
  const lies = (pattern: RegExp) => open.some((path) => pattern.test(path))
  const newest = Math.max(
    ...now.files.map((path) => Number(/\/v(\d+)\.metadata\.json$/.exec(path)?.[1] ?? 0)),
  )
  const isOwn =
    job === 'expire-snapshots' ? !lies(/-m0\.avro/) : lies(OWN_MANIFEST) && job !== 'remove-orphans'
  const isHintOpen = lies(HINT) || hintedVersion(data, table) !== newest
  if (isHintOpen && isCommitOf(job, data, table, newest)) return 'hint'
  // A removal is what it is, whatever else goes on beside it.
  const there = new Set(now.files)
  if (job === 'expire-snapshots' && lying.some((path) => before.needed.has(path))) return 'delete'
  if (job === 'remove-orphans' && before.files.some((path) => LOST.test(path) && !there.has(path)))
    return 'delete'
  if (isHintOpen) return 'ingest'
  if (lies(METADATA)) return isOwn ? 'metadata' : 'ingest'
  if (lies(LIST)) return isOwn ? 'manifest list' : 'ingest'
  if (lies(/-m0\.avro/)) return isOwn ? 'manifest' : 'ingest'
  if (open.length === 0) return 'read'
  return job === 'compact' && lies(/\.parquet$/) ? 'parquet' : 'ingest'
}

/** Whether the newest version is such a job's: a replacement, or for an expiry, the snapshot of the version before. */
function isCommitOf(job: KilledJob, data: string, table: string, version: number): boolean {
  if (job === 'remove-orphans') return false
  const metadata = readMetadata(data, table, version)
  const id = metadata['current-snapshot-id']
  if (job === 'expire-snapshots') return readMetadata(data, table, version - 1)['current-snapshot-id'] === id
  const current = metadata.snapshots.find((snapshot) => snapshot['snapshot-id'] === id)
  return current?.summary.operation === 'replace'
}
