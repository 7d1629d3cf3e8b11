import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { loadConfig } from '#config'
import type { TicklakeServer } from '../../test/support/ticklake-process.js'
import type { Figures } from '../baseline.js'
import { runChild } from '../child.js'
import type { FillInput, FillResult } from '../ingest/fill-log.js'
import { median } from '../statistics.js'
import { ask, type Meta } from './ask.js'
import { BareDuckdb, type BareQuestion } from './bare.js'
import { CASES, type QueryCase } from './cases.js'
import { rollUp, runJob, serve } from './lake.js'

export interface QueriesOptions {
  /** Of trades; there are a tenth as many quotes. */
  readonly rowCount: number
  /** Each question is put so often. */
  readonly rounds: number
}

/** Before the first that counts: files are in the page cache, code is compiled. */
const WARM_UP = 3

interface Measured {
  readonly question: QueryCase
  readonly rowCount: number
  readonly files: number
  /** Null where an answer has none. */
  readonly meta: Meta | null
  readonly oursMs: number
  /** Of it, in the query layer. */
  readonly insideMs: number
  readonly bareMs: number
  /** Null where nothing is kept. */
  readonly cachedMs: number | null
  rolledMs: number | null
}

/**
 * Questions over HTTP, end to end, beside the same by hand for DuckDB itself: in turns, with the same files, threads and
 * memory; then out of the cache; then those of bars with rollups.
 */
export async function queries(folder: string, { rowCount, rounds }: QueriesOptions): Promise<Figures> {
  const data = join(folder, 'data')
  const input: FillInput = {
    logFolder: join(data, 'log'),
    rowCount,
    quoteCount: Math.ceil(rowCount / 10),
    days: 5,
    symbols: 500,
  }
  await runChild<FillResult>('ingest/fill-log.ts', input)
  const measured: Measured[] = []
  const raw = await filled(data)
  try {
    const tempDirectory = join(folder, 'bare')
    await mkdir(tempDirectory)
    const bare = await BareDuckdb.open(raw, { ...loadConfig({ data }).engine, tempDirectory })
    for (const question of CASES) measured.push(await measure(raw, bare, question, rounds))
    await bare.close()
  } finally {
    await raw.stop()
  }
  const rolled = await serve(data, { isRolled: true })
  try {
    await rollUp(rolled)
    for (const one of measured) {
      if (one.question.isRolled) one.rolledMs = await measureRolled(rolled, one, rounds)
    }
  } finally {
    await rolled.stop()
  }
  console.log(tableOf(measured))
  return Object.assign({}, ...measured.map(figuresOf))
}

/** A lake without rollups whose rows are all in compacted files. */
async function filled(data: string): Promise<TicklakeServer> {
  const filling = await serve(data, { isRolled: false })
  await filling.stop()
  const server = await serve(data, { isRolled: false })
  for (const table of ['trades', 'quotes']) await runJob(server, 'compact', table)
  return server
}

async function measure(
  server: TicklakeServer,
  bare: BareDuckdb,
  question: QueryCase,
  rounds: number,
): Promise<Measured> {
  const byHand = await bare.question(question)
  const [ours, inside, theirs, cached]: number[][] = [[], [], [], []]
  let last = await ask(server.url, question.path, false)
  const rowCount = await bare.rowCount(byHand)
  if (last.rowCount !== rowCount)
    throw new Error(`${question.name}: ${last.rowCount} rows, by hand ${rowCount}`)
  const { meta } = last
  for (let round = 0; round < WARM_UP + rounds; round++) {
    last = await ask(server.url, question.path, false)
    const bareMs = await timeBare(bare, byHand)
    if (round < WARM_UP) continue
    ours!.push(last.tookMs)
    inside!.push(last.meta?.elapsed_ms ?? last.tookMs)
    theirs!.push(bareMs)
  }
  for (let round = 0; round < rounds; round++) {
    const again = await ask(server.url, question.path, true)
    if (again.meta && again.meta.cache !== 'none') cached!.push(again.tookMs)
  }
  return {
    question,
    rowCount,
    files: byHand.files,
    meta,
    oursMs: median(ours!),
    insideMs: median(inside!),
    bareMs: median(theirs!),
    cachedMs: cached!.length === rounds ? median(cached!) : null,
    rolledMs: null,
  }
}

async function timeBare(bare: BareDuckdb, question: BareQuestion): Promise<number> {
  const startedMs = performance.now()
  await bare.rowCount(question)
  return performance.now() - startedMs
}

async function measureRolled(
  server: TicklakeServer,
  { question, rowCount }: Measured,
  rounds: number,
): Promise<number> {
  const took: number[] = []
  for (let round = 0; round < WARM_UP + rounds; round++) {
    const asked = await ask(server.url, question.path, false)
    if (asked.rowCount !== rowCount || asked.meta?.rollup === null)
      throw new Error(`${question.name}: ${asked.rowCount} rows by ${asked.meta?.rollup}, else ${rowCount}`)
    if (round >= WARM_UP) took.push(asked.tookMs)
  }
  return median(took)
}

function tableOf(measured: readonly Measured[]): string {
  const head = [
    'question',
    'rows',
    'files: all',
    'read',
    'needed',
    'MiB read',
    'p50, ms',
    'inside',
    'bare DuckDB',
    'p50 / bare',
    'cached',
    'by rollup',
    'rows / rollup',
  ]
  const lines = measured.map((one) => {
    const { question, rowCount, files, meta, oursMs, insideMs, bareMs, cachedMs, rolledMs } = one
    const sums = meta && totals(meta)
    return [
      question.name,
      rowCount.toLocaleString('en'),
      sums?.filesTotal ?? '',
      sums?.filesRead ?? '',
      files,
      sums ? (sums.bytesRead / 2 ** 20).toFixed(1) : '',
      oursMs.toFixed(1),
      insideMs.toFixed(1),
      bareMs.toFixed(1),
      (oursMs / bareMs).toFixed(2),
      cachedMs?.toFixed(1) ?? '',
      rolledMs?.toFixed(1) ?? '',
      rolledMs === null ? '' : (oursMs / rolledMs).toFixed(2),
    ]
  })
  return ['', head, ['---', ...head.slice(1).map(() => '---:')], ...lines]
    .map((cells) => (typeof cells === 'string' ? cells : `| ${cells.join(' | ')} |`))
    .join('\n')
}

/** Of an answer from several tables, of all of them. */
function totals({ tables = [], ...meta }: Meta) {
  const sum = (of: (one: Omit<Meta, 'tables'> | (typeof tables)[number]) => number) =>
    tables.length === 0 ? of(meta) : tables.reduce((all, one) => all + of(one), 0)
  return {
    filesTotal: sum((one) => one.files_total),
    filesRead: sum((one) => one.files_read),
    bytesRead: sum((one) => one.bytes_read),
  }
}

function figuresOf({ question, oursMs, bareMs, cachedMs, rolledMs }: Measured): Figures {
  const { name } = question
  return {
    [`${name}: p50, ms`]: oursMs,
    [`${name}: bare DuckDB, p50, ms`]: bareMs,
    [`${name}: / bare DuckDB`]: oursMs / bareMs,
    ...(cachedMs !== null && { [`${name}: cached, p50, ms`]: cachedMs }),
    ...(rolledMs !== null && { [`${name}: by rollup, p50, ms`]: rolledMs }),
  }
}
