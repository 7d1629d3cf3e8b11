import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type DerivedGaps, derivedGaps } from './derived-gaps.js'
import type { SeededRandom } from './seeded-random.js'
import { type ProcessOptions, runTicklake, TicklakeServer } from './ticklake-process.js'

/** A recorded websocket message with a trade. */
interface RecordedTrade {
  readonly line: string
  /** Exchange and symbol. */
  readonly instrument: string
  readonly id: number
}

export interface RemovedTradesOptions extends ProcessOptions {
  readonly folder: string
  /** Files of recorded messages, by name, as lines. */
  readonly files: ReadonlyMap<string, readonly string[]>
  readonly random: SeededRandom
  readonly removeCount: number
  readonly shuffleCount: number
}

/** What /v1/coverage says at three times, against what a plain look at the files says. Ids as `exchange symbol id`. */
export interface RemovedTradesResult {
  readonly tradeCount: number
  /** Ids that are missing in the recording already. */
  readonly neverRecorded: number
  readonly removed: number
  /** Missing ids that coverage does not name, and those it names that are not missing. */
  readonly unnamed: readonly string[]
  readonly wronglyNamed: readonly string[]
  /** Numbers missing as `meta.gaps` of an answer has them. */
  readonly missingInMeta: number
  /** After the removed rows were loaded: the same. */
  readonly after: Pick<RemovedTradesResult, 'unnamed' | 'wronglyNamed' | 'missingInMeta'>
  /** The table `sequence_gaps` at the end. */
  readonly derived: DerivedGaps
}

/**
 * Loads recorded trades of which some were taken out and others have changed places, asks what is missing, loads what
 * was taken out, and asks again.
 */
export async function loadWithoutSome(options: RemovedTradesOptions): Promise<RemovedTradesResult> {
  const { folder, files, random } = options
  const recorded = new Map(
    [...files].map(([name, lines]) => [name, lines.flatMap((line) => recordedTrade(line) ?? [])]),
  )
  const all = [...recorded.values()].flat()
  const removed = chooseInner(all, options.removeCount, random)
  const data = join(folder, 'data')
  const server = await TicklakeServer.start(data, options)
  try {
    const load = async (name: string, trades: readonly RecordedTrade[]) => {
      const path = join(folder, name)
      await writeFile(path, `${trades.map((trade) => trade.line).join('\n')}\n`)
      await runTicklake(['load', path, '--format', 'binance-ws-trades', '--url', server.url], options)
    }
    for (const [name, trades] of recorded) {
      const kept = trades.filter((trade) => !removed.has(trade))
      const share = Math.round((options.shuffleCount * trades.length) / all.length)
      await load(`${name}.txt`, shuffleSome(kept, share, random))
    }
    const kept = all.filter((trade) => !removed.has(trade))
    const before = await compare(server, missingIds(kept))
    await load('removed.txt', [...removed])
    const after = await compare(server, missingIds(all))
    await server.stop()
    return {
      tradeCount: all.length,
      neverRecorded: missingIds(all).size,
      removed: removed.size,
      ...before,
      after,
      derived: await derivedGaps(data),
    }
  } finally {
    await server.stop()
  }
}

function recordedTrade(line: string): RecordedTrade | null {
  const message = line.slice(line.indexOf(' ') + 1)
  if (!message.includes('@trade"')) return null
  const { data } = JSON.parse(message)
  // As the format tells them apart: spot messages have M, and COIN-M's symbols end so.
  const futures = /USD_(PERP|\d{6})$/.test(data.s) ? 'BINANCE-CM' : 'BINANCE-UM'
  const exchange = data.M === undefined ? futures : 'BINANCE'
  return { line, instrument: `${exchange} ${data.s}`, id: data.t }
}

/** Trades whose id is neither the lowest nor the highest of its instrument. */
function chooseInner(
  all: readonly RecordedTrade[],
  count: number,
  random: SeededRandom,
): ReadonlySet<RecordedTrade> {
  const ends = new Map<string, [low: number, high: number]>()
  for (const { instrument, id } of all) {
    const [low, high] = ends.get(instrument) ?? [id, id]
    ends.set(instrument, [Math.min(low, id), Math.max(high, id)])
  }
  const inner = all.filter(({ instrument, id }) => !ends.get(instrument)?.includes(id))
  const chosen = new Set<RecordedTrade>()
  while (chosen.size < count) chosen.add(random.pick(inner))
  return chosen
}

/** So many of the trades change places among each other. */
function shuffleSome(
  trades: readonly RecordedTrade[],
  count: number,
  random: SeededRandom,
): readonly RecordedTrade[] {
  const shuffled = [...trades]
  const places = Array.from({ length: count }, () => random.below(trades.length))
  for (const place of places) {
    const other = random.pick(places)
    ;[shuffled[place], shuffled[other]] = [shuffled[other]!, shuffled[place]!]
  }
  return shuffled
}

function missingIds(trades: readonly RecordedTrade[]): ReadonlySet<string> {
  const ids = new Map<string, Set<number>>()
  for (const { instrument, id } of trades) {
    const known = ids.get(instrument) ?? new Set()
    ids.set(instrument, known.add(id))
  }
  const missing = new Set<string>()
  for (const [instrument, known] of ids) {
    const sorted = [...known].sort((a, b) => a - b)
    for (let id = sorted[0] ?? 0; id < (sorted.at(-1) ?? 0); id++)
      if (!known.has(id)) missing.add(`${instrument} ${id}`)
  }
  return missing
}

async function compare(server: TicklakeServer, missing: ReadonlySet<string>) {
  const coverage = JSON.parse((await server.get('/v1/coverage', { limit: '10000' })).body)
  const named = new Set<string>()
  for (const { exchange, symbol, open_intervals: intervals } of coverage.data) {
    for (const { from, to } of intervals) {
      for (let id = from; id <= to; id++) named.add(`${exchange} ${symbol} ${id}`)
    }
  }
  const { meta } = JSON.parse((await server.get('/v1/trades', { limit: '1' })).body)
  return {
    unnamed: [...missing].filter((id) => !named.has(id)),
    wronglyNamed: [...named].filter((id) => !missing.has(id)),
    missingInMeta: Number(meta.gaps?.missing ?? 0),
  }
}
