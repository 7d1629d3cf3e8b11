import { assert, type TableDefinition } from '#core'

/** The value of a column; a timestamp is microseconds, a decimal is scaled by 10^8. */
export type CellValue = string | number | bigint | null

/** A row that is one: its values by column. */
export interface EventValues {
  get(column: string): CellValue | undefined
}

/** Which columns a row gives values for, and where each has its place: those of its record, but for its source. */
export class RowPlaces {
  readonly names: readonly string[]
  readonly #places: ReadonlyMap<string, number>

  constructor(definition: TableDefinition) {
    const given = definition.columns.filter(({ name, origin }) => origin === 'record' && name !== 'source')
    this.names = given.map(({ name }) => name)
    this.#places = new Map(this.names.map((name, place) => [name, place]))
  }

  find(column: string): number | undefined {
    return this.#places.get(column)
  }

  /** The place of a column that has one. */
  of(column: string): number {
    const place = this.find(column)
    assert(place !== undefined, `${column} is a column of the record`)
    return place
  }
}

/** The values of a row, each in its place: there are a hundred thousand rows a second, and a Map of each is too much. */
export class EventRow implements EventValues {
  readonly cells: readonly CellValue[]
  readonly #places: RowPlaces

  constructor(places: RowPlaces, cells: readonly CellValue[]) {
    this.#places = places
    this.cells = cells
  }

  get(column: string): CellValue | undefined {
    const place = this.#places.find(column)
    return place === undefined ? undefined : this.cells[place]
  }

  /** The same row with another value of a column. */
  with(column: string, value: CellValue): EventRow {
    return new EventRow(this.#places, this.cells.with(this.#places.of(column), value))
  }

  /** Columns and their values. */
  *[Symbol.iterator](): Generator<[string, CellValue]> {
    for (const [place, name] of this.#places.names.entries()) yield [name, this.cells[place] ?? null]
  }
}
