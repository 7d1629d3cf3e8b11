import { type ColumnType, type TableDefinition, unreachable } from '#core'
import type { EncodeColumn } from '../record-encoder.js'
import type { CellValue, EventValues } from './event-cast.js'

/** Cast rows, put together column by column as the producer takes them. */
export class EventColumns {
  readonly #types: ReadonlyMap<string, ColumnType>
  readonly #values: ReadonlyMap<string, CellValue[]>
  #rowCount = 0

  constructor(definition: TableDefinition) {
    const given = definition.columns.filter(({ name, origin }) => origin === 'record' && name !== 'source')
    this.#types = new Map(given.map(({ name, type }) => [name, type]))
    this.#values = new Map(given.map(({ name }) => [name, []]))
  }

  get rowCount(): number {
    return this.#rowCount
  }

  add(row: EventValues): void {
    for (const [name, values] of this.#values) values.push(row.get(name) ?? null)
    this.#rowCount++
  }

  columns(): ReadonlyMap<string, EncodeColumn> {
    return new Map([...this.#values].map(([name, values]) => [name, column(this.#types.get(name)!, values)]))
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
