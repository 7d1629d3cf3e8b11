import type { ColumnDefinition, TableDefinition } from '#core'

/** Columns that a row does not give by a field of their own. */
const NOT_POSTED = ['exchange_nanos', 'source', 'known_offsets']

/** Fields that go by another name than their column: the names of `GET /v1/trades` and `/v1/quotes`. */
const NAMES: Readonly<Record<string, string>> = {
  exchange_timestamp: 'ts',
  sequence_number: 'sequence',
  quality_flags: 'flags',
  correction_id: 'id',
  target_table: 'table',
  target_message_id: 'message_id',
  target_partition: 'log_partition',
  target_offset: 'log_offset',
  target_symbol: 'symbol',
  target_exchange: 'exchange',
}

/** The event time as whole nanoseconds: for rows that do not give `ts`, or to say it more exactly. */
export const TIME_NANOS = 'ts_ns'

/** What answers hold and the log gives anew: it may be posted, and is not looked at. */
const IGNORED = 'ingest_ts'

/** The columns that rows give values for, in the table's order. */
export function postedColumns(definition: TableDefinition): readonly ColumnDefinition[] {
  return definition.columns.filter(({ name, origin }) => origin === 'record' && !NOT_POSTED.includes(name))
}

/** The field that a column's value is posted in. */
export function fieldOf(column: string): string {
  return NAMES[column] ?? column
}

/** Every name that a row of the table may hold, in the order of an answer's fields as far as both have them. */
export function fieldNames(definition: TableDefinition): readonly string[] {
  const names = postedColumns(definition).map(({ name }) => fieldOf(name))
  return names.flatMap((name) => (name === 'ts' ? [name, TIME_NANOS] : [name])).concat(IGNORED)
}
