import { createWriteStream } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { type Config, loadConfig } from '#config'
import { createLogger, systemClock, systemRandom } from '#core'
import { candleChart } from './candles.js'
import { type DemoMinute, demoDay, QUOTE_HEADER, TRADE_HEADER } from './demo-day.js'
import { DemoMarket } from './demo-market.js'
import { isAddressInUse } from './failure.js'
import { Lake } from './lake.js'
import { LakeClient, type Parameters } from './lake-client.js'
import { liveFeed } from './live-feed.js'
import { loadIntoLake, summary } from './load.js'
import { csvAsTable } from './pages.js'
import { groupDigits, parseCsv } from './text-table.js'

export interface DemoOptions {
  readonly once?: boolean
  readonly port?: string
}

const SEED = 30
const SYMBOL_COUNT = 320
const EVENT_COUNT = 1_000_000
const DATE = '2026-03-02'
const EXCHANGE = 'DEMO'

/** Height of the chart of bars. */
const CHART_LINES = 12

/**
 * Makes a trading day, loads it along the real road into a temporary folder, asks three questions and, unless it is
 * to end then, keeps a live feed going until the signal aborts. The folder is removed at the end.
 */
export async function demo(options: DemoOptions, signal: AbortSignal): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'ticklake-demo-'))
  try {
    const lake = await startLake(join(folder, 'data'), options.port)
    try {
      await showDay(lake, folder, options.once, signal)
    } finally {
      await lake.stop()
    }
  } catch (error) {
    if (!signal.aborted) throw error
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

async function showDay(
  lake: Lake,
  folder: string,
  once: boolean | undefined,
  signal: AbortSignal,
): Promise<void> {
  const market = new DemoMarket(SEED, SYMBOL_COUNT)
  say(`Making a trading day: ${SYMBOL_COUNT} symbols, ${groupDigits(EVENT_COUNT)} trades and quotes …`)
  const files = await writeDay(market, folder)
  for (const [format, file] of files) {
    const report = await loadIntoLake(lake, file, { format, exchange: EXCHANGE }, signal)
    say(`Loaded ${summary(basename(file), report)}`)
  }
  await askThree(new LakeClient(lake.url), market.symbols, signal)
  if (once) {
    say('\nThat was all of it. Without --once the server stays up, with a live feed.')
    return
  }
  say(`\nAnswers: ${lake.url}/v1/…   Documentation: ${lake.url}/docs`)
  say('A live feed goes on at the real clock: try /v1/latest again and again. Ctrl-C ends the demo.')
  const load = async (format: string, file: string) => {
    // Not committed each second: the tail shows the rows, and the flush policy decides when they become files.
    await lake.loader.load(
      { path: file, fileName: basename(file), format, exchange: EXCHANGE },
      undefined,
      signal,
    )
  }
  await liveFeed({ market, folder, load, clock: systemClock, signal })
}

/** On the port asked for; without one, on the usual port or, when that is taken, any free one. */
async function startLake(data: string, port: string | undefined): Promise<Lake> {
  const start = (config: Config) => {
    const logger = createLogger({ ...config.logging, level: 'warn' })
    return Lake.start(config, { clock: systemClock, random: systemRandom, logger })
  }
  try {
    return await start(loadConfig({ data, port }))
  } catch (error) {
    if (port !== undefined || !isAddressInUse(error)) throw error
    return start(loadConfig({ data, port: '0' }))
  }
}

/** The day as two CSV files, by the format that reads them. */
async function writeDay(market: DemoMarket, folder: string): Promise<ReadonlyMap<string, string>> {
  const day = [...demoDay(market, { date: DATE, eventCount: EVENT_COUNT })]
  const write = async (name: keyof DemoMinute, header: string) => {
    const file = join(folder, `${name}.csv`)
    await pipeline(Readable.from([header, ...day.map((minute) => minute[name])]), createWriteStream(file))
    return file
  }
  return new Map([
    ['csv-trades', await write('trades', TRADE_HEADER)],
    ['csv-quotes', await write('quotes', QUOTE_HEADER)],
  ])
}

async function askThree(client: LakeClient, symbols: readonly string[], signal: AbortSignal): Promise<void> {
  const [busiest = '', ...others] = symbols
  const ask = async (question: string, path: string, parameters: Parameters) => {
    const shown = Object.entries(parameters).map(([name, value]) => `${name}=${value}`)
    say(`\n${question}\n  GET ${path}?${shown.join('&')}\n`)
    const response = await client.get(path, parameters, 'text/csv', signal)
    return response.text()
  }

  const bars = await ask(`${busiest} in bars of five minutes, over the whole day:`, '/v1/bars', {
    symbols: busiest,
    interval: '5m',
    fields: 'ts,open,high,low,close,volume,vwap,count',
  })
  say(`${barChart(bars)}\n\n${indented(csvAsTable(bars, 6))}`)

  const latest = await ask('The latest quote of the five busiest:', '/v1/latest', {
    of: 'quotes',
    symbols: [busiest, ...others.slice(0, 4)].join(','),
    fields: 'symbol,ts,bid_price,bid_size,ask_price,ask_size',
  })
  say(indented(csvAsTable(latest)))

  const trades = await ask(`The last trades of ${busiest} before noon:`, '/v1/trades', {
    symbols: busiest,
    end: `${DATE}T12:00:00Z`,
    order: 'desc',
    limit: '6',
    fields: 'ts,price,size,side',
  })
  say(indented(csvAsTable(trades)))
}

/** Candles of an answer of bars with the columns ts, open, high, low, close. For the eye: prices become doubles. */
function barChart(csv: string): string {
  const bars = parseCsv(csv).slice(1)
  const candles = bars.map((cells) => {
    const [open, high, low, close] = cells.slice(1, 5).map(Number)
    return { open: open!, high: high!, low: low!, close: close! }
  })
  return candleChart(candles, CHART_LINES)
}

function indented(text: string): string {
  return text.replace(/^/gm, '  ')
}

function say(text: string): void {
  process.stdout.write(`${text}\n`)
}
