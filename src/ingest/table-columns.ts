import type { Schema } from 'avsc'
import type { AddedColumn, Logger } from '#core'
import type { StreamTable } from '#storage'
import { recordShape } from './decode-program.js'
import { furtherFields } from './optional-fields.js'
import type { FurtherColumns } from './record-writers.js'
import type { Waiting } from './waiting.js'

export interface TableColumnsOptions {
  readonly table: StreamTable
  /** Columns of the table besides those of its definition, up to which new ones are made. */
  readonly maxAddedColumns: number
  readonly logger: Logger
  readonly waiting: Waiting
}

/** Fields that one warning names. */
const NAMED_FIELDS = 10

/**
 * The columns of a table for the fields of its records that its definition does not know: made when a schema with them is
 * first met, before the first of its records is decoded. Fields that get none are told of, once for each reason.
 */
export class TableColumns implements FurtherColumns {
  readonly #options: TableColumnsOptions
  /** What was told last of a wire id. */
  readonly #told = new Map<number, string>()
  readonly #spoilt = new Set<string>()

  constructor(options: TableColumnsOptions) {
    this.#options = options
  }

  get schemaId(): number {
    return this.#options.table.metadata().currentSchemaId
  }

  async columnsOf(id: number, schema: Schema): Promise<ReadonlyMap<string, AddedColumn>> {
    const { table, maxAddedColumns, waiting } = this.#options
    const { optional, left } = furtherFields(recordShape(schema), table.definition)
    const found = await waiting.until(`a new column of ${table.definition.name}`, () =>
      table.recordColumns(optional, maxAddedColumns),
    )
    this.#tellLeft(id, new Map([...left, ...found.left]))
    return found.columns
  }

  spoilt(field: string, count: number): void {
    if (this.#spoilt.has(field)) return
    this.#spoilt.add(field)
    const { table, logger } = this.#options
    logger.warn('values of a field are not of its type: their rows have none; this is said once', {
      table: table.definition.name,
      field,
      count,
    })
  }

  #tellLeft(id: number, left: ReadonlyMap<string, string>): void {
    const named = [...left].slice(0, NAMED_FIELDS).map(([field, reason]) => `${field}: ${reason}`)
    const fields = [...named, ...(left.size > NAMED_FIELDS ? [`${left.size - NAMED_FIELDS} more`] : [])].join(
      '; ',
    )
    if (fields === (this.#told.get(id) ?? '')) return
    this.#told.set(id, fields)
    if (fields === '') return
    const { table, logger } = this.#options
    logger.warn('fields of records have no column and are left out', {
      table: table.definition.name,
      schema: id,
      fields,
    })
  }
}
