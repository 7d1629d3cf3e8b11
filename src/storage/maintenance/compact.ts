import { type LayoutColumn, type TableLayout, TicklakeError } from '#core'
import { type FileEngine, sqlString } from '#engine'
import { allOrNothing } from '../all-or-nothing.js'
import { wholeColumns } from '../file-columns.js'
import { overwrittenDays } from '../file-days.js'
import type { DataFile } from '../iceberg/manifest.js'
import { currentSchema, defaultSpec, type TableMetadata } from '../iceberg/metadata.js'
import { parquetRelation } from '../parquet-relation.js'
import { unwrittenField } from '../partitions.js'
import { predicatesOf } from '../predicates.js'
import { prepareFiles } from '../prepare.js'
import type { FileIndex } from '../prune.js'
import { Rewrite } from '../rewrite.js'
import { contentOf } from '../row-content.js'
import { rowOrder } from '../row-order.js'
import type { RowFilter } from '../table.js'
import type { FileNames, TableHead } from '../table-head.js'
import type { UnnumberedFiles } from '../unnumbered-files.js'
import { type CompactionGroup, type CompactionPolicy, compactionGroups, piecesOf } from './compaction-plan.js'
import type { Derivation } from './derivation.js'
import type { RestingFiles } from './resting-files.js'
import { stoppable, type TaskRun } from './task.js'

/** Unlike a flush, a compaction has the time for all partitions that a group of files may become. */
const MAX_FILES = 10_000

/** Of which rows the files are compacted, and how. */
export interface CompactionOptions extends Pick<RowFilter, 'startMicros' | 'endMicros'> {
  readonly targetBytes: number
  readonly minInputs: number
  readonly patient: boolean
  /** Of a compaction of all rows: leave files alone that rest, and have those rest that it is not to try again at once. */
  readonly resting?: RestingFiles
}

/** What a compaction would do, or has done. */
export interface CompactionReport {
  readonly filesBefore: number
  readonly filesAfter: number
  readonly bytesBefore: number
  readonly bytesAfter: number
  readonly rows: number
  /** Delete files that have left the table, since no data file is left that they are about. */
  readonly deletesDropped: number
  /** Groups that were left as they are, since somebody else had changed them meanwhile. */
  readonly passedOver: number
}

export interface Compactable {
  readonly head: TableHead
  readonly layout: TableLayout
  readonly engine: FileEngine
  readonly index: FileIndex
  readonly unnumbered: UnnumberedFiles
  /** Only of a table that is derived from another by a definition. */
  readonly derivation?: Derivation
  /** Resolves when what is derived from the table has taken in its newest snapshot, or has failed to. */
  readonly followed?: () => Promise<void>
}

/** The groups of files that would be written anew now. `conflict` when the table's rows cannot be written as it asks. */
export async function compactionPlan(
  { head, layout, index }: Compactable,
  options: CompactionOptions,
): Promise<readonly CompactionGroup[]> {
  const { metadata } = head
  requireWritable(layout, metadata)
  const policy: CompactionPolicy = {
    ...options,
    specId: metadata.defaultSpecId,
    // The one that they get: an order that cannot be followed would have them written anew for ever.
    sortOrderId: rowOrder(layout, wholeColumns(layout, currentSchema(metadata)), metadata).id,
    cutColumn: cutColumn(layout)?.id ?? null,
  }
  const predicates = predicatesOf(layout, options)
  const { live } = await index.liveFiles(metadata, metadata.currentSnapshotId, predicates)
  return compactionGroups(options.resting?.awake(live) ?? live, policy)
}

/** What these groups would become, by their sizes alone. */
export function predicted(groups: readonly CompactionGroup[], targetBytes: number): CompactionReport {
  const sum = (of: (group: CompactionGroup) => number) => groups.reduce((all, group) => all + of(group), 0)
  return {
    filesBefore: sum(({ files }) => files.length),
    filesAfter: sum((group) => piecesOf(group, targetBytes)),
    bytesBefore: sum(({ bytes }) => bytes),
    bytesAfter: sum(({ bytes }) => bytes),
    rows: sum(({ rows }) => rows),
    deletesDropped: 0,
    passedOver: 0,
  }
}

