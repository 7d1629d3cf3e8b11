import { formatDecimal, type OffsetVector, QUARANTINE, TRADES } from '#core'
import type { StoreChange } from '../../src/ingest/log/log-store.js'
import { unpackBatch } from '../../src/ingest/log/stored-batch.js'
import { long } from '../support/row-batch.js'
import { isHidden } from './faulty-log.js'
import type { Source, SourceRow } from './sources.js'

interface Logged {
  readonly offset: number
  readonly source: string
  readonly row: SourceRow
  /** Whether the table is to hold it. */
  readonly isVisible: boolean
}

/** What the log holds for certain, heard from its store: what every answer is held against. */
export class Model {
  readonly #partitions: Logged[][]
  readonly #sent = new Map<string, { readonly source: string; readonly row: SourceRow }>()
  readonly #ids = new Set<string>()
  readonly #dedupe: boolean
  readonly #quarantined: Buffer[] = []

  constructor(partitionCount: number, dedupe: boolean) {
    this.#partitions = Array.from({ length: partitionCount }, () => [])
    this.#dedupe = dedupe
  }

  /** A producer is about to append this. The same bytes mean the same row. */
  sends(value: Uint8Array, source: string, row: SourceRow): void {
    this.#sent.set(key(value), { source, row })
  }

  /** A change of the log's store is durable. */
  logged({ put = [] }: StoreChange): void {
    for (const { position, bytes } of put) {
      const batch = unpackBatch(position, bytes)
      for (let index = 0; index < batch.count; index++) {
        const value = batch.bytes.subarray(index === 0 ? 0 : batch.ends[index - 1]!, batch.ends[index])
        if (isHidden(value)) continue
        if (position.topic === QUARANTINE.topic) this.#quarantined.push(Buffer.from(value))
        if (position.topic === TRADES.topic) this.#take(position.partition, batch.baseOffset + index, value)
      }
    }
  }

  #take(partition: number, offset: number, value: Uint8Array): void {
    const sent = this.#sent.get(key(value))
    if (!sent) throw new Error(`the log holds a value at ${partition}:${offset} that nobody sent`)
    const isVisible =
      sent.row.kind === 'trade' && !this.#cameBefore(partition, messageId(sent.source, sent.row))
    this.#partitions[partition]!.push({ offset, ...sent, isVisible })
  }

  #cameBefore(partition: number, id: string): boolean {
    const found = `${partition} ${id}`
    if (this.#dedupe && this.#ids.has(found)) return true
    this.#ids.add(found)
    return false
  }

  /** The rows below a vector, as text, by position. */
  rows(offsets: OffsetVector): readonly string[] {
    return this.#partitions.flatMap((list, partition) =>
      list
        .filter(({ offset, isVisible }) => isVisible && offset < offsets[partition]!)
        .map((logged) => rowText(partition, logged)),
    )
  }

  /** Rows that the table is to hold and duplicates that it is not, by partition and symbol. */
  counts(): ReadonlyMap<string, string> {
    const counts = new Map<string, { accepted: number; duplicates: number }>()
    for (const [partition, list] of this.#partitions.entries()) {
      for (const { row, isVisible } of list) {
        if (row.kind === 'junk') continue
        const name = `${partition} ${row.record.symbol}`
        const count = counts.get(name) ?? { accepted: 0, duplicates: 0 }
        counts.set(name, count)
        if (isVisible) count.accepted++
        else count.duplicates++
      }
    }
    return new Map([...counts].map(([name, { accepted, duplicates }]) => [name, `${accepted} ${duplicates}`]))
  }

  /** What is wrong with the log itself: a row that is not there once, an order that was not kept, junk likewise. */
  problem(sources: readonly Source[]): string | null {
    const all = this.#partitions.flat()
    for (const { id, rows } of sources) {
      for (const row of rows) {
        const times = all.filter((logged) => logged.source === id && logged.row === row).length
        if (times !== 1) return `row ${row.number} of ${id} is in the log ${times} times`
        if (row.kind === 'trade') continue
        const kept = this.#quarantined.filter((value) => value.includes(row.text)).length
        if (kept !== 1) return `${row.text} is in the quarantine ${kept} times`
      }
    }
    for (const list of this.#partitions) {
      const newest = new Map<string, bigint>()
      for (const { source, row } of list) {
        if (row.kind === 'junk') continue
        const name = `${source} ${row.record.symbol}`
        if ((newest.get(name) ?? 0n) >= row.number) return `row ${row.number} of ${name} is out of order`
        newest.set(name, row.number)
      }
    }
    return null
  }
}

/** SQL that gives a row of trades as `rows` does. */
export const ROW_TEXT_SQL = `log_partition || ':' || log_offset || ' ' || symbol || ' ' || price || ' ' || message_id`

function rowText(partition: number, { offset, source, row }: Logged): string {
  if (row.kind === 'junk') return row.text
  const { symbol, price } = row.record
  return `${partition}:${offset} ${symbol} ${fixed(long(price))} ${messageId(source, row)}`
}

/** With all eight digits, as DuckDB prints a DECIMAL(18,8). */
function fixed(scaled: bigint): string {
  const [whole = '', fraction = ''] = formatDecimal(scaled).split('.')
  return `${whole}.${fraction.padEnd(8, '0')}`
}

function messageId(source: string, row: SourceRow): string {
  const own = row.kind === 'trade' ? row.record.message_id : null
  return typeof own === 'string' ? own : `${source}:${row.number}`
}

function key(value: Uint8Array): string {
  return Buffer.from(value).toString('latin1')
}
