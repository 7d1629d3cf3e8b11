import { columns, type TableDefinition } from './table-definition.js'

/** Records that were refused, whole, each with its reason. */
export const QUARANTINE: TableDefinition = {
  name: 'quarantine',
  topic: 'market-data.quarantine',
  columns: columns([
    ['received_at', 'timestamptz', 'log', 'when the log took the refused record, µs since 1970 UTC'],
    ['source_id', 'string', 'required', 'source id of the load; of posted rows, their source'],
    ['file', 'string', 'optional', 'name of the file that held it; http of posted rows'],
    ['line', 'long', 'optional', 'line (or row) of that file, from 1'],
    ['topic', 'string', 'required', 'the topic it was meant for'],
    ['reason', 'string', 'required', 'one of the QuarantineReason codes'],
    ['detail', 'string', 'required', 'field, value and what would have been right'],
    ['original', 'binary', 'required', 'the record as it came'],
    ['log_partition', 'int', 'log', 'partition of market-data.quarantine'],
    ['log_offset', 'long', 'log', 'offset in that partition'],
  ]),
  partitionColumn: 'received_at',
  sortColumns: ['received_at', 'log_partition', 'log_offset'],
}
