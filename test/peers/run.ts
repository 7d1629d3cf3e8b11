import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Counts, Report, summary } from './report.js'
import type { Suite } from './suite.js'
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

const chosen = SUITES.filter(({ id }) => names.length === 0 || names.some((name) => isNamed(id, name)))
const directory = await mkdtemp(join(tmpdir(), 'ticklake-peers-'))
let counts: readonly Counts[]
try {
  // Brokers take their time, with little to do: two at a time, and the others go on beside them.
  const busy = chosen.filter(({ waits }) => !waits)
  const waiting = chosen.filter(({ waits }) => waits).values()
  counts = (await Promise.all([busy, waiting, waiting].map(runLane))).flat()
} finally {
  await endSuites()
  // What a server that is being killed still writes may be in the way for a moment.
  await rm(directory, { recursive: true, force: true, maxRetries: 5 })
}
if (stopping.signal.aborted) console.log('FAIL  stopped before the end')
console.log(summary(counts))
process.exitCode = stopping.signal.aborted || counts.some(({ failed }) => failed > 0) ? 1 : 0

/** Runs suites one after the other, those that no other lane has taken; what each tells is printed whole, once it has ended. */
async function runLane(suites: Iterable<Suite>): Promise<readonly Counts[]> {
  const counts: Counts[] = []
  for (const suite of suites) {
    if (stopping.signal.aborted) break
    const told: string[] = [`── ${suite.id}\n`]
    // Alone it need not wait for its end.
    const write =
      chosen.length === 1 ? (text: string) => process.stdout.write(text) : (text: string) => told.push(text)
    const report = new Report({ peersAreDue: process.env.CI === 'true', write })
    try {
      await suite.run({ report, directory, signal: stopping.signal })
    } finally {
      process.stdout.write(told.join(''))
    }
    counts.push(report.counts)
  }
  return counts
}
