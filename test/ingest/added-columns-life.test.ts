import { expect, test } from 'vitest'
import { TicklakeError, TRADES } from '#core'
import { currentSchema, type SchemaChange, type StreamTable } from '#storage'
import {
  EvolvingTrades,
  extrasOf,
  KINDS,
  type ModelField,
  schemaFields,
  written,
} from '../support/evolving-trades.js'
import { ROWS } from '../support/request-defaults.js'
import { Road } from '../support/road.js'
import { SeededRandom } from '../support/seeded-random.js'
import { TradesWriter } from '../support/trades-writer.js'

const NAMES = ['fee', 'desk', 'flag', 'route', 'seen']
const STEPS = 60

/** A producer whose schema goes through versions, somebody who changes the table, and a process that ends now and then. */
class Life {
  readonly model = new EvolvingTrades(TRADES.columns.length + 1)
  readonly #road: Road
  readonly #random: SeededRandom
  /** Of every version that the registry took. */
  readonly #versions: { readonly fields: readonly ModelField[]; readonly writer: TradesWriter }[] = []
  #renames = 0

  constructor(road: Road, random: SeededRandom) {
    this.#road = road
    this.#random = random
  }

  get table(): StreamTable {
    return this.#road.tables.get('trades')!
  }

  async step(): Promise<string> {
    const steps = [
      ...Array.from({ length: 5 }, () => this.#produce),
      ...[this.#newVersion, this.#change, this.#change, this.#flush, this.#restart, this.#crash],
    ]
    const step = this.#random.pick(steps)
    await step.call(this)
    return step.name
  }

  async #newVersion(): Promise<void> {
    const random = this.#random
    const before = this.#versions.at(-1)?.fields ?? []
    const kept = before
      .filter(() => !random.oneIn(5))
      .map((field) => (random.oneIn(4) ? { ...field, kind: random.pick(KINDS) } : field))
    const name = random.pick(NAMES)
    const fresh = kept.some((field) => field.name === name) ? [] : [{ name, kind: random.pick(KINDS) }]
    const fields = [...kept, ...fresh]
    try {
      this.#versions.push({ fields, writer: await TradesWriter.open(this.#road, schemaFields(fields)) })
    } catch (error) {
      // With the registry's rule of compatibility, a field does not become anything.
      if (!(error instanceof TicklakeError) || error.code !== 'conflict') throw error
    }
  }

  async #produce(): Promise<void> {
    if (this.#versions.length === 0) await this.#newVersion()
    // The newest version mostly, and now and then one that somebody still has.
    const version = this.#random.oneIn(3) ? this.#random.pick(this.#versions) : this.#versions.at(-1)!
    const { fields, writer } = version
    const trades = new Map(
      Array.from({ length: 1 + this.#random.below(5) }, (_, index) => {
        const values = written(this.#random, fields)
        this.model.take(values)
        return [String(this.model.rows.length - 1).padStart(5, '0'), extrasOf(values), index] as const
      }).map(([id, extras]) => [id, extras]),
    )
    await writer.produce(trades)
    await this.#road.settle()
  }

  async #change(): Promise<void> {
    const random = this.#random
    const [id, column] = random.pick([...this.model.columns, [0, null] as const])
    const what = random.pick(['add', 'drop', 'rename'])
    const evolve = (change: SchemaChange) => this.table.evolve({ of: 'schema', changes: [change] })
    if (what === 'drop' && column) {
      this.model.drop(id)
      await evolve({ change: 'drop', name: column.name })
    } else if (what === 'rename' && column) {
      const to = `renamed_${this.#renames++}`
      this.model.rename(id, to)
      await evolve({ change: 'rename', name: column.name, to })
    } else if (what === 'add' && this.model.columns.size < 6) {
      const [name, kind] = [random.pick(NAMES), random.pick(KINDS)]
      if ([...this.model.columns.values()].some((other) => other.name === name)) return
      this.model.add(name, kind.family)
      await evolve({ change: 'add', name, type: kind.iceberg })
    }
  }

  #flush(): Promise<void> {
    return this.table.flush()
  }

  #restart(): Promise<void> {
    return this.#road.restart()
  }

  async #crash(): Promise<void> {
    await this.#road.crash()
    // All trades are of one symbol, and so in one partition.
    const committed = this.table.committedOffsets().reduce((sum, offset) => sum + offset, 0)
    this.model.readAgain(committed)
    await this.#road.settle()
  }

  /** Of each row, in the order of their ids, the added columns in the order of the model's. */
  async shown(): Promise<readonly unknown[]> {
    await this.#road.settle()
    const names = [...this.model.columns.values()].map(({ name }) => name)
    const request = { ...ROWS, table: 'trades', fields: ['message_id', ...names] } as const
    const { rows } = await this.#road.router.rows(request, { encoding: 'json' })
    const families = new Map([...this.model.columns.values()].map(({ name, family }) => [name, family]))
    const cells = rows.map((text): Readonly<Record<string, unknown>> => JSON.parse(text))
    cells.sort((a, b) => (String(a.message_id) < String(b.message_id) ? -1 : 1))
    expect(cells.map(({ message_id: id }) => Number(id))).toEqual(this.model.rows.map((_, row) => row))
    return cells.map((row) =>
      names.map((name) =>
        families.get(name) === 'real' && row[name] !== null ? Number(row[name]) : row[name],
      ),
    )
  }
}

test.each([1, 2, 3, 4, 5, 6])(
  'a table has in its columns what the records brought, whatever becomes of schemas and process: seed %i [inv 2]',
  async (seed) => {
    console.log(`seed ${seed}`)
    const road = await Road.open()
    try {
      const life = new Life(road, new SeededRandom(seed))
      for (let step = 0; step < STEPS; step++) {
        const name = await life.step()
        const at = `seed ${seed}, step ${step}: ${name}`
        const shown = await life.shown()
        expect(shown, at).toEqual(life.model.shown())
        const added = currentSchema(life.table.metadata()).fields.slice(TRADES.columns.length)
        expect(
          added.map(({ id, name: column }) => [id, column]),
          at,
        ).toEqual([...life.model.columns].map(([id, { name: column }]) => [id, column]))
      }
      expect(life.model.rows.length).toBeGreaterThan(20)
    } finally {
      await road.close()
    }
  },
  60_000,
)
