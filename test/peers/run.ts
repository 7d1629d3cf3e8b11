import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { systemClock } from '#core'
import { Engine } from '#engine'
import { ask } from './ask.js'
import { differences, FACETS } from './compare.js'
import { expectedAnswer, questionOf } from './expected.js'
import { FIXTURES, type FixtureTable, writeFixture } from './fixtures.js'
import { ownAnswer } from './own-answer.js'
import { PEERS, type Peer } from './peers.js'
import { preparePeer } from './prepare.js'
import type { TableAnswer, TableQuestion } from './question.js'

const SEED = 20_240_808
const SHOWN_DIFFERENCES = 10

/** A fixture table, what is asked about it and the answer by brute force over the generated rows. */
interface Asked {
  readonly table: FixtureTable
  readonly question: TableQuestion
}

const score = { passed: 0, failed: 0, skipped: 0 }

/** Checks one table's answer, one line, and the differences below it. */
function check(
  who: string,
  name: string,
  actual: TableAnswer | { error: string } | undefined,
  expected: TableAnswer,
) {
  if (actual === undefined || 'error' in actual) {
    fail(who, name, [actual?.error ?? 'no answer'])
    return
  }
  const found = FACETS.map((facet) => differences(actual, expected, facet))
  score.passed += found.filter((list) => list.length === 0).length
  const wrong = found.filter((list) => list.length > 0)
  if (wrong.length > 0) {
    fail(who, name, wrong.flat(), wrong.length)
    return
  }
  const { count, columns, days, products, predicates } = expected
  const sums = Object.entries(products).map(
    ([pair, sum]) => `, ${pair} = ${sum === null ? 'none' : decimalText(sum)}`,
  )
  const rest = `min and max of ${Object.keys(columns).length} columns, ${predicates.length} predicates`
  console.log(
    `ok    ${who}  ${name}: ${count} rows, ${Object.keys(days).length} days${sums.join('')}, ${rest}`,
  )
}

function fail(who: string, name: string, reasons: readonly string[], checks = 1): void {
  score.failed += checks
  console.log(`FAIL  ${who}  ${name}`)
  for (const reason of reasons.slice(0, SHOWN_DIFFERENCES)) console.log(`        ${reason}`)
  if (reasons.length > SHOWN_DIFFERENCES)
    console.log(`        and ${reasons.length - SHOWN_DIFFERENCES} more`)
}

/** A sum of products: scaled by 10^16. */
function decimalText(scaled: string): string {
  const digits = scaled.replace('-', '').padStart(17, '0')
  return `${scaled.startsWith('-') ? '-' : ''}${digits.slice(0, -16)}.${digits.slice(-16)}`
}

async function checkPeer(peer: Peer, asked: readonly Asked[]): Promise<void> {
  const command = await preparePeer(peer).catch((error: Error) => {
    skip(peer, error.message)
    return null
  })
  if (command === null) return
  const questions = asked.map(({ question }) => ({
    ...question,
    predicates: question.predicates.filter((predicate) => !peer.cannot?.(predicate, question)),
  }))
  try {
    const startedMs = systemClock.monotonicMs()
    const answer = await ask(command, { tables: questions })
    console.log(`      ${peer.title}: ${answer.version}, answered in ${secondsSince(startedMs)}`)
    for (const [index, question] of questions.entries()) {
      const { name, rows } = asked[index]!.table
      const expected = expectedAnswer(question, peer.sees ? rows.map(peer.sees) : rows)
      check(peer.title, name, answer.tables[name], expected)
    }
  } catch (error) {
    fail(peer.title, 'did not answer', [String(error)])
  }
}

function secondsSince(startedMs: number): string {
  return `${((systemClock.monotonicMs() - startedMs) / 1000).toFixed(1)} s`
}

/** Without the peer nothing is known. On a developer's machine that may be so; in CI it is a failure. */
function skip(peer: Peer, reason: string): void {
  if (process.env.CI === 'true') {
    fail(peer.title, 'cannot be had', [reason])
  } else {
    score.skipped += 1
    console.log(`skip  ${peer.title}: cannot be had: ${reason}`)
  }
}

/** Writes all fixtures and checks what our own read path says of them. */
async function writeFixtures(directory: string): Promise<Asked[]> {
  const asked: Asked[] = []
  for (const [index, options] of FIXTURES.entries()) {
    const engine = await Engine.open({
      memoryLimit: '1GB',
      threads: 2,
      tempDirectory: directory,
      connections: 2,
      maxWaiting: 100,
    })
    for (const table of await writeFixture(directory, engine, options, SEED + index)) {
      const question = questionOf(table, options.swept)
      asked.push({ table, question })
      check(
        'ticklake',
        table.name,
        await ownAnswer(engine, table, question),
        expectedAnswer(question, table.rows),
      )
    }
    engine.close()
  }
  return asked
}

const filters = process.argv.slice(2)
const chosen = PEERS.filter(({ id }) => filters.length === 0 || filters.some((filter) => id.includes(filter)))
if (chosen.length === 0) {
  console.error(`no such peer: ${filters.join(' ')}. There are ${PEERS.map(({ id }) => id).join(', ')}`)
  process.exit(2)
}

const directory = await mkdtemp(join(tmpdir(), 'ticklake-peers-'))
try {
  console.log(`seed ${SEED}`)
  const startedMs = systemClock.monotonicMs()
  const asked = await writeFixtures(directory)
  console.log(`      ${asked.length} tables written and read in ${secondsSince(startedMs)}`)
  for (const peer of chosen) await checkPeer(peer, asked)
} finally {
  await rm(directory, { recursive: true, force: true })
}
console.log(
  `${score.passed} passed, ${score.failed} failed${score.skipped > 0 ? `, ${score.skipped} skipped` : ''}`,
)
process.exitCode = score.failed > 0 ? 1 : 0
