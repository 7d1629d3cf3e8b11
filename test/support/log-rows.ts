import { dayOfMicros, EMPTY_LEDGER, type Ledger, type TableDefinition } from '#core'
import type { LogRows } from '#storage'
import { batchOfRows, long, type Row } from './row-batch.js'

/** Rows as the consumer hands them to a table. */
export function logRows(
  definition: TableDefinition,
  rows: readonly Row[],
  ledger: Ledger = EMPTY_LEDGER,
): LogRows {
  const days = new Set(rows.map((row) => dayOfMicros(long(row[definition.partitionColumn]))))
  const watermarks = new Map<string, bigint>()
  for (const { exchange, exchange_timestamp: time } of rows) {
    if (typeof exchange !== 'string' || typeof time !== 'bigint') continue
    const known = watermarks.get(exchange)
    if (known === undefined || time > known) watermarks.set(exchange, time)
  }
  return { batch: batchOfRows(definition, rows), days, watermarks, ledger }
}
