import { fileURLToPath } from 'node:url'
import { systemClock } from '#core'
import { Engine } from '#engine'
import { installPython } from '../python.js'
import type { Report } from '../report.js'
import type { Suite, SuiteRun } from '../suite.js'
import { ask } from './ask.js'
import { differences, FACETS } from './compare.js'
import { expectedAnswer, questionOf } from './expected.js'
import { FIXTURES, type FixtureTable, writeFixture } from './fixtures.js'
import { ownAnswer } from './own-answer.js'
import type { TableAnswer, TableQuestion } from './question.js'
import type { Reader } from './readers.js'

const SEED = 20_240_808

/** A program and its arguments; the question goes to its standard input. */
export interface ReaderCommand {
  readonly file: string
  readonly args: readonly string[]
}

/** A fixture table, what is asked about it and the answer by brute force over the generated rows. */
interface Asked {
  readonly table: FixtureTable
  readonly question: TableQuestion
}

/** The tables that the readers of a run are asked about: written, and read by ourselves, for the first that asks. */
export class SharedTables {
  #asked: Promise<readonly Asked[]> | null = null

  of(run: SuiteRun): Promise<readonly Asked[]> {
    this.#asked ??= writeTables(run)
    return this.#asked
  }
}

async function writeTables({ directory, report }: SuiteRun): Promise<readonly Asked[]> {
  report.say(`seed ${SEED}`)
  const startedMs = systemClock.monotonicMs()
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
      const own = await ownAnswer(engine, table, question)
      check(report, 'ticklake', table.name, own, expectedAnswer(question, table.rows))
    }
    engine.close()
  }
  report.say(`${asked.length} tables written and read in ${secondsSince(startedMs)}`)
  return asked
}

/** A foreign reader of Iceberg is asked what our tables hold. */
export class ReaderSuite implements Suite {
  readonly #reader: Reader
  readonly #tables: SharedTables

  constructor(reader: Reader, tables: SharedTables) {
    this.#reader = reader
    this.#tables = tables
  }

  get id(): string {
    return this.#reader.id
  }

  async run(run: SuiteRun): Promise<void> {
    const { title, refuses = [], cannot, sees } = this.#reader
    const command = await commandOf(this.#reader).catch((error: Error) => {
      run.report.cannotHave(title, error.message)
      return null
    })
    if (command === null) return
    const all = await this.#tables.of(run)
    const asked = all.filter(({ table }) => !refuses.some((name) => table.name.startsWith(`${name}/`)))
    if (run.signal.aborted) return
    const questions = asked.map(({ question }) => ({
      ...question,
      predicates: question.predicates.filter((predicate) => !cannot?.(predicate, question)),
    }))
    try {
      const startedMs = systemClock.monotonicMs()
      const answer = await ask(command, { tables: questions }, run.signal)
      run.report.say(`${title}: ${answer.version}, answered in ${secondsSince(startedMs)}`)
      for (const [index, question] of questions.entries()) {
        const { name, rows } = asked[index]!.table
        const expected = expectedAnswer(question, sees ? rows.map(sees) : rows)
        check(run.report, title, name, answer.tables[name], expected)
      }
    } catch (error) {
      if (!run.signal.aborted) run.report.fail(`${title} did not answer`, [String(error)])
    }
  }
}

/** Makes a reader ready to run. Throws when it can't be had, saying why. */
export async function commandOf({ id, script, requirements }: Reader): Promise<ReaderCommand> {
  const path = besideThisFile(script)
  if (requirements === null) {
    return { file: process.execPath, args: ['--conditions=source', '--import', 'tsx', path] }
  }
  // Neither the user's own packages nor compiled files beside our scripts.
  return { file: await installPython(id, besideThisFile(requirements)), args: ['-B', '-s', path] }
}

/** Checks one table's answer, one line, and the differences below it. */
function check(
  report: Report,
  who: string,
  name: string,
  actual: TableAnswer | { error: string } | undefined,
  expected: TableAnswer,
): void {
  const line = `${who}  ${name}`
  if (actual === undefined || 'error' in actual) {
    report.fail(line, [actual?.error ?? 'no answer'])
    return
  }
  const found = FACETS.map((facet) => differences(actual, expected, facet))
  const wrong = found.filter((list) => list.length > 0)
  const right = found.length - wrong.length
  if (wrong.length > 0) {
    report.fail(line, wrong.flat(), wrong.length, right)
    return
  }
  const { count, columns, days, products, predicates } = expected
  const sums = Object.entries(products).map(
    ([pair, sum]) => `, ${pair} = ${sum === null ? 'none' : decimalText(sum)}`,
  )
  const rest = `min and max of ${Object.keys(columns).length} columns, ${predicates.length} predicates`
  report.pass(`${line}: ${count} rows, ${Object.keys(days).length} days${sums.join('')}, ${rest}`, right)
}

/** A sum of products: scaled by 10^16. */
function decimalText(scaled: string): string {
  const digits = scaled.replace('-', '').padStart(17, '0')
  return `${scaled.startsWith('-') ? '-' : ''}${digits.slice(0, -16)}.${digits.slice(-16)}`
}

function secondsSince(startedMs: number): string {
  return `${((systemClock.monotonicMs() - startedMs) / 1000).toFixed(1)} s`
}

function besideThisFile(name: string): string {
  return fileURLToPath(new URL(name, import.meta.url))
}
