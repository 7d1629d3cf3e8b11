// Loads every recording that a format covers into one data folder and prints what became of its rows, as Markdown.
import { basename } from 'node:path'
import { AS_BUILT, runTicklake } from '../test/support/ticklake-process.js'
import { recording } from './shared-data.js'
import { withTemporaryFolder } from './temporary-folder.js'

interface Sample {
  readonly files: readonly string[]
  readonly format: string
  readonly options?: readonly string[]
}

const EQUITY_DAYS = ['20131007', '20131008', '20131009']
const FOREX_DAYS = ['01', '02', '04', '05', '06', '07', '08', '09']
const BINANCE = [
  'cm_btcusd_perp',
  'cm_ethusd_perp',
  'spot_btcusdt',
  'spot_ethusdt',
  'usdm_btcusdt',
  'usdm_ethusdt',
].map((stream) => `binance-raw/${stream}_20240808.gz`)

const SAMPLES: readonly Sample[] = [
  { files: ['asx/trades/7078.csv'], format: 'asx-trades', options: ['--symbol', 'BHP', '--exchange', 'ASX'] },
  { files: ['asx/trades/7181.csv'], format: 'asx-trades', options: ['--symbol', 'DVN', '--exchange', 'ASX'] },
  { files: ['asx/quotes/7078.csv'], format: 'asx-quotes', options: ['--symbol', 'BHP', '--exchange', 'ASX'] },
  { files: ['asx/quotes/7181.csv'], format: 'asx-quotes', options: ['--symbol', 'DVN', '--exchange', 'ASX'] },
  { files: BINANCE, format: 'binance-ws-trades' },
  { files: BINANCE, format: 'binance-ws-quotes' },
  { files: equity('spy', 'trade'), format: 'lean-equity-trades', options: ['--symbol', 'SPY'] },
  { files: equity('bac', 'trade'), format: 'lean-equity-trades', options: ['--symbol', 'BAC'] },
  { files: equity('bac', 'quote'), format: 'lean-equity-quotes', options: ['--symbol', 'BAC'] },
  {
    files: FOREX_DAYS.map((day) => `fx-ticks/oanda/eurusd/tick/201405${day}_quote.zip`),
    format: 'lean-forex-quotes',
    options: ['--symbol', 'EURUSD'],
  },
  { files: ['csv/btc_trades.csv'], format: 'csv-trades', options: ['--exchange', 'COINBASE'] },
]

function equity(symbol: string, kind: string): string[] {
  return EQUITY_DAYS.map((day) => `us-equity/${symbol}/tick/${day}_${kind}.zip`)
}

/** What the program says of a loaded file, as far as the table shows it. */
interface Report {
  readonly file: string
  readonly rows_read: number
  readonly accepted: number
  readonly quarantined: number
  readonly quarantine_reasons: Readonly<Record<string, number>>
  readonly skipped: number
  readonly rows_per_second: number
}

function tableRow(report: Report, file: string, format: string): string {
  const reasons = Object.entries(report.quarantine_reasons).map(([reason, count]) => `${reason} ${count}`)
  const quarantined = [String(report.quarantined), ...reasons].join(', ')
  const { rows_read: rows, accepted, skipped, rows_per_second: speed } = report
  return `| ${file} | ${format} | ${rows} | ${accepted} | ${quarantined} | ${skipped} | ${speed} |`
}

let lost = 0
console.log('| file | format | rows | accepted | quarantined | skipped | rows/s |')
console.log('|---|---|---:|---:|---|---:|---:|')
await withTemporaryFolder(async (data) => {
  for (const { files, format, options = [] } of SAMPLES) {
    const args = ['load', ...files.map(recording), '--format', format, ...options, '--data', data, '--json']
    const output = await runTicklake(args, { program: AS_BUILT })
    for (const [index, line] of output.trim().split('\n').entries()) {
      const report: Report = JSON.parse(line)
      console.log(tableRow(report, files[index] ?? basename(report.file), format))
      lost += report.rows_read - report.accepted - report.quarantined - report.skipped
    }
  }
})
console.log(`\nrows neither accepted, quarantined nor skipped: ${lost}`)
process.exitCode = lost === 0 ? 0 : 1
