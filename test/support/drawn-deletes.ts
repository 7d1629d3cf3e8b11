import type { Engine } from '#engine'
import type { DataFile, FileColumn, ReadableFile, TableMetadata } from '#storage'
import { typeName } from '../../src/storage/iceberg/schema.js'
import { compareValues, encodeValue, type Value } from '../../src/storage/iceberg/values.js'
import type { ForeignFiles } from './foreign-commit.js'
import { equalityDeletes, positionDeletes } from './foreign-deletes.js'
import type { SeededRandom } from './seeded-random.js'
import { createTyped, drawnRow, rowsIn, shownRow, TYPED, type TypedRow } from './typed-table.js'

/** Of each of these a row may be known by its values. */
const KEYS = [
  ['symbol'],
  ['number'],
  ['moment', 'symbol'],
  ['price', 'exchange'],
  ['session'],
  ['flags', 'raw'],
]

/** A row that is in the table, and where. */
export interface Placed {
  readonly row: TypedRow
  readonly file: DataFile
  readonly position: number
  readonly specId: number
}

/** Rows of one partition. */
interface Partition {
  readonly specId: number
  readonly partition: readonly (Value | null)[]
  readonly rows: readonly Placed[]
}

/** Delete files, and which rows they delete of those that were there. */
export interface Deletes {
  readonly files: readonly ForeignFiles[]
  readonly deleted: (row: Placed) => boolean
}

/** Delete files as other engines write them, of rows of typed tables that chance picks. */
export class DrawnDeletes {
  readonly #engine: Engine
  readonly #random: SeededRandom
  readonly #nameOf: (kind: string) => string
  #names = 0

  /** @param nameOf a new file of the table, whose name begins so. */
  constructor(engine: Engine, random: SeededRandom, nameOf: (kind: string) => string) {
    this.#engine = engine
    this.#random = random
    this.#nameOf = nameOf
  }

  /** Of rows anywhere, by where they are in their files. */
  async byPosition(rows: readonly Placed[]): Promise<Deletes> {
    const files: ForeignFiles[] = []
    const gone = new Set<Placed>()
    for (const { specId, partition, rows: inPartition } of partitionsOf(rows)) {
      if (this.#random.oneIn(2)) continue
      const known = this.#random.pick(['nothing', 'bounds', 'the file'] as const)
      const path = this.#random.pick(inPartition).file.path
      const chosen = inPartition.filter(
        ({ file }) => this.#random.oneIn(4) && (known !== 'the file' || file.path === path),
      )
      if (chosen.length === 0) continue
      for (const row of chosen) gone.add(row)
      const target = { path: this.#nameOf('positions'), partition }
      const listed = chosen.map(({ file, position }) => ({ path: file.path, position }))
      files.push({ specId, files: [await positionDeletes(this.#engine, target, listed, known)] })
    }
    return { files, deleted: (row: Placed) => gone.has(row) }
  }

  /** Of the rows that have the values of some, in the partitions of these, or everywhere. */
  async byValue(rows: readonly Placed[], { partitionSpecs }: TableMetadata): Promise<Deletes> {
    const partitions = partitionsOf(rows).filter(() => this.#random.oneIn(2))
    const files: ForeignFiles[] = []
    const tests: ((row: Placed) => boolean)[] = []
    for (const { specId, partition, rows: inPartition } of partitions) {
      const columns = this.#random.pick(KEYS)
      // Of the table or none of it.
      const chosen = Array.from({ length: 1 + this.#random.below(2) }, () =>
        this.#random.oneIn(3) ? drawnRow(this.#random, 60) : this.#random.pick(inPartition).row,
      )
      const isGlobal = partitionSpecs.some((spec) => spec.specId === specId && spec.fields.length === 0)
      const file = await this.valueDeletes(columns, chosen, partition)
      files.push({ specId, files: [file] })
      const keys = new Set(chosen.map((row) => keyOf(row, columns)))
      const key = JSON.stringify([specId, partition.map(String)])
      tests.push(
        (placed) =>
          keys.has(keyOf(placed.row, columns)) &&
          (isGlobal || JSON.stringify([placed.specId, placed.file.partition.map(String)]) === key),
      )
    }
    return { files, deleted: (row: Placed) => tests.some((isDeleted) => isDeleted(row)) }
  }

  /** A file of deletes by value, with bounds, or none. */
  async valueDeletes(
    columns: readonly string[],
    rows: readonly TypedRow[],
    partition: readonly (Value | null)[],
    hasBounds = this.#random.oneIn(2),
  ): Promise<DataFile> {
    const relation = `keys_${this.#names++}`
    await createTyped(this.#engine, relation, rows)
    const ids = Object.fromEntries(columns.map((name) => [name, columnOf(name).id]))
    const target = { path: this.#nameOf('values'), partition }
    const select = `SELECT ${columns.join(', ')} FROM ${relation}`
    const file = await equalityDeletes(this.#engine, target, select, ids, rows.length)
    await this.#engine.run(`DROP TABLE ${relation}`)
    return hasBounds ? { ...file, ...statistics(columns, rows) } : file
  }
}

const columnOf = (name: string) => TYPED.columns.find((column) => column.name === name)!

function statistics(columns: readonly string[], rows: readonly TypedRow[]) {
  const lowerBounds = new Map<number, Uint8Array>()
  const upperBounds = new Map<number, Uint8Array>()
  const valueCounts = new Map<number, number>()
  const nullValueCounts = new Map<number, number>()
  for (const name of columns) {
    const { id, type } = columnOf(name)
    const values = rows.map((row) => row[id - 1] ?? null)
    const sorted = values
      .flatMap((value) => (value === null ? [] : [encodeValue(typeName({ type }), value)]))
      .sort((a, b) => compareValues(typeName({ type }), a, b)!)
    valueCounts.set(id, values.length)
    nullValueCounts.set(id, values.length - sorted.length)
    if (sorted.length === 0) continue
    lowerBounds.set(id, sorted[0]!)
    upperBounds.set(id, sorted.at(-1)!)
  }
  return { lowerBounds, upperBounds, valueCounts, nullValueCounts }
}

/** The rows of a file, those that are deleted too. */
export async function placedIn(
  engine: Pick<Engine, 'query'>,
  { specId, file }: { readonly specId: number; readonly file: DataFile },
  columns: readonly FileColumn[],
): Promise<readonly Placed[]> {
  const { deletes: _, ...whole }: ReadableFile = file
  const rows = await rowsIn(engine, [whole], columns)
  return rows.map((row, position) => ({ row, file, position, specId }))
}

function partitionsOf(rows: readonly Placed[]): readonly Partition[] {
  const all = new Map<string, { specId: number; partition: DataFile['partition']; rows: Placed[] }>()
  for (const row of rows) {
    const { specId, file } = row
    const key = JSON.stringify([specId, file.partition.map(String)])
    const known = all.get(key)
    if (known) known.rows.push(row)
    else all.set(key, { specId, partition: file.partition, rows: [row] })
  }
  return [...all.values()]
}

function keyOf(row: TypedRow, columns: readonly string[]): string {
  return JSON.stringify(columns.map((name) => shownRow([row[columnOf(name).id - 1] ?? null])))
}
