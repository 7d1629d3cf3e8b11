import {
  Bool,
  type DataType,
  Decimal,
  Dictionary,
  Field,
  Float64,
  Int32,
  Int64,
  type RecordBatch,
  RecordBatchStreamWriter,
  Schema,
  TimestampMicrosecond,
  TimestampNanosecond,
  Utf8,
} from 'apache-arrow'
import { assert, unreachable } from '#core'
import type { RowColumn, RowType } from '#engine'

/** What an Arrow reader has to know of a column before its first row. */
export type ArrowColumn = Pick<RowColumn, 'name' | 'type'>

/** Texts of which there are few: each batch has them once, in a dictionary. By name, so that all pages of a list have one schema. */
const FEW = new Set([
  ...['symbol', 'exchange', 'venue', 'side', 'currency', 'conditions', 'session', 'source', 'source_id'],
  ...['file', 'topic', 'reason', 'table', 'action', 'state', 'operation'],
])

/** Decimals are decimal128 and times timestamps, as pyarrow, pandas, polars and DuckDB read them without a word. */
export function arrowSchema(
  columns: readonly ArrowColumn[],
  metadata: ReadonlyMap<string, string> = new Map(),
): Schema {
  const fields = columns.map(({ name, type }, index) => new Field(name, arrowType(name, type, index), true))
  return new Schema(fields, new Map(metadata))
}

function arrowType(name: string, type: RowType, index: number): DataType {
  switch (type.kind) {
    case 'text':
      return FEW.has(name) ? new Dictionary(new Utf8(), new Int32(), index) : new Utf8()
    case 'boolean':
      return new Bool()
    case 'long':
      return new Int64()
    case 'double':
      return new Float64()
    case 'nanos':
      return new TimestampNanosecond('UTC')
    case 'micros':
      return new TimestampMicrosecond(type.utc ? 'UTC' : null)
    case 'decimal':
      return new Decimal(type.scale, type.precision, 128)
    default:
      return unreachable(type)
  }
}

/** A message begins with these four bytes, then the length of its head in four. */
const CONTINUATION = 0xffffffff
const PREFIX_BYTES = 8
/** What ends a stream: a message without head or body. */
export const END_OF_STREAM = Uint8Array.of(0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0)

/**
 * The first message of a stream: the schema, with what is known of the answer. It is apart from the rows: those of
 * equal answers are equal bytes.
 */
export function arrowOpening(
  columns: readonly ArrowColumn[],
  metadata: ReadonlyMap<string, string>,
): Uint8Array {
  const writer = new RecordBatchStreamWriter()
  writer.reset(undefined, arrowSchema(columns, metadata))
  const stream = writer.finish().toUint8Array(true)
  return stream.subarray(0, schemaBytes(stream))
}

/**
 * The messages of one batch, those of its dictionaries before it. A dictionary replaces the one that was there. Each batch
 * has a writer for itself: one that lives longer would keep what nobody takes, however slow the reader is.
 */
export function batchMessages(batch: RecordBatch): Uint8Array {
  const writer = new RecordBatchStreamWriter()
  writer.write(batch)
  const stream = writer.finish().toUint8Array(true)
  return stream.subarray(schemaBytes(stream), stream.length - END_OF_STREAM.length)
}

/** A schema is a message without a body. */
function schemaBytes(stream: Uint8Array): number {
  const view = new DataView(stream.buffer, stream.byteOffset, PREFIX_BYTES)
  assert(view.getUint32(0, true) === CONTINUATION, 'a stream begins with a message')
  return PREFIX_BYTES + view.getInt32(4, true)
}
