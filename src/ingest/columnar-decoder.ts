import {
  assert,
  batchColumnNames,
  invalid,
  type OffsetVector,
  type QuarantineReason,
  type TableDefinition,
  TicklakeError,
} from '#core'
import type { LogRows } from '#storage'
import { BatchBuilder } from './batch-builder.js'
import { compileProgram, type DecodeProgram } from './decode-program.js'
import type { Inspector, Verdict } from './inspector.js'
import type { RecordBatch } from './log/log.js'
import { observe } from './observed.js'
import { RecordInterpreter } from './record-interpreter.js'
import { parseSchema } from './registry/schema-text.js'
import { WIRE_HEADER_BYTES, wireId } from './wire-format.js'

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

/** What is known of those who write with one wire id. */
interface Writer {
  /** How to decode its records, why that is impossible, or null: nobody has registered its schema. */
  readonly program: DecodeProgram | TicklakeError | null
  readonly unknownBefore: OffsetVector
}

/** A value that is no row of the table: kept whole, for quarantine. */
export interface RefusedValue {
  readonly partition: number
  readonly offset: number
  readonly bytes: Uint8Array
  readonly reason: QuarantineReason
  /** Field, value and what would have been right. */
  readonly detail: string
}

/** `batch.rowCount + refused.length + duplicates` records were taken from the log. */
export interface DecodedBatch extends Omit<LogRows, 'ledger'> {
  readonly refused: readonly RefusedValue[]
  /** Records that came before, by their message id. */
  readonly duplicates: number
}

/**
 * Turns log records into columns of a table, straight from the bytes of whatever schema they were written in: no
 * object, bigint or closure a row. avsc, which makes objects, is its oracle in the tests.
 *
 * Instructions are interpreted rather than made into JavaScript: that is fast enough (3 M trades/s, most of it
 * memory traffic), and can be read, profiled and stepped through.
 */
export class ColumnarDecoder {
  readonly #definition: TableDefinition
  readonly #schemas: SchemaSource
  readonly #columnNames: readonly string[]
  /** By wire id. */
  readonly #writers = new Map<number, Writer>()
  readonly #interpreter: RecordInterpreter

