import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { report } from './baseline.js'
import { ingest } from './ingest/ingest.js'

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    rows: { type: 'string', default: '4000000' },
    rounds: { type: 'string', default: '3' },
    seconds: { type: 'string', default: '30' },
    baseline: { type: 'boolean', default: false },
  },
})

if (positionals.length !== 1 || positionals[0] !== 'ingest') {
  console.error('npm run bench -- ingest [--rows 4000000] [--rounds 3] [--seconds 30] [--baseline]')
  process.exit(2)
}

const folder = await mkdtemp(join(tmpdir(), 'ticklake-bench-'))
try {
  const figures = await ingest(folder, {
    rowCount: Number(values.rows),
    rounds: Number(values.rounds),
    freshnessSeconds: Number(values.seconds),
  })
  report('ingest', figures, { asBaseline: values.baseline })
} finally {
  await rm(folder, { recursive: true, force: true })
}
