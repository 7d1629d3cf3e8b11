import type { SeededRandom } from './seeded-random.js'
import { type ExtraField, type Extras, optional } from './trades-writer.js'

/** How values of a type are made, and shown in an answer. */
interface Kind {
  /** Those of one family hold each other's values: the narrower is widened. */
  readonly family: string
  readonly avro: unknown
  readonly iceberg: string
  make(random: SeededRandom): unknown
  shown(value: unknown): unknown
}

const same = (value: unknown) => value
const eighths = (random: SeededRandom) => (random.below(2000) - 1000) / 8
const micros = (value: unknown) =>
  `${new Date(Number((value as bigint) / 1000n)).toISOString().slice(0, -1)}${String((value as bigint) % 1000n).padStart(3, '0')}Z`

export const KINDS: readonly Kind[] = [
  { family: 'boolean', avro: 'boolean', iceberg: 'boolean', make: (random) => random.oneIn(2), shown: same },
  { family: 'whole', avro: 'int', iceberg: 'int', make: (random) => random.uint32() | 0, shown: same },
  {
    family: 'whole',
    avro: 'long',
    iceberg: 'long',
    make: (random) => random.bigBelow(2n ** 54n) - 2n ** 53n,
    shown: Number,
  },
  { family: 'real', avro: 'float', iceberg: 'float', make: eighths, shown: same },
  { family: 'real', avro: 'double', iceberg: 'double', make: eighths, shown: same },
  {
    family: 'text',
    avro: 'string',
    iceberg: 'string',
    make: (random) => random.pick(['', 'short', 'Zürich', 'longer than twelve bytes']),
    shown: same,
  },
  {
    family: 'bytes',
    avro: 'bytes',
    iceberg: 'binary',
    make: (random) => Buffer.from(random.bytes(random.below(20))),
    shown: (value) => (value as Buffer).toString('base64'),
  },
  {
    family: 'time',
    avro: { type: 'long', logicalType: 'timestamp-micros' },
    iceberg: 'timestamptz',
    make: (random) => random.bigBelow(2n ** 50n),
    shown: micros,
  },
]

/** A field of one version of a producer's schema. */
export interface ModelField {
  readonly name: string
  readonly kind: Kind
}

export interface ModelColumn {
  readonly name: string
  readonly family: string
}

interface ModelRow {
  /** What its record holds, by field. */
  readonly written: ReadonlyMap<ModelField, unknown>
  /** What the table has of it, by column id, as it is shown. */
  values: ReadonlyMap<number, unknown>
}

/** What a table of trades should hold whose producers' schemas change: the plain way, one row and one rule at a time. */
export class EvolvingTrades {
  readonly columns = new Map<number, ModelColumn>()
  readonly rows: ModelRow[] = []
  readonly #lastBearer = new Map<string, number>()
  #nextId: number

  /** The id that the table gives to the next column. */
  constructor(nextId: number) {
    this.#nextId = nextId
  }

  take(written: ReadonlyMap<ModelField, unknown>): void {
    this.rows.push({ written, values: this.#read(written) })
  }

  /** The log is read again from here on. */
  readAgain(from: number): void {
    for (const row of this.rows.slice(from)) row.values = this.#read(row.written)
  }

  add(name: string, family: string): number {
    const id = this.#nextId++
    this.columns.set(id, { name, family })
    this.#lastBearer.set(name, id)
    return id
  }

  drop(id: number): void {
    this.columns.delete(id)
  }

  rename(id: number, name: string): void {
    this.columns.set(id, { ...this.columns.get(id)!, name })
    this.#lastBearer.set(name, id)
  }

  /** Of each row, by column. */
  shown(): readonly unknown[] {
    return this.rows.map(({ values }) => [...this.columns.keys()].map((id) => values.get(id) ?? null))
  }

  #read(written: ReadonlyMap<ModelField, unknown>): ReadonlyMap<number, unknown> {
    const values = new Map<number, unknown>()
    for (const [{ name, kind }, value] of written) {
      const id = this.#lastBearer.get(name) ?? this.add(name, kind.family)
      if (this.columns.get(id)?.family === kind.family && value !== null) values.set(id, kind.shown(value))
    }
    return values
  }
}

export function schemaFields(fields: readonly ModelField[]): readonly ExtraField[] {
  return fields.map(({ name, kind }) => optional(name, kind.avro))
}

/** A value, or none, for each field. */
export function written(
  random: SeededRandom,
  fields: readonly ModelField[],
): ReadonlyMap<ModelField, unknown> {
  return new Map(fields.map((field) => [field, random.oneIn(3) ? null : field.kind.make(random)]))
}

export function extrasOf(values: ReadonlyMap<ModelField, unknown>): Extras {
  return Object.fromEntries([...values].map(([{ name }, value]) => [name, value]))
}
