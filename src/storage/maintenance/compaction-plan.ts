import type { LiveFile } from '../prune.js'
import type { ReadableFile } from '../unnumbered-files.js'

export interface CompactionPolicy {
  /** Size that files should have. */
  readonly targetBytes: number
  /** Fewer files are left alone, unless they must move. */
  readonly minInputs: number
  /** Leave a file alone that is larger than all other small ones together: for what is done again and again. */
  readonly patient: boolean
  /** What new files are written by: files of another spec or order must move. */
  readonly specId: number
  readonly sortOrderId: number
  /** Field id of the column at whose values files are cut; null: they cannot be. */
  readonly cutColumn: number | null
}

/** Files that are read and written anew together. */
export interface CompactionGroup {
  readonly files: readonly ReadableFile[]
  readonly bytes: number
  /** With those that are deleted already. */
  readonly rows: number
}

/** A file of at least this share of the target is large enough, and one of more than the other is too large. */
const SMALL_SHARE = 0.75
const LARGE_SHARE = 1.8
/** A group is sorted as a whole: it must not be much larger than what memory holds. */
const MAX_TARGETS_A_GROUP = 4

/**
 * Which files become fewer: of each partition those that are too small or too large, and those that were written by
 * another spec or sort order or have deleted rows, packed in the order in which they came. Where nothing is gained there
 * is no group, so that compaction comes to rest. A patient one lets a file wait that is larger than all the others
 * together: so a row of a day that still grows is written again only as often as the day doubles.
 */
export function compactionGroups(
  files: readonly LiveFile[],
  policy: CompactionPolicy,
): readonly CompactionGroup[] {
  const partitions = new Map<string, ReadableFile[]>()
  for (const { specId, file } of files) {
    if (isGood(file, specId, policy)) continue
    const key = `${specId} ${file.partition.map(String).join('/')}`
    partitions.set(key, [...(partitions.get(key) ?? []), file])
  }
  return [...partitions].flatMap(([key, candidates]) => {
    const isOldSpec = Number(key.split(' ')[0]) !== policy.specId
    const chosen = isOldSpec || !policy.patient ? candidates : withoutGiants(candidates, policy)
    return packed(chosen, policy.targetBytes * MAX_TARGETS_A_GROUP).filter(
      (group) => isOldSpec || isGain(group, policy),
    )
  })
}

/** How many files a group becomes. */
export function piecesOf({ bytes }: CompactionGroup, targetBytes: number): number {
  return Math.max(1, Math.round(bytes / targetBytes))
}

function isGood(file: ReadableFile, specId: number, policy: CompactionPolicy): boolean {
  if (file.deletes) return false
  const share = file.fileSizeBytes / policy.targetBytes
  const isOfSize = share >= SMALL_SHARE && (share <= LARGE_SHARE || !canBeCut(file, policy))
  return isOfSize && specId === policy.specId && file.sortOrderId === policy.sortOrderId
}

/** Whether it has more than one value in the column at whose values it would be cut. */
function canBeCut({ lowerBounds, upperBounds }: ReadableFile, { cutColumn }: CompactionPolicy): boolean {
  const [least, greatest] = cutColumn === null ? [] : [lowerBounds.get(cutColumn), upperBounds.get(cutColumn)]
  return least !== undefined && greatest !== undefined && Buffer.compare(least, greatest) !== 0
}

function withoutGiants(
  files: readonly ReadableFile[],
  { targetBytes, sortOrderId }: CompactionPolicy,
): readonly ReadableFile[] {
  // Others are there for another reason than that they are small.
  const small = files.filter(
    (file) =>
      !file.deletes && file.sortOrderId === sortOrderId && file.fileSizeBytes < targetBytes * SMALL_SHARE,
  )
  let rest = small.reduce((sum, { fileSizeBytes }) => sum + fileSizeBytes, 0)
  const giants = new Set<ReadableFile>()
  for (const file of [...small].sort((a, b) => b.fileSizeBytes - a.fileSizeBytes)) {
    rest -= file.fileSizeBytes
    if (file.fileSizeBytes <= rest) break
    giants.add(file)
  }
  return files.filter((file) => !giants.has(file))
}

function packed(files: readonly ReadableFile[], maxBytes: number): readonly CompactionGroup[] {
  const bins: { files: ReadableFile[]; bytes: number; rows: number }[] = []
  for (const file of files) {
    let bin = bins.at(-1)
    if (!bin || bin.bytes + file.fileSizeBytes > maxBytes) {
      bin = { files: [], bytes: 0, rows: 0 }
      bins.push(bin)
    }
    bin.files.push(file)
    bin.bytes += file.fileSizeBytes
    bin.rows += file.recordCount
  }
  return bins
}

function isGain(group: CompactionGroup, { targetBytes, minInputs, sortOrderId }: CompactionPolicy): boolean {
  if (group.files.some((file) => file.deletes || file.sortOrderId !== sortOrderId)) return true
  const pieces = piecesOf(group, targetBytes)
  if (group.files.length < minInputs) return pieces > group.files.length
  return pieces !== group.files.length
}
