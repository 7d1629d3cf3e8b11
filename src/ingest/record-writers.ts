import type { Schema } from 'avsc'
import {
  type AddedColumn,
  batchColumnNames,
  type OffsetVector,
  type TableDefinition,
  TicklakeError,
} from '#core'
import { compileProgram, type DecodeProgram } from './decode-program.js'
import type { RecordBatch } from './log/log.js'
import { parseSchema } from './registry/schema-text.js'
import { wireId } from './wire-format.js'

/** Where the schemas of wire ids come from. */
export interface SchemaSource {
  /** JSON texts by id; what is missing nobody has registered. `mayWait`: it may be registered in a moment. */
  schemasOf(ids: readonly number[], mayWait: boolean): Promise<ReadonlyMap<number, string>>
  /**
   * Of each partition, the offset before which records of this id have been refused because it was unknown. They stay
   * refused when it is registered later: another reading of the same log must not end otherwise.
   */
  unknownBefore(id: number): OffsetVector
}

/** Where fields of records go that the definition does not know. */
export interface FurtherColumns {
  /** Number of the table's schema. What was answered under another one is asked for again. */
  readonly schemaId: number
  /** By field, the columns that records of a schema fill. It has been found to be one of rows of the table. */
  columnsOf(id: number, schema: Schema): Promise<ReadonlyMap<string, AddedColumn>>
  /** Values of this field were not what its schema says, and their rows have none. */
  spoilt(field: string, count: number): void
}

/** What is known of those who write with one wire id. */
export interface RecordWriter {
  /** How to decode its records, why that is impossible, or null: nobody has registered its schema. */
  readonly program: DecodeProgram | TicklakeError | null
  readonly unknownBefore: OffsetVector
}

interface ResolvedWriter extends RecordWriter {
  /** Null while there is no program. */
  readonly schema: Schema | null
  /** By field, what its records fill besides the definition's columns. */
  readonly columns: ReadonlyMap<string, AddedColumn>
}

/**
 * Those who write the records of a topic, by wire id, and how their schemas become columns of one batch: it has the
 * columns of the definition and every added one that any of them fills.
 */
export class RecordWriters {
  readonly #definition: TableDefinition
  readonly #schemas: SchemaSource
  readonly #further: FurtherColumns | null
  readonly #columnNames: readonly string[]
  readonly #writers = new Map<number, ResolvedWriter>()
  #added: readonly AddedColumn[] = []
  /** The table's schema under which `added` was found. */
  #schemaId: number | null

  constructor(definition: TableDefinition, schemas: SchemaSource, further: FurtherColumns | null) {
    this.#definition = definition
    this.#schemas = schemas
    this.#further = further
    this.#columnNames = batchColumnNames(definition)
    this.#schemaId = further?.schemaId ?? null
  }

  /** The columns of a batch besides those of the definition, by field id. */
  get added(): readonly AddedColumn[] {
    return this.#added
  }

  /** False: the table has another schema by now, and `prepare` is due. */
  get areResolved(): boolean {
    return this.#further === null || this.#further.schemaId === this.#schemaId
  }

  of(id: number): RecordWriter | undefined {
    return this.#writers.get(id)
  }

  /** A field that fills this column of a batch's added ones. */
  fieldOf(index: number): string {
    const id = this.#added[index]?.id
    for (const { columns } of this.#writers.values())
      for (const [field, column] of columns) if (column.id === id) return field
    throw new RangeError(`no writer fills the added column ${index}`)
  }

  /** Wire ids in these batches whose schemas are not known: `prepare` has not seen them, or nobody had registered them. */
  missing(batches: readonly RecordBatch[]): readonly number[] {
    this.#forgetUnknown()
    const missing = new Set<number>()
    let known = -1
    for (const { bytes, ends } of batches) {
      for (let index = 0; index < ends.length; index++) {
        const id = wireId(bytes, index === 0 ? 0 : ends[index - 1]!, ends[index]!)
        if (id === known || id === -1) continue
        if (this.#writers.get(id)?.program) known = id
        else missing.add(id)
      }
    }
    return [...missing]
  }

  /**
   * Looks up and compiles these schemas. The records of one that nobody has registered, or that can't be resolved to
   * the table, are refused. A registry or a table that does not answer is an error.
   */
  async prepare(ids: readonly number[]): Promise<void> {
    const isNew = (id: number) => !this.#writers.has(id)
    const met = await this.#schemas.schemasOf(ids.filter(isNew), true)
    // Waited for once and in vain: a producer that never registers must not hold up the log again and again.
    const askedAgain = ids.filter((id) => !isNew(id))
    const schemas = new Map([...met, ...(await this.#schemas.schemasOf(askedAgain, false))])
    for (const id of ids) {
      const text = schemas.get(id)
      const resolved = text === undefined ? { program: null, schema: null } : this.#resolve(id, text)
      const unknownBefore = this.#schemas.unknownBefore(id)
      this.#writers.set(id, { ...resolved, unknownBefore, columns: NO_COLUMNS })
    }
    if (this.#further !== null) await this.#resolveFurther(ids, this.#further)
  }

  #resolve(id: number, text: string): Pick<ResolvedWriter, 'program' | 'schema'> {
    try {
      const schema = parseSchema(`schema ${id}`, text)
      return { program: this.#compile(schema, NO_COLUMNS), schema }
    } catch (error) {
      if (error instanceof TicklakeError && error.code === 'invalid_input')
        return { program: error, schema: null }
      throw error
    }
  }

  /** What these schemas fill; and all others, if the table has another schema than before, perhaps by this very asking. */
  async #resolveFurther(ids: readonly number[], further: FurtherColumns): Promise<void> {
    let due: readonly number[] = ids
    do {
      if (further.schemaId !== this.#schemaId) due = [...this.#writers.keys()]
      this.#schemaId = further.schemaId
      for (const id of due) {
        const writer = this.#writers.get(id)
        if (writer?.schema)
          this.#writers.set(id, { ...writer, columns: await further.columnsOf(id, writer.schema) })
      }
    } while (further.schemaId !== this.#schemaId)
    const filled = [...this.#writers.values()].flatMap(({ columns }) => [...columns.values()])
    this.#added = [...new Map(filled.map((column) => [column.id, column])).values()].sort(
      (a, b) => a.id - b.id,
    )
    for (const [id, writer] of this.#writers) {
      if (writer.schema)
        this.#writers.set(id, { ...writer, program: this.#compile(writer.schema, writer.columns) })
    }
  }

  #compile(schema: Schema, columns: ResolvedWriter['columns']): DecodeProgram {
    const fields = new Map([...columns].map(([field, { id }]) => [id, field]))
    const added = this.#added.map(({ id, type }, index) => ({
      column: this.#columnNames.length + index,
      type,
      field: fields.get(id) ?? null,
    }))
    return compileProgram(schema, this.#definition, (field) => this.#columnNames.indexOf(field), added)
  }

  /** Bytes that are no records may name any number of schemas, which then are asked for again. */
  #forgetUnknown(): void {
    if (this.#writers.size <= MAX_WRITERS) return
    for (const [id, { program }] of this.#writers) if (program === null) this.#writers.delete(id)
  }
}

/** Far more than a topic has in its life. */
const MAX_WRITERS = 10_000
const NO_COLUMNS: ResolvedWriter['columns'] = new Map()
