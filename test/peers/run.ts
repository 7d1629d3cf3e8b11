import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Report } from './report.js'
import { endSuites, SUITES } from './suites.js'

const names = process.argv.slice(2)
const unknown = names.filter((name) => !SUITES.some(({ id }) => isNamed(id, name)))
if (unknown.length > 0) {
  console.error(`no such suite: ${unknown.join(' ')}. There are ${SUITES.map(({ id }) => id).join(', ')}`)
  process.exit(2)
}

/** A name means the suite of that id, or the family of which it is the first word. */
function isNamed(id: string, name: string): boolean {
  return id === name || id.startsWith(`${name}-`)
}

const stopping = new AbortController()
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.on(signal, () => stopping.abort())
}

const report = new Report(process.env.CI === 'true')
const directory = await mkdtemp(join(tmpdir(), 'ticklake-peers-'))
try {
  for (const suite of SUITES) {
    if (names.length > 0 && !names.some((name) => isNamed(suite.id, name))) continue
    if (stopping.signal.aborted) break
    console.log(`── ${suite.id}`)
    await suite.run({ report, directory, signal: stopping.signal })
  }
} finally {
  await endSuites()
  // What a server that is being killed still writes may be in the way for a moment.
  await rm(directory, { recursive: true, force: true, maxRetries: 5 })
}
if (stopping.signal.aborted) report.fail('stopped before the end', [])
console.log(report.summary())
process.exitCode = report.counts.failed > 0 ? 1 : 0
