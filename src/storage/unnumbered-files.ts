import { TicklakeError } from '#core'
import { type FileEngine, sqlString } from '#engine'
import type { DeleteFile } from './deletes.js'
import type { DataFile } from './iceberg/manifest.js'
import type { TableMetadata } from './iceberg/metadata.js'
import { nameMapping } from './iceberg/name-mapping.js'
import { localPath } from './objects/local.js'

/** A data file, and where to find its columns. */
export interface ReadableFile extends DataFile {
  /** Only of a file without field ids: what its columns are named, by the ids that they stand for. */
  readonly columnNames?: ReadonlyMap<number, string>
  /** Only of a file that another engine has deleted rows of: what says which. Its counts and bounds are of all rows. */
  readonly deletes?: readonly DeleteFile[]
}

/** The columns at the top of a file, or null when they are numbered. */
type ColumnNames = readonly string[] | null

/** Files that are remembered, by path. Once there are so many, all are forgotten and looked at again. */
const MAX_REMEMBERED = 100_000

/**
 * Knows the files whose columns have no field ids. Writers of Iceberg tables number them; files that were written by
 * others and then added to a table have none, and the table has a name mapping for them (Iceberg's `add_files`). Without a
 * mapping nothing is looked at. Serves every table.
 */
export class UnnumberedFiles {
  readonly #engine: FileEngine
  readonly #maxRemembered: number
  readonly #remembered = new Map<string, ColumnNames>()

  constructor(engine: FileEngine, maxRemembered = MAX_REMEMBERED) {
    this.#engine = engine
    this.#maxRemembered = maxRemembered
  }

  /**
   * The files with the names of their columns, where they need them. `conflict` when that is a delete file, which no
   * mapping is for: read by ids that it has not, it would delete nothing.
   */
  async named(metadata: TableMetadata, files: readonly ReadableFile[]): Promise<readonly ReadableFile[]> {
    const [unnumbered] = await this.among(files.flatMap(({ deletes = [] }) => deletes))
    if (unnumbered) {
      const message = `${unnumbered.path} deletes rows of ${metadata.location}, and its columns have no field ids`
      throw new TicklakeError('conflict', `${message}: rewrite the data files with the engine that wrote it`)
    }
    const ids = nameMapping(metadata)
    if (ids === null || files.length === 0) return files
    const found = await this.#look(files)
    return files.map((file) => {
      const names = found.get(file.path)
      if (!names) return file
      const columnNames = new Map<number, string>()
      for (const name of names) {
        const id = ids.get(name)
        if (id !== undefined) columnNames.set(id, name)
      }
      return { ...file, columnNames }
    })
  }

  /** Those of the files that have a column without a field id. */
  async among<T extends Pick<DataFile, 'path'>>(files: readonly T[]): Promise<readonly T[]> {
    const found = await this.#look(files)
    return files.filter(({ path }) => found.get(path) !== null)
  }

  /** By path; of each of the files, whatever others make of what is remembered meanwhile. */
  async #look(files: readonly Pick<DataFile, 'path'>[]): Promise<ReadonlyMap<string, ColumnNames>> {
    const found = new Map<string, ColumnNames>()
    const unknown: string[] = []
    for (const { path } of files) {
      const names = this.#remembered.get(path)
      if (names === undefined) unknown.push(path)
      else found.set(path, names)
    }
    if (unknown.length === 0) return found
    const names = await columnNames(this.#engine, unknown.map(localPath))
    const news = unknown.map((path) => [path, names.get(localPath(path)) ?? null] as const)
    this.#remember(news)
    return new Map([...found, ...news])
  }

  #remember(news: readonly (readonly [path: string, names: ColumnNames])[]): void {
    if (this.#remembered.size + news.length > this.#maxRemembered) this.#remembered.clear()
    for (const [path, names] of news.slice(0, this.#maxRemembered)) this.#remembered.set(path, names)
  }
}

/** By path, the columns at the top of those files in which one of them has no field id. */
async function columnNames(
  engine: FileEngine,
  paths: readonly string[],
): Promise<ReadonlyMap<string, readonly string[]>> {
  const { columns, rowCount } = await engine.read(
    `SELECT file_name, name, CAST(coalesce(num_children, 0) AS INTEGER), field_id IS NOT NULL
     FROM parquet_schema([${paths.map(sqlString).join(', ')}])`,
  )
  const [files = [], names = [], children = [], numbered = []] = columns
  const all = new Map<string, string[]>()
  const unnumbered = new Set<string>()
  // The tree of a file's schema is written out in preorder, from its nameless root on.
  const open: number[] = []
  for (let row = 0; row < rowCount; row++) {
    while (open.at(-1) === 0) open.pop()
    const file = String(files[row])
    if (open.length === 1) {
      all.set(file, [...(all.get(file) ?? []), String(names[row])])
      if (numbered[row] !== true) unnumbered.add(file)
    }
    if (open.length > 0) open[open.length - 1]! -= 1
    open.push(Number(children[row]))
  }
  return new Map([...all].filter(([file]) => unnumbered.has(file)))
}
