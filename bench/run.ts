import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { installKafka, KafkaServer } from '../test/peers/kafka-server.js'
import { report } from './baseline.js'
import { commitFigures } from './commits/figures.js'
import { compaction } from './compaction/compaction.js'
import { ingest } from './ingest/ingest.js'
import { load } from './load/load.js'
import { queries } from './queries/queries.js'

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    rows: { type: 'string' },
    rounds: { type: 'string' },
    seconds: { type: 'string', default: '30' },
    log: { type: 'string', default: 'embedded' },
    commits: { type: 'string', default: '10000' },
    minutes: { type: 'string', default: '10' },
    rate: { type: 'string', default: '100000' },
    questions: { type: 'string', default: '32' },
    profile: { type: 'string' },
    baseline: { type: 'boolean', default: false },
  },
})

const USAGE = `npm run bench -- ingest [--log embedded|kafka] [--rows 4000000] [--rounds 3] [--seconds 30] [--baseline]
npm run bench -- commits [--commits 10000] [--baseline]
npm run bench -- compaction [--rows 4000000] [--seconds 30] [--baseline]
npm run bench -- queries [--rows 20000000] [--rounds 15] [--baseline]
npm run bench -- load [--minutes 10] [--rate 100000] [--questions 32] [--rows 4000000] [--profile FOLDER] [--baseline]`

const CHART = fileURLToPath(new URL('../docs/decisions/metadata-stays-small.svg', import.meta.url))

/** One node on this machine, whose share of the cores is missing to the program. */
const KAFKA = '4.4.0'

async function measureIngest(folder: string, onKafka: boolean): Promise<void> {
  const kafka = onKafka ? await KafkaServer.start(await installKafka(KAFKA)) : null
  // The children's log is where their settings say.
  if (kafka) process.env.TICKLAKE_KAFKA_BROKERS = kafka.brokers
  try {
    const figures = await ingest(folder, {
      rowCount: Number(values.rows ?? 4_000_000),
      rounds: Number(values.rounds ?? 3),
      freshnessSeconds: Number(values.seconds),
      brokers: kafka?.brokers ?? null,
    })
    report(onKafka ? 'ingest-kafka' : 'ingest', figures, { asBaseline: values.baseline })
  } finally {
    await kafka?.stop()
  }
}

async function measureCommits(folder: string): Promise<void> {
  const figures = await commitFigures(folder, Number(values.commits), values.baseline ? CHART : null)
  report('commits', figures, { asBaseline: values.baseline })
}

async function measureCompaction(folder: string): Promise<void> {
  const figures = await compaction(folder, {
    rowCount: Number(values.rows ?? 4_000_000),
    seconds: Number(values.seconds),
  })
  report('compaction', figures, { asBaseline: values.baseline })
}

async function measureQueries(folder: string): Promise<void> {
  const figures = await queries(folder, {
    rowCount: Number(values.rows ?? 20_000_000),
    rounds: Number(values.rounds ?? 15),
  })
  report('queries', figures, { asBaseline: values.baseline })
}

/** `--profile`: Node writes the server's CPU profile into that folder. */
async function measureLoad(folder: string): Promise<void> {
  const figures = await load(folder, {
    minutes: Number(values.minutes),
    rowsPerSecond: Number(values.rate),
    questionsPerSecond: Number(values.questions),
    historyRows: Number(values.rows ?? 4_000_000),
    nodeOptions: values.profile ? ['--cpu-prof', `--cpu-prof-dir=${values.profile}`] : [],
  })
  report('load', figures, { asBaseline: values.baseline })
}

const folder = await mkdtemp(join(tmpdir(), 'ticklake-bench-'))
try {
  const benchmark = positionals.join(' ')
  if (benchmark === 'ingest' && ['embedded', 'kafka'].includes(values.log)) {
    await measureIngest(folder, values.log === 'kafka')
  } else if (benchmark === 'commits') {
    await measureCommits(folder)
  } else if (benchmark === 'compaction') {
    await measureCompaction(folder)
  } else if (benchmark === 'queries') {
    await measureQueries(folder)
  } else if (benchmark === 'load') {
    await measureLoad(folder)
  } else {
    console.error(USAGE)
    process.exitCode = 2
  }
} finally {
  await rm(folder, { recursive: true, force: true })
}
