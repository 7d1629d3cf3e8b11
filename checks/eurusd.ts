// Loads the EURUSD ticks of 1–9 May 2014 and compares bid and ask bars of a second and of a minute with those that
// the recording's own files hold, every one, exactly; those of a minute through the rollup that has them.
import { text } from 'node:stream/consumers'
import { openPromise } from 'yauzl'
import { formatDecimal, parseDecimal } from '#core'
import { AS_BUILT, runTicklake, TicklakeServer } from '../test/support/ticklake-process.js'
import { recording } from './shared-data.js'
import { withTemporaryFolder } from './temporary-folder.js'

const DAYS = ['01', '02', '04', '05', '06', '07', '08', '09']
const RESOLUTIONS = [
  { folder: 'second', interval: '1s', rollup: null },
  { folder: 'minute', interval: '1m', rollup: 'quote_bars_1m' },
] as const
const SIDES = [
  { of: 'bid', firstColumn: 1 },
  { of: 'ask', firstColumn: 6 },
] as const

function recordingOf(folder: string, day: string): string {
  return recording(`fx-ticks/oanda/eurusd/${folder}/201405${day}_quote.zip`)
}

/** The bars of one side of a file, by start in ns: ms since midnight UTC, bid O, H, L, C, size, ask O, H, L, C, size. */
async function recordedBars(folder: string, day: string, firstColumn: number): Promise<Map<string, string>> {
  const zip = await openPromise(recordingOf(folder, day))
  const bars = new Map<string, string>()
  for await (const entry of zip.eachEntry()) {
    const csv = await text(await zip.openReadStreamPromise(entry))
    for (const line of csv.split('\n').filter((line) => line !== '')) {
      const cells = line.trim().split(',')
      const startMs = Date.parse(`2014-05-${day}T00:00:00Z`) + Number(cells[0])
      const prices = cells
        .slice(firstColumn, firstColumn + 4)
        .map((cell) => formatDecimal(parseDecimal('price', cell)))
      bars.set(`${startMs}000000`, prices.join(' '))
    }
  }
  return bars
}

async function servedBars(
  server: TicklakeServer,
  day: string,
  interval: string,
  of: string,
): Promise<Map<string, string>> {
  const start = `2014-05-${day}`
  const end = `2014-05-${String(Number(day) + 1).padStart(2, '0')}`
  const bars = new Map<string, string>()
  for await (const row of server.rows('/v1/bars', { symbols: 'EURUSD', of, interval, start, end })) {
    const { ts_ns: ns, open, high, low, close } = JSON.parse(row)
    bars.set(ns, `${open} ${high} ${low} ${close}`)
  }
  return bars
}

/** The rollup that an answer says it was read from. */
async function rollupRead(server: TicklakeServer, interval: string): Promise<string | null> {
  const response = await fetch(`${server.url}/v1/bars?symbols=EURUSD&of=bid&interval=${interval}&limit=1`)
  // An envelope of bars.
  const { meta } = (await response.json()) as { meta: { rollup: string | null } }
  return meta.rollup
}

/** Starts at which two sets of bars differ. */
function differing(served: ReadonlyMap<string, string>, recorded: ReadonlyMap<string, string>): string[] {
  const starts = new Set([...served.keys(), ...recorded.keys()])
  return [...starts].filter((start) => served.get(start) !== recorded.get(start))
}

let compared = 0
let wrong = 0
await withTemporaryFolder(async (data) => {
  const files = DAYS.map((day) => recordingOf('tick', day))
  const load = ['load', ...files, '--format', 'lean-forex-quotes', '--symbol', 'EURUSD', '--data', data]
  process.stdout.write(await runTicklake(load, { program: AS_BUILT }))
  const server = await TicklakeServer.start(data, { program: AS_BUILT })
  for (const { folder, interval, rollup } of RESOLUTIONS) {
    if (rollup !== null)
      await runTicklake(['admin', 'backfill', rollup, '--url', server.url], { program: AS_BUILT })
    const readFrom = await rollupRead(server, interval)
    if (readFrom !== rollup)
      throw new Error(`bars of ${interval} are read from ${readFrom}, not from ${rollup}`)
    for (const { of, firstColumn } of SIDES) {
      for (const day of DAYS) {
        const recorded = await recordedBars(folder, day, firstColumn)
        const served = await servedBars(server, day, interval, of)
        const starts = differing(served, recorded)
        compared += recorded.size
        wrong += starts.length
        const source = rollup ?? 'rows'
        console.log(
          `2014-05-${day} ${interval} ${of}, ${source}: ${recorded.size} bars, ${starts.length} differ`,
        )
        for (const start of starts.slice(0, 3)) {
          console.log(
            `  ${start}: ${served.get(start) ?? 'none'} instead of ${recorded.get(start) ?? 'none'}`,
          )
        }
      }
    }
  }
  await server.stop()
})
console.log(`${compared} bars compared, ${wrong} differ`)
process.exitCode = wrong === 0 ? 0 : 1
