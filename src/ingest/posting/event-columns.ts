import { type ColumnType, type TableDefinition, unreachable } from '#core'
import type { EncodeColumn } from '../record-encoder.js'
import { type CellValue, type EventRow, RowPlaces } from './event-row.js'

/** Cast rows, put together column by column as the producer takes them. */
export class EventColumns {
  readonly #types: ReadonlyMap<string, ColumnType>
  readonly #names: readonly string[]
  /** By place. */
  readonly #values: readonly CellValue[][]
  #rowCount = 0

  constructor(definition: TableDefinition) {
    this.#types = new Map(definition.columns.map(({ name, type }) => [name, type]))
    this.#names = new RowPlaces(definition).names
    this.#values = this.#names.map(() => [])
  }

  get rowCount(): number {
    return this.#rowCount
  }

  add({ cells }: EventRow): void {
    const values = this.#values
    for (let place = 0; place < values.length; place++) values[place]!.push(cells[place] ?? null)
    this.#rowCount++
  }

  columns(): ReadonlyMap<string, EncodeColumn> {
    return new Map(
      this.#names.map((name, place) => [name, column(this.#types.get(name)!, this.#values[place]!)]),
    )
  }
}

/** The cast gives each column values of its type alone. */
function column(type: ColumnType, values: readonly CellValue[]): EncodeColumn {
  switch (type) {
    case 'string':
      return { kind: 'string', values: values as (string | null)[] }
    case 'int':
      return { kind: 'int', values: values as (number | null)[] }
    case 'long':
    case 'timestamptz':
    case 'decimal':
      return { kind: 'long', values: values as (bigint | null)[] }
    case 'binary':
      throw new TypeError('no event has a binary column')
    default:
      return unreachable(type)
  }
}
