import { TRADES } from '#core'
import type { EncodeColumn } from '../../src/ingest/record-encoder.js'
import type { Row } from '../support/row-batch.js'
import type { SeededRandom } from '../support/seeded-random.js'
import { encodeColumns, plausibleTrades } from '../support/table-records.js'

const MAX_SOURCES = 3
const MAX_ROWS = 24
const SYMBOLS = ['A', 'BHP', 'thirteen long', '株式会社東京']
/** Few, so that a flush writes few files. */
const DAYS = [19_000n, 19_001n]
const MICROS_PER_DAY = 86_400_000_000n

/** What a producer brings: trades and, between them, values that are no records. */
export interface Source {
  readonly id: string
  readonly rows: readonly SourceRow[]
}

export type SourceRow =
  | { readonly kind: 'trade'; readonly number: bigint; readonly record: Row }
  | { readonly kind: 'junk'; readonly number: bigint; readonly text: string }

/** The seed's sources. With `repeats`, some rows carry a message id that another row of their symbol had. */
export function makeSources(random: SeededRandom, repeats: boolean): readonly Source[] {
  return Array.from({ length: 1 + random.below(MAX_SOURCES) }, (_, index) => {
    const id = `source-${index}`
    const records = plausibleTrades(random, 1 + random.below(MAX_ROWS))
    return { id, rows: records.map((record, row) => makeRow(random, id, BigInt(row + 1), record, repeats)) }
  })
}

function makeRow(random: SeededRandom, id: string, number: bigint, record: Row, repeats: boolean): SourceRow {
  if (random.oneIn(20)) return { kind: 'junk', number, text: `junk ${id}/${number}.` }
  const own = {
    symbol: random.pick(SYMBOLS),
    exchange: 'ASX',
    exchange_timestamp: random.pick(DAYS) * MICROS_PER_DAY + random.bigBelow(MICROS_PER_DAY),
    message_id: repeats && random.oneIn(3) ? `repeated ${random.below(6)}` : null,
    sequence_number: null,
    quality_flags: 0,
  }
  return { kind: 'trade', number, record: { ...record, ...own } }
}

/** As the producer's encoder takes them. */
export function sourceColumns(records: readonly Row[]): ReadonlyMap<string, EncodeColumn> {
  return new Map(encodeColumns(TRADES, records).map((column, index) => [FIELD_NAMES[index] ?? '', column]))
}

const FIELD_NAMES = [
  ...TRADES.columns.filter((column) => column.origin === 'record').map((column) => column.name),
  'source_row',
]
