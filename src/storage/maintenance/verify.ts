import { type FileEngine, sqlString } from '#engine'
import { fileColumns } from '../file-columns.js'
import type { DataFile } from '../iceberg/manifest.js'
import { currentSchema } from '../iceberg/metadata.js'
import { localPath } from '../objects/local.js'
import { parquetRelation } from '../parquet-relation.js'
import type { Compactable } from './compact.js'
import { stoppable, type TaskRun } from './task.js'

export interface VerifyReport {
  readonly files: number
  readonly rows: number
  /** Of the content of all rows; the same rows in other files have the same. */
  readonly checksum: string
  /** What is wrong, file by file. */
  readonly problems: readonly string[]
}

const MAX_PROBLEMS = 100

/**
 * Reads every data file of the newest snapshot whole, and compares what is there with what the manifests say: that it is
 * there, its size, and its rows. A file that cannot be decoded is a problem, not an error.
 */
export async function verify(
  { head, layout, index, unnumbered, ...table }: Compactable,
  run: TaskRun,
): Promise<VerifyReport> {
  const { signal, progress } = run
  const engine = stoppable(table.engine, run)
  const { metadata } = head
  const { currentSnapshotId } = metadata
  const release = head.hold(currentSnapshotId)
  try {
    const columns = fileColumns(layout, currentSchema(metadata))
    const { live } = await index.liveFiles(metadata, currentSnapshotId, [])
    const problems: string[] = []
    let [rows, checksum] = [0, 0n]
    for (const [done, { file }] of live.entries()) {
      signal.throwIfAborted()
      progress(done, live.length)
      try {
        problems.push(...(await problemsOf(engine, file)))
        const [named] = await unnumbered.named(metadata, [file])
        const { columns: read } = await engine.read(
          `SELECT count(*), coalesce(sum(hash(content)::HUGEINT), 0)::VARCHAR
           FROM ${parquetRelation([named!], columns)} AS content`,
        )
        rows += Number(read[0]?.[0])
        checksum += BigInt(String(read[1]?.[0]))
      } catch (error) {
        signal.throwIfAborted()
        problems.push(
          `${file.path} cannot be read: ${error instanceof Error ? error.message : String(error)}`,
        )
      }
    }
    progress(live.length, live.length)
    return { files: live.length, rows, checksum: String(checksum), problems: problems.slice(0, MAX_PROBLEMS) }
  } finally {
    release()
  }
}

/** Where a file is not what its manifest says. */
async function problemsOf(
  engine: FileEngine,
  { path, recordCount, fileSizeBytes }: DataFile,
): Promise<readonly string[]> {
  const file = sqlString(localPath(path))
  const { columns } = await engine.read(
    `SELECT (SELECT size FROM read_blob(${file})), (SELECT num_rows FROM parquet_file_metadata(${file}))`,
  )
  const [size, rows] = columns.map(([cell]) => Number(cell))
  return [
    ...(size === fileSizeBytes ? [] : [`${path} has ${size} bytes, its manifest says ${fileSizeBytes}`]),
    ...(rows === recordCount ? [] : [`${path} has ${rows} rows, its manifest says ${recordCount}`]),
  ]
}
