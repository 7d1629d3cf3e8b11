import { covers, formatVector, type OffsetVector, type Version } from '#core'
import type { DataFile, PinnedVersion, StreamTable } from '#storage'
import { parquetRelation } from '#storage'
import { type Model, ROW_TEXT_SQL } from './model.js'

export interface Querying {
  query(sql: string): Promise<{ readonly columns: readonly (readonly unknown[])[] }>
}

/** Where a list of rows is not what it should be, or null. */
export function difference(found: readonly string[], expected: readonly string[]): string | null {
  const at = expected.findIndex((row, index) => row !== found[index])
  if (at === -1 && found.length === expected.length) return null
  const index = at === -1 ? expected.length : at
  return `${found.length} rows, ${expected.length} expected; row ${index} is ${found[index]}, not ${expected[index]}`
}

/** The rows of some relations as the model gives them. */
async function rowsOf(engine: Querying, relations: readonly string[]): Promise<readonly string[]> {
  if (relations.length === 0) return []
  const union = relations.map((relation) => `SELECT * FROM ${relation}`).join(' UNION ALL ')
  const { columns } = await engine.query(
    `SELECT ${ROW_TEXT_SQL} FROM (${union}) ORDER BY log_partition, log_offset`,
  )
  return (columns[0] ?? []).map(String)
}

/** Asks a table while it is written, and holds what it answers against the model. */
export class Answers {
  readonly #model: Model
  /** Versions that were answered from: they are answered again, the same, by later processes too. */
  readonly #versions: Version[] = []
  #asked = 0

  constructor(model: Model) {
    this.#model = model
  }

  get asked(): number {
    return this.#asked
  }

  /** A version to ask for again: one before it if there is any. */
  earlier(below: (bound: number) => number): Version | null {
    return this.#versions.length === 0 ? null : this.#versions[below(this.#versions.length)]!
  }

  /**
   * What is wrong with the answer at the newest version, or at an earlier one that the table covers. `pause` lets
   * others go on between the pin and the use of it.
   */
  async ask(
    table: StreamTable,
    engine: Querying,
    earlier: Version | null,
    pause: () => Promise<void>,
  ): Promise<string | null> {
    const newest = table.pin()
    const isCovered = earlier !== null && covers(newest.version.offsets, earlier.offsets)
    if (isCovered) newest.release()
    const pinned = isCovered ? table.pinAt(earlier) : newest
    try {
      await pause()
      const found = await rowsOf(engine, await relationsOf(pinned))
      this.#asked++
      this.#versions.push(pinned.version)
      return this.#problem(pinned.version.offsets, found)
    } finally {
      pinned.release()
    }
  }

  #problem(offsets: OffsetVector, found: readonly string[]): string | null {
    const problem = difference(found, this.#model.rows(offsets))
    return problem === null ? null : `an answer at ${formatVector(offsets)}: ${problem}`
  }
}

async function relationsOf(pinned: PinnedVersion): Promise<readonly string[]> {
  const { files } = await pinned.select({})
  const appended = await pinned.selectAppended({})
  const parquet = (list: readonly DataFile[], where: string) =>
    list.length === 0 ? [] : [`(SELECT * FROM ${parquetRelation(list, pinned.columns)} WHERE ${where})`]
  return [
    ...parquet(files, 'true'),
    ...parquet(appended.files, appended.where ?? 'true'),
    ...pinned.tail.map(({ relation }) => relation),
  ]
}
