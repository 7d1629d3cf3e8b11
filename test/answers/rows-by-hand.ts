import { formatMicros } from '#core'
import type { AsofRequest, LatestRequest, MarketSnapshotRequest, Order, RowsRequest, Selection } from '#query'
import { decimal } from '../support/exact-decimal.js'
import type { CellValue, Row } from '../support/row-batch.js'

/*
 * Answers of rows the slow, obvious way: every row is looked at, one after the other. Rows must not tie: which of several
 * comes first is up to a hash.
 */

const NANOS_PER_SECOND = 1_000_000_000n

/** The fields that are asked for, in this order. */
export const ASKED_FIELDS = {
  trades: 'symbol,exchange,ts,ts_ns,price,size,side,venue,trade_id,conditions,message_id'.split(','),
  quotes: 'symbol,exchange,ts,ts_ns,bid_price,bid_size,ask_price,ask_size,venue,conditions,message_id'.split(
    ',',
  ),
}
const QUOTE_BESIDE = 'quote_ts,quote_ts_ns,bid_price,bid_size,ask_price,ask_size,mid,spread'.split(',')
const SNAPSHOT_TRADE = ['trade_ts', 'trade_ts_ns', 'price', 'size', 'side', 'venue', 'conditions']
export const ASKED_ASOF = [...ASKED_FIELDS.trades, ...QUOTE_BESIDE]
export const ASKED_SNAPSHOT = ['symbol', 'exchange', ...SNAPSHOT_TRADE, ...QUOTE_BESIDE]

export type Shown = Readonly<Record<string, unknown>>

export function rowsByHand(rows: readonly Row[], request: RowsRequest): readonly Shown[] {
  return inOrder(selected(rows, request), request.order).map((row) => shown(row, ASKED_FIELDS[request.table]))
}

export function latestByHand(rows: readonly Row[], request: LatestRequest): readonly Shown[] {
  return lastOfEach(rows, request).map(([, row]) => shown(row, ASKED_FIELDS[request.table]))
}

export function asofByHand(
  trades: readonly Row[],
  quotes: readonly Row[],
  request: AsofRequest,
): readonly Shown[] {
  const byInstrument = new Map<string, Row[]>()
  for (const quote of inOrder(quotes, 'asc')) {
    const own = byInstrument.get(instrumentOf(quote)) ?? []
    byInstrument.set(instrumentOf(quote), [...own, quote])
  }
  return inOrder(selected(trades, request), request.order).map((trade) => {
    const quote = byInstrument
      .get(instrumentOf(trade))
      ?.findLast((candidate) =>
        request.prevailing === 'at'
          ? nanosOf(candidate) <= nanosOf(trade)
          : nanosOf(candidate) < nanosOf(trade),
      )
    const isYoung =
      quote && nanosOf(trade) - nanosOf(quote) <= BigInt(request.maxAgeSeconds) * NANOS_PER_SECOND
    return { ...shown(trade, ASKED_FIELDS.trades), ...quoteCells(isYoung ? quote : undefined) }
  })
}

export function snapshotByHand(
  trades: readonly Row[],
  quotes: readonly Row[],
  request: MarketSnapshotRequest,
): readonly Shown[] {
  const lastTrades = new Map(lastOfEach(trades, request))
  const lastQuotes = new Map(lastOfEach(quotes, request))
  return [...new Set([...lastTrades.keys(), ...lastQuotes.keys()])].sort().map((instrument) => {
    const [trade, quote] = [lastTrades.get(instrument), lastQuotes.get(instrument)]
    const { symbol, exchange } = known(trade ?? quote!)
    const { ts, ts_ns, price, size, side, venue, conditions } = trade
      ? shown(trade, ASKED_FIELDS.trades)
      : nothing([...ASKED_FIELDS.trades])
    const ofTrade = { trade_ts: ts, trade_ts_ns: ts_ns, price, size, side, venue, conditions }
    return { symbol, exchange, ...ofTrade, ...quoteCells(quote) }
  })
}

/** Those that a selection means: each has a time. */
export function selected(
  rows: readonly Row[],
  { symbols, exchange, startNanos, endNanos }: Selection,
): readonly Row[] {
  return rows.filter(
    (row) =>
      (symbols === null || symbols.includes(String(row.symbol))) &&
      (exchange === null || row.exchange === exchange) &&
      (startNanos === null || nanosOf(row) >= startNanos) &&
      (endNanos === null || nanosOf(row) < endNanos),
  )
}

/** A row of an instrument: one of another engine may lack a name. */
export function known(row: Row): Row {
  return { ...row, exchange: row.exchange ?? '', symbol: row.symbol ?? '' }
}

function lastOfEach(rows: readonly Row[], selection: Selection): readonly (readonly [string, Row])[] {
  const last = new Map(
    inOrder(selected(rows, selection), 'asc').map((row) => [instrumentOf(row), known(row)] as const),
  )
  return [...last].sort(([a], [b]) => (a < b ? -1 : 1))
}

function instrumentOf(row: Row): string {
  const { exchange, symbol } = known(row)
  return `${exchange}\n${symbol}`
}

function nanosOf({ exchange_timestamp: micros, exchange_nanos: nanos }: Row): bigint {
  return BigInt(String(micros)) * 1000n + BigInt(String(nanos ?? 0))
}

function inOrder(rows: readonly Row[], order: Order): readonly Row[] {
  const keyed = rows.map((row) => ({
    row,
    key: [
      nanosOf(row),
      BigInt(String(row.log_partition ?? 2 ** 31)),
      BigInt(String(row.log_offset ?? 2n ** 63n)),
    ],
  }))
  const sign = order === 'asc' ? 1 : -1
  return keyed
    .sort((a, b) => {
      const at = a.key.findIndex((part, index) => part !== b.key[index])
      return at < 0 ? 0 : a.key[at]! < b.key[at]! ? -sign : sign
    })
    .map(({ row }) => row)
}

function shown(row: Row, fields: readonly string[]): Shown {
  const time = { ts: formatMicros(BigInt(String(row.exchange_timestamp))), ts_ns: String(nanosOf(row)) }
  const cells = { ...row, ...time }
  return Object.fromEntries(fields.map((name) => [name, cell(cells[name as keyof typeof cells])]))
}

/** Every scaled number of the fields above is a decimal. */
function cell(value: CellValue | undefined): string | null {
  return typeof value === 'bigint'
    ? decimal(value, 8)
    : value === null || value === undefined
      ? null
      : String(value)
}

function nothing(fields: readonly string[]): Shown {
  return Object.fromEntries(fields.map((name) => [name, null]))
}

function quoteCells(quote: Row | undefined): Shown {
  if (!quote) return nothing(QUOTE_BESIDE)
  const { ts, ts_ns, bid_price, bid_size, ask_price, ask_size } = shown(quote, ASKED_FIELDS.quotes)
  const [bid, ask] = [quote.bid_price, quote.ask_price]
  const areBoth = typeof bid === 'bigint' && typeof ask === 'bigint' && bid !== 0n && ask !== 0n
  return {
    ...{ quote_ts: ts, quote_ts_ns: ts_ns, bid_price, bid_size, ask_price, ask_size },
    mid: areBoth ? decimal((bid + ask) * 5n, 9) : null,
    spread: areBoth ? decimal(ask - bid, 8) : null,
  }
}
