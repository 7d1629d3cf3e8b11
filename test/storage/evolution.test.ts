import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { type DataFile, fileColumns, parquetRelation, type RowFilter, type TableMetadata } from '#storage'
import { commitAppend } from '../../src/storage/append.js'
import type { CommitContext } from '../../src/storage/commit.js'
import { currentSchema } from '../../src/storage/iceberg/metadata.js'
import type { Schema, SchemaField } from '../../src/storage/iceberg/schema.js'
import { periodOfMicros } from '../../src/storage/iceberg/transform.js'
import { LocalObjectStore, localLocation } from '../../src/storage/objects/local.js'
import { predicatesOf } from '../../src/storage/predicates.js'
import { prepareFiles } from '../../src/storage/prepare.js'
import { FileIndex } from '../../src/storage/prune.js'
import { commitContext } from '../support/commit-context.js'
import { engineFixture } from '../support/engine-fixture.js'
import { ManualClock } from '../support/manual-clock.js'
import { SeededRandom } from '../support/seeded-random.js'
import {
  createTyped,
  drawnRow,
  type Field,
  partitionFields,
  rowsOf,
  shownRow,
  TYPED,
  type TypedRow,
  typedTable,
} from '../support/typed-table.js'

const HOUR = 3_600_000_000n
const STEPS = 10

const SPECS: readonly (readonly Field[])[] = [
  [['moment', 'day']],
  [['moment', 'hour']],
  [
    ['moment', 'month'],
    ['symbol', 'bucket[3]'],
  ],
  [
    ['exchange', 'identity'],
    ['moment', 'day'],
  ],
  [['symbol', 'truncate[1]']],
  [['moment', 'fortnight']],
]

const lab = engineFixture('evolution')

/** A table on disk, and what it should hold. */
class EvolvingTable {
  readonly rows: TypedRow[] = []
  readonly #random: SeededRandom
  readonly #context: CommitContext
  readonly #index: FileIndex
  #metadata: TableMetadata
  #offset = 0
  #changes = 0

  private constructor(random: SeededRandom, context: CommitContext, metadata: TableMetadata) {
    this.#random = random
    this.#context = context
    this.#metadata = metadata
    this.#index = new FileIndex(context.manifests)
  }

  static async create(seed: number): Promise<EvolvingTable> {
    const objects = new LocalObjectStore()
    const clock = new ManualClock()
    const warehouse = localLocation(join(lab.directory, `seed-${seed}`))
    const random = new SeededRandom(seed)
    const context = commitContext(objects, warehouse, { clock, random })
    const { metadata } = await context.catalog.create(
      TYPED.name,
      typedTable(`${warehouse}/${TYPED.name}`, []),
    )
    return new EvolvingTable(random, context, metadata)
  }

