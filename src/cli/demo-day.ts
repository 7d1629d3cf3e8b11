import type { DemoEvent, DemoMarket } from './demo-market.js'

export const TRADE_HEADER = 'time,symbol,price,size,side\n'
export const QUOTE_HEADER = 'time,symbol,bid_price,bid_size,ask_price,ask_size\n'

/** The session of the made-up day: 10:00 to 16:00 in UTC, to keep the printed times plain. */
const OPEN_HOUR = 10
const SESSION_MINUTES = 360

export interface DemoDayOptions {
  /** YYYY-MM-DD */
  readonly date: string
  /** Trades and quotes together. */
  readonly eventCount: number
}

/** CSV lines of one minute, in order of time. */
export interface DemoMinute {
  readonly trades: string
  readonly quotes: string
}

/**
 * One trading day of the market, minute by minute: a burst at the opening, a lull around noon, a rise to the close.
 * The same market, seed and options give the same bytes.
 */
export function* demoDay(market: DemoMarket, { date, eventCount }: DemoDayOptions): Generator<DemoMinute> {
  const shares = Array.from({ length: SESSION_MINUTES }, (_, minute) =>
    busyness((minute + 0.5) / SESSION_MINUTES),
  )
  const total = shares.reduce((sum, share) => sum + share, 0)
  for (const [minute, share] of shares.entries()) {
    const micros = Array.from({ length: Math.round((eventCount * share) / total) }, () =>
      Math.floor(market.random() * 60_000_000),
    ).sort((a, b) => a - b)
    const clock = OPEN_HOUR * 60 + minute
    const prefix = `${date}T${two(Math.floor(clock / 60))}:${two(clock % 60)}:`
    let trades = ''
    let quotes = ''
    for (const micro of micros) {
      const event = market.next()
      const line = demoLine(`${prefix}${(micro / 1e6).toFixed(6).padStart(9, '0')}Z`, event)
      if (event.kind === 'trade') trades += line
      else quotes += line
    }
    yield { trades, quotes }
  }
}

/** The event as a line of CSV under TRADE_HEADER or QUOTE_HEADER. */
export function demoLine(time: string, event: DemoEvent): string {
  return event.kind === 'trade'
    ? `${time},${event.symbol},${dollars(event.price)},${event.size},${event.side}\n`
    : `${time},${event.symbol},${dollars(event.bid)},${event.bidSize},${dollars(event.ask)},${event.askSize}\n`
}

/** Relative activity at a point of the session, 0 being the opening and 1 the close. */
function busyness(point: number): number {
  const opening = 2.4 * Math.exp(-point / 0.05)
  const close = 1.1 * Math.exp(-(1 - point) / 0.07)
  const lull = 0.45 * Math.exp(-(((point - 0.5) / 0.13) ** 2))
  return 0.8 + opening + close - lull
}

/** 12345 tenths of a cent → "12.345", by whole numbers only. */
function dollars(price: number): string {
  return `${Math.floor(price / 1000)}.${String(price % 1000).padStart(3, '0')}`
}

function two(value: number): string {
  return String(value).padStart(2, '0')
}
