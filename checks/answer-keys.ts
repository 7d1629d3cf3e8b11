// Bars that rollups hold against what recordings say: minutes of Coinbase, made from its seconds, and the sessions of SPY by
// New York time, made from its ticks. Every page must say that the rollup of minutes was read. (EURUSD: `check:eurusd`.)
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { formatDecimal, formatMicros, parseDecimal } from '#core'
import { recordedLines } from '../test/support/recorded-lines.js'
import { AS_BUILT, runTicklake, TicklakeServer } from '../test/support/ticklake-process.js'
import { recording } from './shared-data.js'
import { withTemporaryFolder } from './temporary-folder.js'

const ROLLUP = 'bars_1m'
const COINBASE_DAY = '2016-10-07'
/** Monday to Wednesday; midnight in New York is 4:00 UTC. */
const SPY_DAYS = ['2013-10-07', '2013-10-08', '2013-10-09']
const [OPEN_MS, CLOSE_MS, DAY_MS] = [34_200_000, 57_600_000, 86_400_000]

/** A bar, as it is compared: prices and volume, scaled by 10^8, by its start. */
type Bars = ReadonlyMap<string, string>

const scaled = (text: string) => parseDecimal('cell', text)
const timeOf = (ms: number) => formatMicros(BigInt(ms) * 1000n)

/** A bar of some seconds as four trades: its prices in order, and one of them with nearly all its volume. */
function secondsAsTrades(lines: readonly (readonly string[])[]): string {
  const trades = lines.flatMap(([ms = '', open = '', high = '', low = '', close = '', volume = '']) => {
    const time = timeOf(Date.parse(COINBASE_DAY) + Number(ms))
    const rest = formatDecimal(scaled(volume) - 3n)
    return [open, high, low].map((price) => `${time},${price},0.00000001`).concat(`${time},${close},${rest}`)
  })
  return ['time,price,size', ...trades, ''].join('\n')
}

const minuteBars = (lines: readonly (readonly string[])[]): Bars =>
  new Map(
    lines.map(([ms, ...cells]) => [
      timeOf(Date.parse(COINBASE_DAY) + Number(ms)),
      cells.map((cell) => formatDecimal(scaled(cell))).join(' '),
    ]),
  )

/** One bar of a stretch of a New York day, from the lines of its ticks. */
function tickBar(day: string, lines: readonly (readonly string[])[], from: number, to: number): Bars {
  const inside = lines.filter(([ms]) => Number(ms) >= from && Number(ms) < to)
  if (inside.length === 0) return new Map()
  const prices = inside.map(([, price]) => BigInt(price!))
  const [first, last] = [prices[0]!, prices.at(-1)!]
  const sorted = prices.toSorted((a, b) => (a < b ? -1 : 1))
  const [low, high] = [sorted[0]!, sorted.at(-1)!]
  const volume = inside.reduce((sum, [, , size]) => sum + BigInt(size!), 0n)
  // Prices are recorded × 10,000.
  const shown = [first, high, low, last].map((price) => formatDecimal(price * 10_000n))
  const start = timeOf(Date.parse(`${day}T04:00:00Z`) + from)
  return new Map([[start, [...shown, String(volume)].join(' ')]])
}

async function servedBars(
  server: TicklakeServer,
  parameters: Readonly<Record<string, string>>,
): Promise<Bars> {
  const bars = new Map<string, string>()
  for (let token: string | null = ''; token !== null; ) {
    const page: Record<string, string> = {
      ...parameters,
      limit: '500',
      ...(token !== '' && { page_token: token }),
    }
    const { body } = await server.get('/v1/bars', page)
    // An envelope of bars.
    const { data, meta, next_page_token } = JSON.parse(body) as {
      data: readonly Record<'ts' | 'open' | 'high' | 'low' | 'close' | 'volume', string>[]
      meta: { rollup: string | null }
      next_page_token: string | null
    }
    if (meta.rollup !== ROLLUP)
      throw new Error(`${JSON.stringify(page)} was read from ${meta.rollup}, not from ${ROLLUP}`)
    for (const { ts, open, high, low, close, volume } of data)
      bars.set(ts, [open, high, low, close, volume].join(' '))
    token = next_page_token
  }
  return bars
}

let compared = 0
let wrong = 0
function compare(name: string, served: Bars, expected: Bars): void {
  const starts = new Set([...served.keys(), ...expected.keys()])
  const differing = [...starts].filter((start) => served.get(start) !== expected.get(start))
  compared += expected.size
  wrong += differing.length
  console.log(`${name}, ${ROLLUP}: ${expected.size} bars, ${differing.length} differ`)
  for (const start of differing.slice(0, 3))
    console.log(`  ${start}: ${served.get(start) ?? 'none'} instead of ${expected.get(start) ?? 'none'}`)
}

await withTemporaryFolder(async (folder) => {
  const data = join(folder, 'data')
  const coinbase = (kind: string) =>
    recordedLines(recording(`coinbase-bars/btcusd_${kind}_20161007_trade.zip`))
  const seconds = join(folder, 'seconds.csv')
  await writeFile(seconds, secondsAsTrades(await coinbase('second')))
  const ticks = SPY_DAYS.map((day) => recording(`us-equity/spy/tick/${day.replaceAll('-', '')}_trade.zip`))
  const load = (...options: readonly string[]) =>
    runTicklake(['load', ...options, '--data', data], { program: AS_BUILT })
  process.stdout.write(
    await load(seconds, '--format', 'csv-trades', '--symbol', 'BTCUSD', '--exchange', 'COINBASE'),
  )
  process.stdout.write(await load(...ticks, '--format', 'lean-equity-trades', '--symbol', 'SPY'))
  const server = await TicklakeServer.start(data, { program: AS_BUILT })
  await runTicklake(['admin', 'backfill', ROLLUP, '--url', server.url], { program: AS_BUILT })
  const minutes = await servedBars(server, { symbols: 'BTCUSD', interval: '1m' })
  compare(`Coinbase BTCUSD ${COINBASE_DAY} 1m`, minutes, minuteBars(await coinbase('minute')))
  for (const [index, day] of SPY_DAYS.entries()) {
    const lines = await recordedLines(ticks[index]!)
    const parts = {
      regular: [OPEN_MS, CLOSE_MS],
      pre: [0, OPEN_MS],
      post: [CLOSE_MS, DAY_MS],
      all: [0, DAY_MS],
    }
    const start = `${day}T04:00:00Z`
    const end = new Date(Date.parse(start) + DAY_MS).toISOString()
    const of = { symbols: 'SPY', exchange: 'US-SIP', start, end }
    for (const [session, [from = 0, to = 0]] of Object.entries(parts)) {
      const bars = await servedBars(server, { ...of, interval: '1d', session })
      compare(`SPY ${day} 1d ${session}`, bars, tickBar(day, lines, from, to))
    }
    const hours = Array.from({ length: 7 }, (_, hour) => {
      const from = OPEN_MS + hour * 3_600_000
      return [...tickBar(day, lines, from, Math.min(from + 3_600_000, CLOSE_MS))]
    })
    const served = await servedBars(server, { ...of, interval: '1h', session: 'regular' })
    compare(`SPY ${day} 1h regular`, served, new Map(hours.flat()))
  }
  await server.stop()
})
console.log(`${compared} bars compared, ${wrong} differ`)
process.exitCode = wrong === 0 ? 0 : 1
