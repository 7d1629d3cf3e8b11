import { rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Clock, formatMicros } from '#core'
import { demoLine, QUOTE_HEADER, TRADE_HEADER } from './demo-day.js'
import type { DemoMarket } from './demo-market.js'

/** Events that the feed adds each second. */
const EVENTS_PER_SECOND = 50

export interface LiveFeedOptions {
  readonly market: DemoMarket
  readonly clock: Clock
  /** For the second's events, until they are loaded. */
  readonly folder: string
  /** Loads a file by a format. */
  readonly load: (format: string, file: string) => Promise<void>
  readonly signal: AbortSignal
}

/** Lets the market go on at the real clock: each second's events are loaded along the same road as the day. */
export async function liveFeed(options: LiveFeedOptions): Promise<void> {
  const { clock, signal } = options
  while (!signal.aborted) {
    // Only the signal ends the sleep early.
    await sleep(1000, undefined, { signal }).catch(() => undefined)
    if (!signal.aborted) await loadSecond(options, BigInt(clock.nowMs()) * 1000n)
  }
}

async function loadSecond({ market, folder, load }: LiveFeedOptions, endMicros: bigint): Promise<void> {
  const texts = { trade: TRADE_HEADER, quote: QUOTE_HEADER }
  const stepMicros = 1_000_000n / BigInt(EVENTS_PER_SECOND)
  for (let left = EVENTS_PER_SECOND; left > 0; left--) {
    const event = market.next()
    texts[event.kind] += demoLine(formatMicros(endMicros - BigInt(left) * stepMicros), event)
  }
  for (const kind of ['trade', 'quote'] as const) {
    const file = join(folder, `live-${kind}s.csv`)
    await writeFile(file, texts[kind])
    await load(`csv-${kind}s`, file)
    await rm(file)
  }
}
