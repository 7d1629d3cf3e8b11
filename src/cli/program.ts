import { Argument, Command, CommanderError, Option } from 'commander'
import { demo } from './demo.js'
import { evolutionCommands } from './evolution.js'
import { AlreadyTold, exitCodeOf, failureText } from './failure.js'
import { load } from './load.js'
import { maintenanceCommands } from './maintenance.js'
import { OUTPUTS } from './pages.js'
import { exportAll, list, replay } from './quarantine.js'
import { query, SUBJECTS } from './query.js'
import { serve } from './serve.js'
import { sql } from './sql.js'
import { stopSignal } from './stop-signal.js'
import { tables } from './tables.js'
import { VERSION } from './version.js'

const DATA = '--data <folder>'
const URL_OPTION = '--url <url>'
const SERVER_TO_ASK = 'server to ask (default: the one at the configured host and port)'

const ROOT_HELP = `
Settings and their defaults are in config/default.yaml. Each has an environment variable:
engine.memoryLimit is TICKLAKE_ENGINE_MEMORY_LIMIT.

Exit codes: 0 done, 1 failed, 2 the command line is wrong.`

const LOAD_HELP = `
Formats:
  csv-trades, csv-quotes, parquet-trades    named columns
  asx-trades, asx-quotes                    ASX, without header (--symbol)
  binance-ws-trades, binance-ws-quotes      recorded websocket messages
  lean-equity-trades, lean-equity-quotes,
  lean-forex-quotes                         LEAN's tick archives

A load that was interrupted goes on where it stopped when the same file is loaded in the same way.

Examples:
  ticklake load trades.csv.gz --format csv-trades --exchange XNAS
  ticklake load 20131007_trade.zip --format lean-equity-trades --symbol SPY
  ticklake load mine.csv --format ./mine.sql --data ./data`

const QUERY_HELP = `
Examples:
  ticklake query symbols
  ticklake query trades --symbols BHP --start 2014-03-10 --end 2014-03-11 --limit 20
  ticklake query bars --symbols EURUSD --interval 1h --of mid --tz America/New_York
  ticklake query bars --symbols SPY --interval 30m --session regular --prints eligible
  ticklake query asof --symbols BHP --start 2014-03-10 --max-age 10m
  ticklake query quotes --symbols BHP --limit 1000000 --output csv > quotes.csv`

const QUARANTINE_HELP = `
What is refused for its schema or its time may be right later: replay it. Lines of files are exported, mended (with
the header that their format wants) and loaded. Either way it stays in quarantine, as what once came: --start leaves
out of the next export what the last one had.

Examples:
  ticklake quarantine list --reason not_a_number
  ticklake quarantine export ./refused --of trades
  ticklake quarantine export ./refused-since --of trades --start 2026-11-26T16:00:00Z
  ticklake quarantine replay --of trades --reason unknown_schema`

/**
 * Runs one command and sets the process's exit code: 0 done, 1 failed, 2 the command line is wrong. Nothing that is
 * typed ends in a stack trace.
 */
export async function run(argv: readonly string[]): Promise<void> {
  try {
    await program(stopSignal()).parseAsync(argv)
  } catch (error) {
    // Commander has printed its own.
    if (!(error instanceof CommanderError || error instanceof AlreadyTold))
      process.stderr.write(`${failureText(error)}\n`)
    process.exitCode = exitCodeOf(error)
  }
}

