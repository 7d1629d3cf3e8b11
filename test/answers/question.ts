import { formatMicros } from '#core'
import type { AsofRequest, LatestRequest, MarketSnapshotRequest, RowsRequest, VwapRequest } from '#query'
import { type AnswerOptions, BAR_SOURCES, type BarsRequest, FILLS, PREVAILING, SESSION_PARTS } from '#query'
import { barsByHand, type Market } from '../support/bars-by-hand.js'
import { counts } from '../support/condition-tables.js'
import {
  EVENT_EXCHANGES,
  EVENT_SYMBOLS,
  EVENTS_SPAN_MICROS,
  EVENTS_START_MICROS,
} from '../support/event-rows.js'
import { decimal, halfEven } from '../support/exact-decimal.js'
import { BARS, ROWS } from '../support/request-defaults.js'
import type { Row } from '../support/row-batch.js'
import type { SeededRandom } from '../support/seeded-random.js'
import type { TextAnswer, TextRouter } from '../support/text-router.js'
import {
  ASKED_ASOF,
  ASKED_FIELDS,
  ASKED_SNAPSHOT,
  asofByHand,
  known,
  latestByHand,
  rowsByHand,
  type Shown,
  selected,
  snapshotByHand,
} from './rows-by-hand.js'
import type { RowsAtVersion } from './table-history.js'

/** One of the lists that are asked for, and how. */
export type Question =
  | { readonly list: 'rows'; readonly request: RowsRequest }
  | { readonly list: 'latest'; readonly request: LatestRequest }
  | { readonly list: 'bars'; readonly request: BarsRequest }
  | { readonly list: 'vwap'; readonly request: VwapRequest }
  | { readonly list: 'asof'; readonly request: AsofRequest }
  | { readonly list: 'marketSnapshot'; readonly request: MarketSnapshotRequest }

const TIME_ZONES = ['UTC', 'UTC', 'Australia/Sydney', 'Asia/Kolkata', 'America/New_York']
const VWAP_FIELDS = ['symbol', 'exchange', 'ts', 'ts_ns', 'volume', 'notional', 'vwap', 'count', 'final']

export function drawQuestion(random: SeededRandom): Question {
  const [a, b] = [drawNanos(random), drawNanos(random)].sort((x, y) => (x < y ? -1 : 1))
  const isRanged = random.oneIn(2)
  const page = {
    symbols: random.pick([null, null, [random.pick(EVENT_SYMBOLS)], ['BHP', 'CBA']]),
    exchange: random.oneIn(3) ? random.pick(EVENT_EXCHANGES) : null,
    startNanos: isRanged || random.oneIn(3) ? a! : null,
    endNanos: isRanged || random.oneIn(3) ? b! + 1n : null,
    limit: random.oneIn(10) ? null : random.pick([50_000, 50_000, 50_000, 150]),
    order: random.pick(['asc', 'desc'] as const),
    pageToken: null,
  }
  const session = random.oneIn(3) ? random.pick(SESSION_PARTS) : null
  const prints = random.pick(['all', 'all', 'eligible'] as const)
  const cut = { session, prints, timeZone: random.pick(TIME_ZONES) }
  const table = random.pick(['trades', 'quotes'] as const)
  switch (random.below(10)) {
    case 0:
    case 1:
      return { list: 'rows', request: { ...ROWS, ...page, table, fields: ASKED_FIELDS[table] } }
    case 2:
      return { list: 'latest', request: { ...ROWS, ...page, table, fields: ASKED_FIELDS[table] } }
    case 3: {
      const intervalSeconds = random.pick([null, 60, 3600, 86_400])
      return { list: 'vwap', request: { ...page, ...cut, intervalSeconds } }
    }
    case 4: {
      const maxAgeSeconds = random.pick([1, 10_000, 86_400])
      const asof = { prevailing: random.pick(PREVAILING), maxAgeSeconds, fields: ASKED_ASOF }
      return { list: 'asof', request: { ...page, ...asof } }
    }
    case 5:
      return { list: 'marketSnapshot', request: { ...page, fields: ASKED_SNAPSHOT } }
    default: {
      const fill = random.oneIn(4) ? random.pick(FILLS) : 'none'
      // Walking through every minute of days would take too long by hand.
      const intervalSeconds = random.pick(fill === 'none' ? [60, 300, 3600, 7200, 86_400] : [3600, 86_400])
      const of = random.pick(BAR_SOURCES)
      return { list: 'bars', request: { ...BARS, ...page, ...cut, fill, intervalSeconds, of } }
    }
  }
}

/** A time in or around those that have events. */
function drawNanos(random: SeededRandom): bigint {
  const micros = EVENTS_START_MICROS + random.bigBelow(EVENTS_SPAN_MICROS)
  const unit = random.pick([1n, 1000n, 60_000_000_000n, 3_600_000_000_000n, 86_400_000_000_000n])
  return ((micros * 1000n + random.bigBelow(1000n)) / unit) * unit
}

