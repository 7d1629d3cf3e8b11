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
import type { SchemaRegistry } from './registry/registry.js'
import { WIRE_HEADER_BYTES, wireId } from './wire-format.js'

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
  readonly #registry: SchemaRegistry
  readonly #columnNames: readonly string[]
  /** By wire id: how to decode its records, or why that is impossible. */
  readonly #programs = new Map<number, DecodeProgram | TicklakeError>()
  readonly #interpreter: RecordInterpreter

  constructor(definition: TableDefinition, registry: SchemaRegistry) {
    this.#definition = definition
    this.#registry = registry
    this.#columnNames = batchColumnNames(definition)
    this.#interpreter = new RecordInterpreter(this.#columnNames)
  }

  /** Wire ids in these batches that `prepare` has not seen. */
  missing(batches: readonly RecordBatch[]): readonly number[] {
    const missing = new Set<number>()
    let known = -1
    for (const { bytes, ends } of batches) {
      for (let index = 0; index < ends.length; index++) {
        const id = wireId(bytes, index === 0 ? 0 : ends[index - 1]!, ends[index]!)
        if (id === known || id === -1) continue
        if (this.#programs.has(id)) known = id
        else missing.add(id)
      }
    }
    return [...missing]
  }

  /**
   * Looks up and compiles these schemas. One that nobody registered, or that can't be resolved to the table, is
   * remembered: its records are malformed. A registry that does not answer is an error.
   */
  async prepare(ids: readonly number[]): Promise<void> {
    for (const id of ids) this.#programs.set(id, await this.#compile(id))
  }

  async #compile(id: number): Promise<DecodeProgram | TicklakeError> {
    try {
      const { schema } = await this.#registry.byId(id)
      return compileProgram(schema, this.#definition, (field) => this.#columnNames.indexOf(field))
    } catch (error) {
      if (error instanceof TicklakeError && (error.code === 'not_found' || error.code === 'invalid_input'))
        return error
      throw error
    }
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
    let programId = -1
    let program = NO_PROGRAM
    let start = first === 0 ? 0 : ends[first - 1]!
    for (let index = first; index < count; index++) {
      const end = ends[index]!
      const offset = baseOffset + index
      let verdict: Verdict
      try {
        const id = wireId(bytes, start, end)
        if (id === -1) throw invalid('value', hex(bytes, start, end), WIRE_FORMAT)
        if (id !== programId) {
          program = this.#prepared(id)
          programId = id
        }
        this.#interpreter.decode(program, bytes, start + WIRE_HEADER_BYTES, end, builder, row)
        checkTime(times[row * 2 + 1]!)
        verdict = inspector === null ? null : inspector.inspect(builder, row, partition, appendedAt)
      } catch (error) {
        if (!(error instanceof TicklakeError)) throw error
        verdict = { reason: 'malformed', detail: error.message }
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

  #prepared(id: number): DecodeProgram {
    const program = this.#programs.get(id)
    assert(program !== undefined, 'every wire id has been prepared')
    if (program instanceof TicklakeError) throw program
    return program
  }

  #fillLogColumns(batch: RecordBatch, builder: BatchBuilder, from: number, to: number): void {
    this.#definition.columns.forEach((column, index) => {
      if (column.origin !== 'log' || column.name === 'log_offset') return
      if (column.type === 'timestamptz') builder.fillLong(index, batch.appendedAtMicros, from, to)
      else builder.fillInt(index, batch.partition, from, to)
    })
  }
}

const TWO_TO_32 = 2 ** 32
/** The upper 32 bits of 2^53 µs. */
const MAX_TIME_HIGH_HALF = 2 ** 21
const NO_PROGRAM: DecodeProgram = { code: [], subprograms: [] }
const WIRE_FORMAT = 'in the wire format (0x00, schema id, Avro)'

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
