import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { installKafka, KafkaServer } from '../test/peers/kafka-server.js'
import { report } from './baseline.js'
import { ingest } from './ingest/ingest.js'

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    rows: { type: 'string', default: '4000000' },
    rounds: { type: 'string', default: '3' },
    seconds: { type: 'string', default: '30' },
    log: { type: 'string', default: 'embedded' },
    baseline: { type: 'boolean', default: false },
  },
})

const onKafka = values.log === 'kafka'
if (positionals.join() !== 'ingest' || !(onKafka || values.log === 'embedded')) {
  console.error(
    'npm run bench -- ingest [--log embedded|kafka] [--rows 4000000] [--rounds 3] [--seconds 30] [--baseline]',
  )
  process.exit(2)
}

/** One node on this machine, whose share of the cores is missing to the program. */
const KAFKA = '4.4.0'

const kafka = onKafka ? await KafkaServer.start(await installKafka(KAFKA)) : null
// The children's log is where their settings say.
if (kafka) process.env.TICKLAKE_KAFKA_BROKERS = kafka.brokers
const folder = await mkdtemp(join(tmpdir(), 'ticklake-bench-'))
try {
  const figures = await ingest(folder, {
    rowCount: Number(values.rows),
    rounds: Number(values.rounds),
    freshnessSeconds: Number(values.seconds),
    brokers: kafka?.brokers ?? null,
  })
  report(onKafka ? 'ingest-kafka' : 'ingest', figures, { asBaseline: values.baseline })
} finally {
  await kafka?.stop()
  await rm(folder, { recursive: true, force: true })
}