/** The tables that it reads, the one that an answer's receipt is of first. */
export function tablesOf({ list, request }: Question): readonly ('trades' | 'quotes')[] {
  switch (list) {
    case 'rows':
    case 'latest':
      return [request.table]
    case 'bars':
      return [request.of === 'trades' ? 'trades' : 'quotes']
    case 'vwap':
      return ['trades']
    case 'asof':
    case 'marketSnapshot':
      return ['trades', 'quotes']
  }
}

/** The same question of a state of history, or from the end of a page on. */
export function changed(
  question: Question,
  change: Partial<Pick<RowsRequest, 'asOf' | 'pageToken'>>,
): Question {
  // Every request has both members, and keeps its other ones.
  return { ...question, request: { ...question.request, ...change } } as Question
}

export function ask(
  { list, request }: Question,
  router: TextRouter,
  options: AnswerOptions,
): Promise<TextAnswer> {
  switch (list) {
    case 'rows':
      return router.rows(request, options)
    case 'latest':
      return router.latest(request, options)
    case 'bars':
      return router.bars(request, options)
    case 'vwap':
      return router.vwap(request, options)
    case 'asof':
      return router.asof(request, options)
    case 'marketSnapshot':
      return router.marketSnapshot(request, options)
  }
}

/** The rows of all pages, as answers in JSON have them, from what the question's tables hold. */
export function answerByHand(
  { list, request }: Question,
  [first, second]: readonly RowsAtVersion[],
  market: Omit<Market, 'watermarks'>,
): readonly string[] {
  const rows = first?.rows ?? []
  const answer = (): readonly Shown[] => {
    switch (list) {
      case 'rows':
        return rowsByHand(rows, request)
      case 'latest':
        return latestByHand(rows, request)
      case 'bars':
        return bars(rows, request, { ...market, watermarks: first?.watermarks ?? new Map() })
      case 'vwap':
        return request.intervalSeconds === null
          ? vwapOfRange(rows, request, market)
          : bars(
              rows,
              { ...BARS, ...request, intervalSeconds: request.intervalSeconds, of: 'trades', fill: 'none' },
              { ...market, watermarks: first?.watermarks ?? new Map() },
            ).map((bar) => Object.fromEntries(VWAP_FIELDS.map((name) => [name, bar[name]])))
      case 'asof':
        return asofByHand(rows, second?.rows ?? [], request)
      case 'marketSnapshot':
        return snapshotByHand(rows, second?.rows ?? [], request)
    }
  }
  return answer().map((row) => JSON.stringify(row))
}

/** Trades of another engine may lack a price, which those of the log have. */
function priced(rows: readonly Row[], request: BarsRequest | VwapRequest): readonly Row[] {
  const isOfTrades = !('of' in request) || request.of === 'trades'
  return selected(rows, request)
    .filter(({ price }) => !isOfTrades || (price !== null && price !== undefined))
    .map(known)
}

function bars(rows: readonly Row[], request: BarsRequest, market: Market): readonly Shown[] {
  // Each bar by hand is an object of the fields.
  return barsByHand(priced(rows, request), { ...request, exchange: null }, market) as readonly Shown[]
}

function vwapOfRange(
  rows: readonly Row[],
  request: VwapRequest,
  { conditions: tables }: Omit<Market, 'watermarks'>,
): readonly Shown[] {
  const instruments = new Map<string, Row[]>()
  for (const row of priced(rows, request)) {
    const conditions = row.conditions === null ? null : String(row.conditions)
    if (request.prints === 'eligible' && !counts(String(row.exchange), conditions, 'volume', tables)) continue
    const name = `${row.exchange}\n${row.symbol}`
    instruments.set(name, [...(instruments.get(name) ?? []), row])
  }
  const ordered = [...instruments].sort(([a], [b]) => (a < b ? -1 : 1))
  return ordered.map(([, own]) => {
    const sum = (of: (row: Row) => bigint) => own.reduce((total, row) => total + of(row), 0n)
    const size = (row: Row) => BigInt(String(row.size))
    const [volume, notional] = [sum(size), sum((row) => size(row) * BigInt(String(row.price)))]
    const times = own.map((row) => BigInt(String(row.exchange_timestamp))).sort((a, b) => (a < b ? -1 : 1))
    return {
      ...{ symbol: own[0]?.symbol, exchange: own[0]?.exchange },
      ...{ volume: decimal(volume, 8), notional: decimal(notional, 16) },
      vwap: volume === 0n ? null : decimal(halfEven(notional, volume), 8),
      ...{ count: own.length, first_ts: formatMicros(times[0]!), last_ts: formatMicros(times.at(-1)!) },
    }
  })
}