/**
 * Writes small files anew as fewer, sorted ones, group by group, each in a commit of its own. Appends never wait for
 * it. Rows that are deleted are not written again. Rows and their content are counted before and after; `corrupt`, and
 * nothing committed, when they differ.
 */
export async function compact(
  table: Compactable,
  options: CompactionOptions,
  run: TaskRun,
): Promise<CompactionReport> {
  const { signal, progress } = run
  const { head, index } = table
  const own = { ...table, engine: stoppable(table.engine, run) }
  const { currentSnapshotId: snapshotId } = head.metadata
  let report = predicted([], options.targetBytes)
  if (snapshotId === null) return report
  // What is deleted is known as of this snapshot: a commit tells later deletes from those by it.
  const release = head.hold(snapshotId)
  try {
    const groups = await compactionPlan(table, options)
    for (const [done, group] of groups.entries()) {
      signal.throwIfAborted()
      progress(done, groups.length)
      options.resting?.rest(group.files)
      const added = await compactGroup(own, snapshotId, group, piecesOf(group, options.targetBytes))
      report =
        added === null ? { ...report, passedOver: report.passedOver + 1 } : counting(report, group, added)
    }
    progress(groups.length, groups.length)
  } finally {
    release()
  }
  return { ...report, deletesDropped: await dropIdleDeletes(head, index) }
}

/** Other engines may give a table columns, or a partition spec, that ticklake cannot write: nothing may be lost to that. */
function requireWritable(layout: TableLayout, metadata: TableMetadata): void {
  const schema = currentSchema(metadata)
  const field = unwrittenField(wholeColumns(layout, schema), schema, defaultSpec(metadata))
  if (field === null) return
  const message = `${metadata.location} is partitioned by ${field.name} (${field.transform})`
  throw new TicklakeError(
    'conflict',
    `${message}, by which ticklake cannot write files: they stay as they are`,
  )
}

/** The leading column of the sort order, if files can be cut at its values. */
function cutColumn({ columns, sortColumns }: TableLayout): LayoutColumn | null {
  const leading = columns.find(({ name }) => name === sortColumns[0])
  return leading?.type === 'string' ? leading : null
}

function counting(
  report: CompactionReport,
  group: CompactionGroup,
  added: readonly DataFile[],
): CompactionReport {
  const total = (of: (file: DataFile) => number) => added.reduce((all, file) => all + of(file), 0)
  return {
    ...report,
    filesBefore: report.filesBefore + group.files.length,
    filesAfter: report.filesAfter + added.length,
    bytesBefore: report.bytesBefore + group.bytes,
    bytesAfter: report.bytesAfter + total(({ fileSizeBytes }) => fileSizeBytes),
    rows: report.rows + total(({ recordCount }) => recordCount),
  }
}

/** Takes the delete files out of the table that no data file needs any more; how many there were. */
async function dropIdleDeletes(head: TableHead, index: FileIndex): Promise<number> {
  const { metadata, context } = head
  const removedDeletes = await index.idleDeletes(metadata)
  const { currentSnapshotId: snapshotId } = metadata
  if (snapshotId === null || removedDeletes.length === 0) return 0
  const request = { operation: 'replace', snapshotId, removed: [], added: [], removedDeletes } as const
  try {
    await head.commit(new Rewrite(context, request))
    return removedDeletes.length
  } catch (error) {
    // Somebody else has dropped some of them: the rest stays until the next time.
    if (error instanceof TicklakeError && error.code === 'conflict') return 0
    throw error
  }
}