/** The commands. Each is given a signal that aborts when the process is asked to stop. */
export function program(signal: AbortSignal): Command {
  const root = new Command('ticklake')
    .description(
      'A market-data lakehouse in one process: trades and quotes in, Iceberg tables and exact answers out.',
    )
    .version(VERSION, '--version', 'print the version')
    .helpCommand(false)
    .exitOverride()
    .showHelpAfterError('(ticklake --help lists the commands, ticklake <command> --help their options)')
    .addHelpText('after', ROOT_HELP)

  root
    .command('serve')
    .description('open or create a data folder and answer over HTTP')
    .option(DATA, 'data folder (default: ./data)')
    .option('--port <number>', 'port, 0 for any free one (default: 8080)')
    .option('--host <address>', 'loopback address to listen on (default: 127.0.0.1)')
    .action((options) => serve(options, signal))

  root
    .command('load')
    .description('load files into a running server, or into a data folder that no server owns')
    .argument('<files...>', 'CSV, JSON lines or Parquet files, also .gz, .zst and .zip')
    .requiredOption('--format <name>', 'one of the formats below, or the path of an SQL file of your own')
    .option('--symbol <symbol>', 'instrument, where the file does not name it')
    .option('--exchange <name>', 'exchange, where the format does not know it')
    .option('--date <date>', 'day as YYYY-MM-DD, where neither the file nor its name has it')
    .option('--again', 'load a file that was loaded before once more, as a new attempt')
    .addOption(
      new Option(
        URL_OPTION,
        'server to send the files to (default: the one at the configured host and port)',
      ).conflicts('data'),
    )
    .option(DATA, 'load into this folder, in this process')
    .option('--json', 'print one line of JSON for each file')
    .addHelpText('after', LOAD_HELP)
    .action((files, options) => load(files, options, signal))

  root
    .command('query')
    .description(
      'ask for trades, quotes, bars, vwap, trades with the quotes that prevailed (asof), the market at a moment (snapshot), the latest event of each symbol, or the symbols there are',
    )
    .addArgument(new Argument('<what>', 'what to ask for').choices(SUBJECTS))
    .option('--symbols <list>', 'symbols, with commas between')
    .option('--exchange <name>', 'only this exchange')
    .option('--start <time>', 'from this time on: RFC 3339, a date, or ns since 1970')
    .option('--end <time>', 'before this time')
    .option('--interval <length>', '1s to 1d: length of a bar (default: 1m), or of what vwap is of')
    .option(
      '--of <what>',
      'bars: trades, bid, ask or mid; latest and symbols: trades or quotes (default: trades)',
    )
    .option('--as-of <state>', 'what was there then: a snapshot id, a time, a branch or a tag')
    .option('--tz <zone>', 'time zone whose midnights bars start from (default: UTC; of 1d: trading days)')
    .option('--session <part>', 'bars and vwap: regular, pre, post or all of each trading day')
    .option('--prints <which>', 'bars and vwap: all trades, or eligible ones by their conditions')
    .option('--fill <how>', 'bars: none, null or prev for intervals without rows')
    .option('--prevailing <which>', 'asof: quotes at the time of a trade too, or only those before it')
    .option('--max-age <age>', 'asof and snapshot: nothing older, such as 10s or 1d')
    .option('--at <time>', 'snapshot: the moment (default: the newest there is)')
    .option('--order <order>', 'asc or desc, by time (not for snapshot, latest and symbols; default: asc)')
    .option('--fields <list>', 'fields of a row, with commas between (not for vwap and symbols)')
    .option('--limit <rows>', 'at most so many rows', '1000')
    .addOption(
      new Option('--output <form>', 'how to print them; json: one whole answer for each 50,000 rows')
        .choices(OUTPUTS)
        .default('table'),
    )
    .addOption(new Option(URL_OPTION, SERVER_TO_ASK).conflicts('data'))
    .option(DATA, 'open this folder, in this process')
    .addHelpText('after', QUERY_HELP)
    .action((what, options) => query(what, options, signal))

  root
    .command('sql')
    .description('ask one SELECT over trades, quotes, quarantine, corrections, sequence_gaps and rollups')
    .argument('<statement>', 'the SELECT; values as $name')
    .option('--param <name=value>', 'the value of $name; may be given again', append, [])
    .option('--limit <rows>', 'at most so many rows, up to 50000', '1000')
    .addOption(new Option('--output <form>', 'how to print them').choices(OUTPUTS).default('table'))
    .addOption(new Option(URL_OPTION, SERVER_TO_ASK).conflicts('data'))
    .option(DATA, 'open this folder, in this process')
    .action((statement, options) => sql(statement, options, signal))

  root
    .command('tables')
    .description('show tables: snapshots, files, rows, bytes, partitions and offsets')
    .argument('[name]', 'only this table, in detail')
    .addOption(new Option('--output <form>', 'how to print them').choices(['table', 'json']).default('table'))
    .addOption(new Option(URL_OPTION, SERVER_TO_ASK).conflicts('data'))
    .option(DATA, 'open this folder, in this process')
    .action((name, options) => tables(name, options, signal))

  quarantineCommands(root, signal)

  const admin = root.command('admin').description('change tables, and keep them in order').helpCommand(false)
  const target = (command: Command) =>
    command
      .addOption(new Option(URL_OPTION, SERVER_TO_ASK).conflicts('data'))
      .option(DATA, 'open this folder, in this process')
  evolutionCommands(admin, target, signal)
  maintenanceCommands(admin, target, signal)

  root
    .command('demo')
    .description(
      'load a made-up trading day into a temporary folder, keep a live feed going and ask three questions',
    )
    .option('--once', 'end after the answers')
    .option('--port <number>', 'port (default: 8080, or any free one if that is taken)')
    .action((options) => demo(options, signal))

  return root
}

function append(value: string, before: readonly string[]): readonly string[] {
  return [...before, value]
}

/** What was refused: to be seen, mended, and sent again. */
function quarantineCommands(root: Command, signal: AbortSignal): void {
  const quarantine = root
    .command('quarantine')
    .description('show what was refused, write it to files to be mended, or send it down the road again')
    .helpCommand(false)
    .addHelpText('after', QUARANTINE_HELP)
  const command = (name: string, description: string) =>
    quarantine
      .command(name)
      .description(description)
      .option('--reason <reason>', 'only what was refused for this reason, such as not_a_number')
      .option('--source <id>', 'only of this load, or of <topic>/<partition> of the log')
      .addOption(new Option(URL_OPTION, SERVER_TO_ASK).conflicts('data'))
      .option(DATA, 'open this folder, in this process')
  const taken = (one: Command) =>
    one
      .option(
        '--start <time>',
        'only what the log took from this time on: RFC 3339, a date, or ns since 1970',
      )
      .option('--end <time>', 'before this time')
  taken(command('list', 'show refused records, each with its reason'))
    .option('--of <table>', 'only what was meant for trades or for quotes')
    .option('--limit <rows>', 'at most so many', '1000')
    .addOption(new Option('--output <form>', 'how to print them').choices(OUTPUTS).default('table'))
    .action((options) => list(options, signal))
  taken(command('export', 'write the originals into an empty or new folder: a file for each source'))
    .argument('<folder>', 'where to')
    .option('--of <table>', 'only what was meant for trades or for quotes')
    .action((folder, options) => exportAll(folder, options, signal))
  command('replay', 'send refused records of the log down the road again, each at most once')
    .requiredOption('--of <table>', 'those that were meant for trades or for quotes')
    .option('--json', 'print what became of them as one line of JSON')
    .action((options) => replay(options, signal))
}
