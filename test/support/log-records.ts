import { formatDecimal, type OffsetVector, type TableDefinition } from '#core'
import { avroSchema } from '../../src/ingest/avro-schema.js'
import type { Log } from '../../src/ingest/log/log.js'
import { WIRE_HEADER_BYTES } from '../../src/ingest/wire-format.js'
import { oracleType } from './avro-oracle.js'

/** A record as a person would write it: longs as text, decimals in plain notation. */
export type LoggedRecord = Readonly<Record<string, string | number | null>>

/** Every record of a topic, partition by partition, read with avsc. */
export function loggedRecords(log: Log, definition: TableDefinition): LoggedRecord[] {
  const type = oracleType(avroSchema(definition))
  const decimals = new Set(
    definition.columns.filter((column) => column.type === 'decimal').map((column) => column.name),
  )
  const byPartition = new Map<number, LoggedRecord[]>()
  let from: OffsetVector = log.begin(definition.topic)
  for (;;) {
    const { batches, next } = log.read(definition.topic, from, 1 << 20)
    if (batches.length === 0) break
    from = next
    for (const batch of batches) {
      const records = byPartition.get(batch.partition) ?? []
      byPartition.set(batch.partition, records)
      for (let index = 0; index < batch.count; index++) {
        const start = index === 0 ? 0 : batch.ends[index - 1]!
        const bytes = Buffer.from(batch.bytes.subarray(start + WIRE_HEADER_BYTES, batch.ends[index]))
        records.push(readable(type.fromBuffer(bytes), decimals))
      }
    }
  }
  return [...byPartition.entries()].sort(([a], [b]) => a - b).flatMap(([, records]) => records)
}

/** A record without what every load sets, its time as text and its empty columns left out. */
export function essence(record: LoggedRecord): Record<string, unknown> {
  const {
    source: _source,
    source_row: _row,
    exchange_timestamp: micros,
    exchange_nanos: nanos,
    ...rest
  } = record
  const time = new Date(Number(micros) / 1000).toISOString()
  const kept = Object.entries(rest).filter(([, value]) => value !== null)
  return { ...Object.fromEntries(kept), time: nanos === 0 ? time : `${micros}.${nanos}` }
}

function readable(record: object, decimals: ReadonlySet<string>): LoggedRecord {
  return Object.fromEntries(
    Object.entries(record).map(([name, value]: [string, unknown]) => {
      if (Buffer.isBuffer(value)) {
        return [name, decimals.has(name) ? formatDecimal(bigEndian(value)) : value.toString('latin1')]
      }
      return [name, typeof value === 'number' || value === null ? value : String(value)]
    }),
  )
}

function bigEndian(bytes: Buffer): bigint {
  return BigInt.asIntN(bytes.length * 8, BigInt(`0x${bytes.toString('hex') || '0'}`))
}