/** The files that a group has become; null when it was left as it is. */
async function compactGroup(
  table: Omit<Compactable, 'index'>,
  snapshotId: bigint,
  group: CompactionGroup,
  pieces: number,
): Promise<readonly DataFile[] | null> {
  const { head } = table
  const { metadata, context } = head
  const names = head.claimNames()
  try {
    const files = await writeAnew(table, metadata, group, pieces, names)
    const added = files.length === 0 ? [] : [{ files, specId: metadata.defaultSpecId }]
    // A file of many days tells of those too whose rows it has lost; once it is parted, nothing else does.
    const overwritten = overwrittenDays(table.layout, group.files, files)
    const request = { operation: 'replace', snapshotId, removed: group.files, added, overwritten } as const
    await head.commit(new Rewrite(context, request))
    return files
  } catch (error) {
    // Somebody else has rewritten these files, deleted rows of them, or removed the spec of the new ones: the next plan
    // sees what there is then.
    if (error instanceof TicklakeError && ['conflict', 'gone'].includes(error.code)) return null
    throw error
  } finally {
    names.release()
  }
}

/** The rows of a group in new files, all of which are counted again. */
function writeAnew(
  { head, layout, engine, unnumbered, derivation }: Omit<Compactable, 'index'>,
  metadata: TableMetadata,
  group: CompactionGroup,
  pieces: number,
  names: FileNames,
): Promise<readonly DataFile[]> {
  const { objects } = head.context
  const whole = wholeColumns(layout, currentSchema(metadata))
  // Nobody else writes what is derived: columns that others have given it are empty.
  const columns = derivation ? whole.slice(0, layout.columns.length) : whole
  return allOrNothing(objects, async (written) => {
    const stored = parquetRelation(await unnumbered.named(metadata, group.files), columns)
    const relation = derivation?.merged(stored) ?? stored
    const before = await contentOf(engine, relation)
    const added: DataFile[] = []
    for (const where of await cutsOf(engine, layout, relation, pieces)) {
      const rows = `(SELECT * FROM ${relation} WHERE ${where})`
      const counted = await engine.read(`SELECT count(*) FROM ${rows}`)
      const { files } = await prepareFiles(
        { layout, engine, objects, metadata, maxFiles: MAX_FILES, byDefaultOnly: true },
        { relation: rows, columns, rowCount: Number(counted.columns[0]?.[0]), days: null },
        names.next(),
      )
      added.push(...files)
      written.push(...files.map(({ path }) => path))
    }
    // Of a group whose rows are all deleted there is no file.
    const after =
      added.length === 0
        ? { rows: 0, checksum: '0' }
        : await contentOf(engine, parquetRelation(added, columns))
    if (before.rows !== after.rows || before.checksum !== after.checksum) {
      const paths = group.files.map(({ path }) => path).join(', ')
      const message = `${before.rows} rows (${before.checksum}) became ${after.rows} (${after.checksum})`
      throw new TicklakeError('corrupt', `a compaction of ${paths} would change rows: ${message}`)
    }
    return added
  })
}

/**
 * Conditions that part the rows at values of the leading sort column, each into about as many; the rows of a value stay
 * together. So each file has symbols of its own, and a query for some of them leaves the others out.
 */
async function cutsOf(
  engine: FileEngine,
  layout: TableLayout,
  relation: string,
  pieces: number,
): Promise<readonly string[]> {
  const column = cutColumn(layout)
  if (pieces < 2 || column === null) return ['true']
  const { name } = column
  const { columns } = await engine.read(
    `SELECT ${name}, count(*) FROM ${relation} WHERE ${name} IS NOT NULL GROUP BY ALL ORDER BY ALL`,
  )
  const [values = [], counts = []] = columns.map((cells) => cells.map(String))
  const share = counts.reduce((sum, count) => sum + Number(count), 0) / pieces
  const starts: string[] = []
  let sinceStart = 0
  for (const [index, value] of values.entries()) {
    const own = Number(counts[index])
    if (sinceStart > 0 && (sinceStart >= share || own >= share)) {
      starts.push(sqlString(value))
      sinceStart = 0
    }
    sinceStart += own
  }
  if (starts.length === 0) return ['true']
  return [
    `${name} < ${starts[0]}`,
    ...starts.slice(1).map((end, index) => `${name} >= ${starts[index]} AND ${name} < ${end}`),
    `(${name} >= ${starts.at(-1)} OR ${name} IS NULL)`,
  ]
}
