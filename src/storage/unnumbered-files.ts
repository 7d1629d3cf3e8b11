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

/** Files that are known, by path. Once there are so many, all are forgotten and looked at again. */
const MAX_KNOWN_FILES = 100_000

/**
 * Knows the files whose columns have no field ids. Writers of Iceberg tables number them; files that were written by
 * others and then added to a table have none, and the table has a name mapping for them (Iceberg's `add_files`). Without a
 * mapping nothing is looked at. Serves every table.
 */
export class UnnumberedFiles {
  readonly #engine: FileEngine
  /** The columns at the top, or null when they are numbered. */
  readonly #known = new Map<string, readonly string[] | null>()

  constructor(engine: FileEngine) {
    this.#engine = engine
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
    await this.#look(files)
    return files.map((file) => {
      const names = this.#known.get(file.path) ?? null
      if (names === null) return file
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
    await this.#look(files)
    return files.filter(({ path }) => this.#known.get(path) !== null)
  }

  async #look(files: readonly Pick<DataFile, 'path'>[]): Promise<void> {
    if (this.#known.size + files.length > MAX_KNOWN_FILES) this.#known.clear()
    const unknown = files.filter(({ path }) => !this.#known.has(path))
    if (unknown.length === 0) return
    const names = await columnNames(
      this.#engine,
      unknown.map(({ path }) => localPath(path)),
    )
    for (const { path } of unknown) this.#known.set(path, names.get(localPath(path)) ?? null)
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
