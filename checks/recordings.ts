// Every recording that a format covers, and how it is loaded.
import { recording } from './shared-data.js'

export interface Recording {
  /** Below ../shared/data. */
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

export const RECORDINGS: readonly Recording[] = [
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

/** The arguments of the program that load it. Ends the check where there are no recordings. */
export function loadArguments({ files, format, options = [] }: Recording, data: string): string[] {
  return ['load', ...files.map(recording), '--format', format, ...options, '--data', data, '--json']
}