  constructor(definition: TableDefinition, schemas: SchemaSource) {
    this.#definition = definition
    this.#schemas = schemas
    this.#columnNames = batchColumnNames(definition)
    this.#interpreter = new RecordInterpreter(this.#columnNames)
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
   * the table, are refused. A registry that does not answer is an error.
   */
  async prepare(ids: readonly number[]): Promise<void> {
    const isNew = (id: number) => !this.#writers.has(id)
    const met = await this.#schemas.schemasOf(ids.filter(isNew), true)
    // Waited for once and in vain: a producer that never registers must not hold up the log again and again.
    const askedAgain = ids.filter((id) => !isNew(id))
    const schemas = new Map([...met, ...(await this.#schemas.schemasOf(askedAgain, false))])
    for (const id of ids) {
      const schema = schemas.get(id)
      const program = schema === undefined ? null : this.#compile(id, schema)
      this.#writers.set(id, { program, unknownBefore: this.#schemas.unknownBefore(id) })
    }
  }

  #compile(id: number, schema: string): DecodeProgram | TicklakeError {
    try {
      const columnOf = (field: string) => this.#columnNames.indexOf(field)
      return compileProgram(parseSchema(`schema ${id}`, schema), this.#definition, columnOf)
    } catch (error) {
      if (error instanceof TicklakeError && error.code === 'invalid_input') return error
      throw error
    }
  }

  /** Bytes that are no records may name any number of schemas, which then are asked for again. */
  #forgetUnknown(): void {
    if (this.#writers.size <= MAX_WRITERS) return
    for (const [id, { program }] of this.#writers) if (program === null) this.#writers.delete(id)
  }

  /**
   * Decodes the records at and after `from`. Every wire id has been prepared. An inspector sees the rows in the order
   * of the log, and decides which of them stay.
   */
  decode(
    batches: readonly RecordBatch[],
    from: OffsetVector,
    inspector: Inspector | null = null,
  ): DecodedBatch {
    const recordCount = batches.reduce((sum, batch) => sum + batch.count - firstIndex(batch, from), 0)
    const builder = new BatchBuilder(this.#definition, recordCount)
    const refused: RefusedValue[] = []
    let row = 0
    for (const batch of batches) {
      const startRow = row
      row = this.#decodeBatch(batch, firstIndex(batch, from), builder, row, inspector, refused)
      this.#fillLogColumns(batch, builder, startRow, row)
    }
    const batch = builder.finish(row)
    return { batch, refused, duplicates: recordCount - row - refused.length, ...observe(batch) }
  }

  #decodeBatch(
    { bytes, ends, partition, baseOffset, count, appendedAtMicros }: RecordBatch,
    first: number,
    builder: BatchBuilder,
    startRow: number,
    inspector: Inspector | null,
    refused: RefusedValue[],
  ): number {
    const offsets = builder.halves[this.#columnNames.indexOf('log_offset')]!
    // The log's own times are filled in later, and are zeros here.
    const times = builder.halves[this.#columnNames.indexOf(this.#definition.partitionColumn)]!
    const appendedAt = Number(appendedAtMicros)
    let row = startRow
    let writerId = -1
    let program = NO_PROGRAM
    let unknownBefore = 0
    let start = first === 0 ? 0 : ends[first - 1]!
    for (let index = first; index < count; index++) {
      const end = ends[index]!
      const offset = baseOffset + index
      let verdict: Verdict
      try {
        const id = wireId(bytes, start, end)
        if (id === -1) throw invalid('value', hex(bytes, start, end), WIRE_FORMAT)
        if (id !== writerId) {
          const writer = this.#writers.get(id)
          assert(writer !== undefined, 'every wire id has been prepared')
          if (writer.program instanceof TicklakeError) throw writer.program
          program = writer.program ?? NO_PROGRAM
          unknownBefore = writer.program === null ? Infinity : (writer.unknownBefore[partition] ?? 0)
          writerId = id
        }
        if (offset < unknownBefore) throw unknownSchema(id)
        this.#interpreter.decode(program, bytes, start + WIRE_HEADER_BYTES, end, builder, row)
        checkTime(times[row * 2 + 1]!)
        verdict = inspector === null ? null : inspector.inspect(builder, row, partition, appendedAt)
      } catch (error) {
        if (!(error instanceof TicklakeError)) throw error
        const reason = error.code === 'not_found' ? 'unknown_schema' : 'malformed'
        verdict = { reason, detail: error.message }
      }
      if (verdict === null) {
        offsets[row * 2] = offset | 0
        offsets[row * 2 + 1] = offset / TWO_TO_32
        row++
      } else {
        builder.clearRow(row)
        if (verdict !== 'duplicate') {
          refused.push({ partition, offset, bytes: new Uint8Array(bytes.subarray(start, end)), ...verdict })
        }
      }
      start = end
    }
    return row
  }

  #fillLogColumns(batch: RecordBatch, builder: BatchBuilder, from: number, to: number): void {
    this.#definition.columns.forEach((column, index) => {
      if (column.origin !== 'log' || column.name === 'log_offset') return
      if (column.type === 'timestamptz') builder.fillLong(index, batch.appendedAtMicros, from, to)
      else builder.fillInt(index, batch.partition, from, to)
    })
  }
}

/** Far more than a topic has in its life. */
const MAX_WRITERS = 10_000
const TWO_TO_32 = 2 ** 32
/** The upper 32 bits of 2^53 µs. */
const MAX_TIME_HIGH_HALF = 2 ** 21
const NO_PROGRAM: DecodeProgram = { code: [], subprograms: [] }
const WIRE_FORMAT = 'in the wire format (0x00, schema id, Avro)'

function unknownSchema(id: number): TicklakeError {
  return new TicklakeError('not_found', `schema id: nobody has registered ${id}`)
}

/** Refuses an event time that is not within ±2^53 µs: its day could not be told exactly. */
function checkTime(highHalf: number): void {
  if (highHalf >= -MAX_TIME_HIGH_HALF && highHalf < MAX_TIME_HIGH_HALF) return
  throw invalid('event_time', `${highHalf} * 2^32 µs`, 'a time in the years 1684 to 2255')
}

/** The first record of the batch at or after `from`: a position may fall inside a batch. */
function firstIndex(batch: RecordBatch, from: OffsetVector): number {
  const start = from[batch.partition]
  assert(start !== undefined, `partition ${batch.partition} has a position`)
  return Math.min(batch.count, Math.max(0, start - batch.baseOffset))
}

function hex(bytes: Uint8Array, start: number, end: number): string {
  return Buffer.from(bytes.subarray(start, Math.min(end, start + 16))).toString('hex')
}
