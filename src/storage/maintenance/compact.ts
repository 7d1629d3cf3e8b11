import { type TableLayout, TicklakeError } from '#core'
import { type SqlValue, sqlString, type TableEngine } from '#engine'
import { type FileColumn, wholeColumns } from '../file-columns.js'
import type { DataFile } from '../iceberg/manifest.js'
import { currentSchema, type TableMetadata } from '../iceberg/metadata.js'
import { parquetRelation } from '../parquet-relation.js'
import { predicatesOf } from '../predicates.js'
import { prepareFiles } from '../prepare.js'
import type { FileIndex } from '../prune.js'
import { Rewrite } from '../rewrite.js'
import { contentOf } from '../row-content.js'
import type { RowFilter } from '../table.js'
import type { TableHead } from '../table-head.js'
import type { UnnumberedFiles } from '../unnumbered-files.js'
import { type CompactionGroup, type CompactionPolicy, compactionGroups, piecesOf } from './compaction-plan.js'
import type { TaskRun } from './task.js'

/** Unlike a flush, a compaction has the time for all partitions that a group of files may become. */
const MAX_FILES = 10_000

/** Of which rows the files are compacted, and how. */
export interface CompactionOptions extends Pick<RowFilter, 'startMicros' | 'endMicros'> {
  readonly targetBytes: number
  readonly minInputs: number
  readonly patient: boolean
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
  readonly engine: TableEngine
  readonly index: FileIndex
  readonly unnumbered: UnnumberedFiles
}

/** The groups of files that would be written anew now. */
export async function compactionPlan(
  { head, layout, index }: Compactable,
  options: CompactionOptions,
): Promise<readonly CompactionGroup[]> {
  const { metadata } = head
  const policy: CompactionPolicy = {
    ...options,
    specId: metadata.defaultSpecId,
    sortOrderId: metadata.defaultSortOrderId,
  }
  const predicates = predicatesOf(layout, options)
  const { live } = await index.liveFiles(metadata, metadata.currentSnapshotId, predicates)
  return compactionGroups(live, policy)
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
  { signal, progress }: TaskRun,
): Promise<CompactionReport> {
  const { head, index } = table
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
      const added = await compactGroup(table, snapshotId, group, piecesOf(group, options.targetBytes))
      report =
        added === null ? { ...report, passedOver: report.passedOver + 1 } : counting(report, group, added)
    }
    progress(groups.length, groups.length)
  } finally {
    release()
  }
  return { ...report, deletesDropped: await dropIdleDeletes(head, index) }
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
  { head, layout, engine, unnumbered }: Compactable,
  snapshotId: bigint,
  group: CompactionGroup,
  pieces: number,
): Promise<readonly DataFile[] | null> {
  const { metadata, context } = head
  const columns = wholeColumns(layout, currentSchema(metadata))
  try {
    const relation = parquetRelation(await unnumbered.named(metadata, group.files), columns)
    const before = await contentOf(engine, relation)
    const cuts = await cutsOf(engine, layout, relation, pieces)
    const [first, ...others] = group.files
    if (cuts.length === 0 && others.length === 0 && pieces > 1 && !first?.deletes) return null
    const added: DataFile[] = []
    for (const where of cuts.length === 0 ? ['true'] : cuts) {
      added.push(...(await write({ head, layout, engine }, metadata, columns, relation, where)))
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
    const { defaultSpecId: specId } = metadata
    const request = { operation: 'replace', snapshotId, removed: group.files, added, specId } as const
    await head.commit(new Rewrite(context, request))
    return added
  } catch (error) {
    // Somebody else has rewritten these files, or deleted rows of them: the next plan sees what there is then.
    if (error instanceof TicklakeError && error.code === 'conflict') return null
    throw error
  }
}

async function write(
  { head, layout, engine }: Pick<Compactable, 'head' | 'layout' | 'engine'>,
  metadata: TableMetadata,
  columns: readonly FileColumn[],
  relation: string,
  where: string,
): Promise<readonly DataFile[]> {
  const rows = `(SELECT * FROM ${relation} WHERE ${where})`
  const { columns: counted } = await engine.read(`SELECT count(*) FROM ${rows}`)
  const { files, specId } = await prepareFiles(
    { layout, engine, objects: head.context.objects, metadata, maxFiles: MAX_FILES },
    { relation: rows, columns, rowCount: Number(counted[0]?.[0]), days: null },
    head.newFileName(),
  )
  if (specId === metadata.defaultSpecId) return files
  const message = `${metadata.location} has a partition spec that its files cannot be moved to`
  throw new TicklakeError('conflict', `${message}: they stay as they are`)
}

/**
 * Conditions that cut the rows at values of the leading sort column into pieces of about as many rows; none when there
 * is one piece. So each file has symbols of its own, and a query for some of them leaves the others out.
 */
async function cutsOf(
  engine: TableEngine,
  { columns, sortColumns }: TableLayout,
  relation: string,
  pieces: number,
): Promise<readonly string[]> {
  const leading = columns.find(({ name }) => name === sortColumns[0])
  if (pieces < 2 || leading?.type !== 'string') return []
  const { name } = leading
  const counted = await engine.read(
    `SELECT ${name}, count(*) FROM ${relation} GROUP BY ALL ORDER BY ALL NULLS LAST`,
  )
  const [values = [], counts = []] = counted.columns
  const rows = counts.reduce<number>((sum, count) => sum + Number(count), 0)
  const starts: SqlValue[] = []
  let passed = 0
  for (const [index, value] of values.entries()) {
    if (value !== null && passed >= (rows * (starts.length + 1)) / pieces) starts.push(value)
    passed += Number(counts[index])
  }
  if (starts.length === 0) return []
  const literal = (value: SqlValue) => sqlString(String(value))
  return [
    `${name} < ${literal(starts[0]!)}`,
    ...starts
      .slice(1)
      .map((end, index) => `${name} >= ${literal(starts[index]!)} AND ${name} < ${literal(end)}`),
    `(${name} >= ${literal(starts.at(-1)!)} OR ${name} IS NULL)`,
  ]
}
