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
import type { DecodeProgram } from './decode-program.js'
import type { Inspector, Verdict } from './inspector.js'
import type { RecordBatch } from './log/log.js'
import { observe } from './observed.js'
import { RecordInterpreter } from './record-interpreter.js'
import { type FurtherColumns, RecordWriters, type SchemaSource } from './record-writers.js'
import { isExactTime } from './time-rules.js'
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
  readonly #columnNames: readonly string[]
  readonly #writers: RecordWriters
  readonly #further: FurtherColumns | null
  readonly #interpreter: RecordInterpreter

  /** Without `further`, fields that the definition does not know are skipped. */
  constructor(definition: TableDefinition, schemas: SchemaSource, further: FurtherColumns | null = null) {
    this.#definition = definition
    this.#columnNames = batchColumnNames(definition)
    this.#writers = new RecordWriters(definition, schemas, further)
    this.#further = further
    this.#interpreter = new RecordInterpreter(this.#columnNames)
  }

  /** Wire ids in these batches whose schemas are not known: `prepare` has not seen them, or nobody had registered them. */
  missing(batches: readonly RecordBatch[]): readonly number[] {
    return this.#writers.missing(batches)
  }

  /** False: the table has another schema than at the last `prepare`, which is due again. */
  get isResolved(): boolean {
    return this.#writers.areResolved
  }

  /** Looks up and compiles these schemas, as `RecordWriters` says. */
  prepare(ids: readonly number[]): Promise<void> {
    return this.#writers.prepare(ids)
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
    const builder = new BatchBuilder(this.#definition, recordCount, this.#writers.added)
    const refused: RefusedValue[] = []
    let row = 0
    for (const batch of batches) {
      const startRow = row
      row = this.#decodeBatch(batch, firstIndex(batch, from), builder, row, inspector, refused)
      this.#fillLogColumns(batch, builder, startRow, row)
    }
    for (const [column, count] of this.#interpreter.takeSpoilt())
      this.#further?.spoilt(this.#writers.fieldOf(column - this.#columnNames.length), count)
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
          const writer = this.#writers.of(id)
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

const TWO_TO_32 = 2 ** 32
const NO_PROGRAM: DecodeProgram = { code: [], subprograms: [] }
const WIRE_FORMAT = 'in the wire format (0x00, schema id, Avro)'

function unknownSchema(id: number): TicklakeError {
  return new TicklakeError('not_found', `schema id: nobody has registered ${id}`)
}

/** Refuses an event time that is not within ±2^53 µs: its day could not be told exactly. */
function checkTime(highHalf: number): void {
  if (isExactTime(highHalf)) return
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
