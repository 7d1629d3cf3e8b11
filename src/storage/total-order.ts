/**
 * The total order of a table's rows: event time, nanoseconds, log partition, log offset. Rows of foreign engines have
 * no position and come last among their equals.
 */
export const ORDER_COLUMNS = ['exchange_timestamp', 'exchange_nanos', 'log_partition', 'log_offset'] as const

/** The parts of the key after the event time, in SQL, none of them NULL. */
export const AFTER_TIME = [
  'coalesce(exchange_nanos, 0)',
  'coalesce(log_partition, 2147483647)',
  'coalesce(log_offset, 9223372036854775807)',
] as const