  async append(): Promise<string> {
    const rows = Array.from({ length: 1 + this.#random.below(40) }, () => drawnRow(this.#random, 60))
    const relation = `evolving_${this.#offset}`
    await createTyped(lab.engine, relation, rows)
    const days = new Set(rows.map(([moment]) => periodOfMicros('day', BigInt(String(moment)))))
    const { objects } = this.#context
    const settled = { relation, rowCount: rows.length, days }
    const context = { layout: TYPED, engine: lab.engine, objects, metadata: this.#metadata }
    const { files, specId } = await prepareFiles(context, settled, `file-${this.#offset}`)
    await lab.engine.run(`DROP TABLE ${relation}`)
    const from = [this.#offset++]
    const request = { files, specId, from, to: [this.#offset], summary: {} }
    this.#metadata = (await commitAppend(this.#context, TYPED.name, request)).table.metadata
    this.rows.push(...rows)
    return `append ${rows.length} rows as ${files.length} files by spec ${specId}`
  }

  changeSpec(): Promise<string> {
    const fields = this.#random.pick(SPECS)
    const specId = Math.max(...this.#metadata.partitionSpecs.map((spec) => spec.specId)) + 1
    const spec = { specId, fields: partitionFields(fields, 1000 + specId * 10), extra: {} }
    const partitionSpecs = [...this.#metadata.partitionSpecs, spec]
    return this.#change({ partitionSpecs, defaultSpecId: specId }, `partition by ${fields.join(' and ')}`)
  }

  changeSchema(): Promise<string> {
    const schema = currentSchema(this.#metadata)
    const { fields, what } = this.#changed(schema.fields)
    const schemaId = schema.schemaId + 1
    const next: Schema = { ...schema, schemaId, fields }
    const schemas = [...this.#metadata.schemas, next]
    return this.#change({ schemas, currentSchemaId: schemaId }, what)
  }

  /** Reads what a filter leaves over of the files, by the columns of the layout, and compares it with the rows. */
  async check(filter: RowFilter): Promise<number> {
    const { currentSnapshotId } = this.#metadata
    const predicates = predicatesOf(TYPED, filter)
    const { files, filesTotal } = await this.#index.selectFiles(this.#metadata, currentSnapshotId, predicates)
    const matching = this.rows.filter((row) => matches(row, filter))
    const read = files.length === 0 ? [] : await rowsOf(lab.engine, files, this.#metadata)
    expect(
      read
        .filter((row) => matches(row, filter))
        .map(shownRow)
        .sort(),
    ).toEqual(matching.map(shownRow).sort())
    expect(await this.#sums(files, filter)).toBe(sumsOf(matching))
    return filesTotal - files.length
  }

  /** The same in one statement over all files, with the filter in SQL. */
  async #sums(
    files: readonly DataFile[],
    { symbols, exchange, startMicros, endMicros }: RowFilter,
  ): Promise<string> {
    if (files.length === 0) return sumsOf([])
    const where = [
      'true',
      ...(symbols ? [`symbol IN (${symbols.map((symbol) => `'${symbol}'`).join(', ')})`] : []),
      ...(exchange === undefined ? [] : [`exchange = '${exchange}'`]),
      ...(startMicros === undefined ? [] : [`moment >= make_timestamptz(${startMicros})`]),
      ...(endMicros === undefined ? [] : [`moment < make_timestamptz(${endMicros})`]),
    ]
    const relation = parquetRelation(files, fileColumns(TYPED, currentSchema(this.#metadata)))
    const { columns } = await lab.engine.query(
      `SELECT concat_ws(' ', count(*), coalesce(sum(number), 0), coalesce(sum(flags), 0),
         CAST(coalesce(sum(price), 0) * 100000000 AS BIGINT))
       FROM ${relation} WHERE ${where.join(' AND ')}`,
    )
    return String(columns[0]![0])
  }

  async #change(change: Partial<TableMetadata>, what: string): Promise<string> {
    const base = await this.#context.catalog.load(TYPED.name)
    const next = { ...base.metadata, ...change }
    this.#metadata = (await this.#context.catalog.commit(TYPED.name, base, next)).metadata
    return what
  }

  #changed(fields: readonly SchemaField[]): {
    readonly fields: readonly SchemaField[]
    readonly what: string
  } {
    const index = this.#random.below(fields.length)
    const field = fields[index]!
    const number = ++this.#changes
    switch (this.#random.below(4)) {
      case 0: {
        const name = `renamed_${number}`
        return {
          fields: fields.map((one) => (one === field ? { ...one, name } : one)),
          what: `rename ${field.name} to ${name}`,
        }
      }
      case 1:
        return {
          fields: fields.map((one) => (one.type === 'int' ? { ...one, type: 'long' } : one)),
          what: 'widen ints',
        }
      case 2: {
        const added = { ...field, id: 100 + number, name: `added_${number}`, type: 'double' }
        return { fields: [added, ...fields], what: `add ${added.name} at the front` }
      }
      default:
        return { fields: [...fields].reverse(), what: 'reverse the columns' }
    }
  }
}

function matches([moment, symbol, exchange]: TypedRow, filter: RowFilter): boolean {
  const { symbols, startMicros, endMicros } = filter
  if (symbols && !symbols.some((one) => one === symbol)) return false
  if (filter.exchange !== undefined && exchange !== filter.exchange) return false
  const micros = BigInt(String(moment))
  return (
    (startMicros === undefined || micros >= startMicros) && (endMicros === undefined || micros < endMicros)
  )
}

function sumsOf(rows: readonly TypedRow[]): string {
  const sum = (index: number) => rows.reduce((total, row) => total + BigInt(String(row[index] ?? 0)), 0n)
  return `${rows.length} ${sum(4)} ${sum(5)} ${sum(3)}`
}

function drawnFilter(random: SeededRandom): RowFilter {
  const start = BigInt(random.below(60) - 2) * HOUR
  return {
    ...(random.oneIn(2) && { symbols: random.oneIn(2) ? ['BHP'] : ['CBA', 'ZZZ', 'a/b'] }),
    ...(random.oneIn(3) && { exchange: random.pick(['ASX', 'NYSE', 'TSE']) }),
    ...(random.oneIn(2) && { startMicros: start }),
    ...(random.oneIn(2) && { endMicros: start + BigInt(random.below(30)) * HOUR }),
  }
}

describe('a table whose schema and partition spec change', () => {
  test.each([1, 2, 3, 4])('is read and pruned as one, with exact sums: seed %i', async (seed) => {
    const random = new SeededRandom(seed)
    const table = await EvolvingTable.create(seed)
    const done: string[] = []
    let left = 0
    for (let step = 0; step < STEPS; step++) {
      const next = step === 0 ? 0 : random.below(5)
      done.push(await (next < 3 ? table.append() : next === 3 ? table.changeSpec() : table.changeSchema()))
      for (const filter of [{}, drawnFilter(random), drawnFilter(random), drawnFilter(random)]) {
        left += await table.check(filter).catch((error: Error) => {
          throw new Error(`after ${done.join('; ')}: ${error.message}`, { cause: error })
        })
      }
    }
    expect(left).toBeGreaterThan(0)
  })
})
