import { open } from 'lmdb'
import type { KillMoment } from './armed-kill.js'
import {
  type CrashedFile,
  currentMetadata,
  hintedVersion,
  isWholeParquet,
  tableFiles,
} from './crashed-folder.js'
import type { SeededRandom } from './seeded-random.js'

/** Where a kill strikes, in the order in which a row passes. */
export const KILL_STAGES = [
  'load',
  'produce',
  'consume',
  'parquet',
  'flush',
  'manifest',
  'manifest list',
  'metadata',
  'hint',
  'broker commit',
] as const

export type KillStage = (typeof KILL_STAGES)[number]

/** A moment in a stage. */
export interface KillAim extends KillMoment {
  readonly stage: KillStage
}

const TEMPORARY = String.raw`\.\d+-\d+\.tmp$`
const TRADES = 'warehouse/market_data/trades'

/** The change with which a stage begins, and how long it may last, in ms. */
const BEGINNINGS: Readonly<
  Record<KillStage, readonly [change: RegExp, occurrences: number, lastsMs: number]>
> = {
  load: [/^ticklake-temp\//, 1, 150],
  produce: [/^log\/data\.mdb$/, 12, 5],
  consume: [/^log\/data\.mdb$/, 1, 40],
  parquet: [new RegExp(`^${TRADES}/data/.*\\.parquet$`), 6, 10],
  flush: [new RegExp(`^${TRADES}/metadata/ledger-.*${TEMPORARY}`), 3, 2],
  manifest: [new RegExp(`^${TRADES}/metadata/.*-m0\\.avro${TEMPORARY}`), 3, 2],
  'manifest list': [new RegExp(`^${TRADES}/metadata/snap-.*${TEMPORARY}`), 3, 2],
  metadata: [new RegExp(`^${TRADES}/metadata/v\\d+\\.metadata\\.json${TEMPORARY}`), 3, 2],
  hint: [new RegExp(`^${TRADES}/metadata/version-hint\\.text${TEMPORARY}`), 3, 1],
  'broker commit': [new RegExp(`^${TRADES}/metadata/version-hint\\.text$`), 3, 3],
}

/**
 * A seeded moment in a stage. A kill takes about a millisecond to arrive, so half of them start out one stage earlier.
 * The more aims have met nothing in a row, the earlier is the moment.
 */
export function aimAt(stage: KillStage, misses: number, random: SeededRandom): KillAim {
  const [, , lastsMs] = BEGINNINGS[stage]
  const isShort = lastsMs <= 2
  const from = isShort && random.oneIn(2) ? KILL_STAGES[KILL_STAGES.indexOf(stage) - 1]! : stage
  const [change, occurrences] = BEGINNINGS[from]
  const delayMs = isShort && from === stage ? 0 : random.below(lastsMs + 1)
  return { stage, change, occurrence: 1 + random.below(Math.max(1, occurrences >> misses)), delayMs }
}

/** What the process had last said of its load when it was killed. */
export interface LastWords {
  readonly isReady: boolean
  /** Rows read by the load so far; null before the first of them are in the log, or when no load was asked for. */
  readonly rowsRead: number | null
  readonly isAllRead: boolean
}

/**
 * The stage that a kill really struck, by what lies in the data folder: files that belong to no snapshot yet tell how far
 * a flush had come. Where nothing of a flush lies about, by what the process had last said.
 *
 * @param before the files that were there when the process began.
 */
export function struckStage(
  data: string,
  before: readonly CrashedFile[],
  words: LastWords,
  hasEmbeddedLog: boolean,
): KillStage {
  const after = tableFiles(data)
  const known = new Set(before.map((file) => file.path))
  const current = currentMetadata(data)
  const isNew = current !== null && !known.has(current.path)
  const made = after.filter(({ path }) => !known.has(path))
  const open = made.filter(({ modifiedMs }) => current === null || modifiedMs > current.modifiedMs)
  const lies = (pattern: RegExp, among = open) => among.some(({ path }) => pattern.test(path))

  if (lies(/version-hint\.text\..*tmp$/, made)) return 'hint'
  if (lies(/\.metadata\.json\..*tmp$/, made)) return 'metadata'
  if (isNew && hintedVersion(data) !== current.version) return 'hint'
  if (lies(/\/snap-/)) return 'manifest list'
  if (lies(/-m0\.avro/)) return 'manifest'
  if (lies(/\/ledger-/)) return 'flush'
  const parquet = open.filter(({ path }) => /\.parquet$/.test(path))
  if (parquet.some(({ path }) => !isWholeParquet(path))) return 'parquet'
  if (parquet.length > 0) return 'flush'
  if (isNew && (!hasEmbeddedLog || holdsDroppable(data, current.offsets))) return 'broker commit'
  if (!words.isReady || words.isAllRead) return 'consume'
  return words.rowsRead === null ? 'load' : 'produce'
}

/** Whether the log still holds a batch that its table has committed: with no retention, the next act would drop it. */
function holdsDroppable(data: string, committed: readonly number[]): boolean {
  const environment = open({ path: `${data}/log`, noSubdir: false, readOnly: true })
  const batches = environment.openDB<Uint8Array, Buffer>({
    name: 'batches',
    keyEncoding: 'binary',
    encoding: 'binary',
  })
  const topic = 'market-data.trades'
  const bases = committed.map((): number[] => [])
  for (const { key } of batches.getRange({ snapshot: false })) {
    if (key.length !== topic.length + 13 || key.toString('latin1', 0, topic.length) !== topic) continue
    bases[key.readUInt32BE(topic.length + 1)]?.push(Number(key.readBigUInt64BE(topic.length + 5)))
  }
  void environment.close()
  return bases.some(([, second], partition) => second !== undefined && second <= committed[partition]!)
}
