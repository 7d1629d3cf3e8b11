import { assert, CORRECTIONS, QUARANTINE, type QuarantineReason, type TableDefinition } from '#core'
import { avroSchema, type RecordField, recordFields } from './avro-schema.js'
import type { LogRecord } from './log/log.js'
import { type EncodeColumn, RecordEncoder } from './record-encoder.js'
import type { SchemaRegistry } from './registry/registry.js'

/** A refused row of a source, as it goes to quarantine. */
export interface RefusedRow {
  readonly line: bigint
  readonly reason: QuarantineReason
  readonly detail: string
  readonly original: Uint8Array
}

/** Where rows come from: stated in each record. */
export interface SourceName {
  readonly sourceId: string
  readonly fileName: string
}

/** Turns columns into the records of one topic and, for refused rows, of the quarantine topic. */
export class Producer {
  readonly #definition: TableDefinition
  readonly #fields: readonly RecordField[]
  readonly #encoder: RecordEncoder
  readonly #quarantineFields: readonly RecordField[]
  readonly #quarantineEncoder: RecordEncoder

  private constructor(definition: TableDefinition, wireId: number, quarantineWireId: number) {
    this.#definition = definition
    this.#fields = recordFields(definition)
    this.#encoder = new RecordEncoder(definition, wireId)
    this.#quarantineFields = recordFields(QUARANTINE)
    this.#quarantineEncoder = new RecordEncoder(QUARANTINE, quarantineWireId)
  }

  /** Registers both writer schemas: no record is ever in the log before its schema. */
  static async open(definition: TableDefinition, registry: SchemaRegistry): Promise<Producer> {
    const register = (table: TableDefinition) =>
      registry.register(`${table.topic}-value`, JSON.stringify(avroSchema(table)))
    const own = await register(definition)
    const quarantine = await register(QUARANTINE)
    return new Producer(definition, own.id, quarantine.id)
  }

  /**
   * The records of `rowCount` accepted rows, in their order. Columns are by field name; an absent one is null.
   * The key of an event, and so its partition, is the symbol. `sourceRows` are the rows' numbers in their source; null: they have
   * none, and so no message id but their own.
   */
  accepted(
    columns: ReadonlyMap<string, EncodeColumn>,
    rowCount: number,
    source: SourceName,
    sourceRows: BigInt64Array | null,
  ): LogRecord[] {
    if (rowCount === 0) return []
    const own = new Map<string, EncodeColumn>([['source', constant(source.sourceId, rowCount)]])
    if (sourceRows) own.set('source_row', { kind: 'long', values: sourceRows })
    const values = this.#encoder.encode(
      this.#fields.map((field) => own.get(field.name) ?? columns.get(field.name) ?? absent(field, rowCount)),
      rowCount,
      0,
      rowCount,
    )
    const keyOf = this.#keys(columns)
    return values.map((value, row) => ({ key: keyOf(row), value }))
  }

  /** Events are in order by symbol. Corrections are, one and all, by table: they share a key. */
  #keys(columns: ReadonlyMap<string, EncodeColumn>): (row: number) => string {
    const { name } = this.#definition
    if (name === CORRECTIONS.name) return () => name
    const symbols = columns.get('symbol')
    assert(symbols?.kind === 'string', 'every table of events has a symbol')
    return (row) => {
      const key = symbols.values[row]
      assert(typeof key === 'string', 'an accepted row has a symbol')
      return key
    }
  }

  /** The quarantine's records of refused rows: their key is the source. */
  refused(rows: readonly RefusedRow[], source: SourceName): LogRecord[] {
    if (rows.length === 0) return []
    const columns = new Map<string, EncodeColumn>([
      ['source_id', constant(source.sourceId, rows.length)],
      ['file', constant(source.fileName, rows.length)],
      ['line', { kind: 'long', values: rows.map((row) => row.line) }],
      ['topic', constant(this.#definition.topic, rows.length)],
      ['reason', { kind: 'string', values: rows.map((row) => row.reason) }],
      ['detail', { kind: 'string', values: rows.map((row) => row.detail) }],
      ['original', { kind: 'bytes', values: rows.map((row) => row.original) }],
    ])
    const values = this.#quarantineEncoder.encode(
      this.#quarantineFields.map((field) => columns.get(field.name) ?? absent(field, rows.length)),
      rows.length,
      0,
      rows.length,
    )
    return values.map((value) => ({ key: source.sourceId, value }))
  }
}

function constant(value: string, rowCount: number): EncodeColumn {
  return { kind: 'string', values: new Array<string>(rowCount).fill(value) }
}

function absent(field: RecordField, rowCount: number): EncodeColumn {
  // A side that a format does not know is unknown; all other required fields are always given.
  const nothing = field.name === 'side' && field.required ? 'unknown' : null
  assert(nothing !== null || !field.required, `${field.name} is given`)
  switch (field.type) {
    case 'string':
      return { kind: 'string', values: new Array<string | null>(rowCount).fill(nothing) }
    case 'int':
      return { kind: 'int', values: new Array<null>(rowCount).fill(null) }
    case 'binary':
      return { kind: 'bytes', values: new Array<null>(rowCount).fill(null) }
    default:
      return { kind: 'long', values: new Array<null>(rowCount).fill(null) }
  }
}
