import { basename } from 'node:path'
import { fileURLToPath } from 'node:url'
import { systemClock } from '#core'
import { Engine } from '#engine'
import { installPython } from '../python.js'
import type { Report } from '../report.js'
import type { Suite, SuiteRun } from '../suite.js'
import { ask } from './ask.js'
import { differences, FACETS } from './compare.js'
import { expectedAnswer, questionOf } from './expected.js'
import { FEW, FIXTURES, type FixtureTable, writeFixture } from './fixtures.js'
import { writeGaps } from './gap-fixture.js'
import { LONG_LIFE, type LongLife, liveLong } from './long-life.js'
import { ownAnswer } from './own-answer.js'
import type { TableAnswer, TableQuestion } from './question.js'
import type { Reader } from './readers.js'

const SEED = 20_240_808
/** Columns of the long-lived table that predicates ask for: those that partition it, and those that were changed. */
const SWEPT_IN_LIFE = ['symbol', 'exchange', 'exchange_timestamp', 'price', 'place', 'depth', 'feed']

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
  #life: Promise<Life> | null = null

  of(run: SuiteRun): Promise<readonly Asked[]> {
    this.#asked ??= writeTables(run)
    return this.#asked
  }

  /** The long-lived one. */
  life(run: SuiteRun): Promise<Life> {
    this.#life ??= live(run)
    return this.#life
  }

  /** No reader asks any more. */
  async close(): Promise<void> {
    const life = await this.#life?.catch(() => null)
    if (!life) return
    await life.close()
    await life.engine.close()
  }
}

interface Life extends Pick<LongLife, 'catalog' | 'close'> {
  readonly asked: readonly Asked[]
  readonly engine: Engine
}

/** The states of the long-lived table that are asked for everything; the others for the essentials. */
function isMilestone(name: string): boolean {
  return name === `${LONG_LIFE}/evolved` || name === `${LONG_LIFE}/newest`
}

async function live({ directory, report }: SuiteRun): Promise<Life> {
  const startedMs = systemClock.monotonicMs()
  const engine = await openEngine(directory)
  const { tables, catalog, close } = await liveLong(directory, engine, SEED)
  const asked: Asked[] = []
  for (const table of tables) {
    const question = questionOf(table, isMilestone(table.name) ? SWEPT_IN_LIFE : FEW)
    asked.push({ table, question })
    check(
      report,
      'ticklake',
      table.name,
      await ownAnswer(engine, table, question),
      expectedAnswer(question, table.rows),
    )
  }
  report.say(`${LONG_LIFE}: lived and read in ${secondsSince(startedMs)}`)
  return { asked, catalog, engine, close }
}

function openEngine(tempDirectory: string): Promise<Engine> {
  return Engine.open({ memoryLimit: '1GB', threads: 2, tempDirectory, connections: 2 })
}

async function writeTables({ directory, report }: SuiteRun): Promise<readonly Asked[]> {
  report.say(`seed ${SEED}`)
  const startedMs = systemClock.monotonicMs()
  const asked: Asked[] = []
  const read = async (engine: Engine, table: FixtureTable, swept: readonly string[] | null) => {
    const question = questionOf(table, swept)
    asked.push({ table, question })
    const own = await ownAnswer(engine, table, question)
    check(report, 'ticklake', table.name, own, expectedAnswer(question, table.rows))
  }
  for (const [index, options] of FIXTURES.entries()) {
    const engine = await openEngine(directory)
    for (const table of await writeFixture(directory, engine, options, SEED + index)) {
      await read(engine, table, options.swept)
    }
    engine.close()
  }
  const engine = await openEngine(directory)
  await read(engine, await writeGaps(directory, engine, SEED), null)
  engine.close()
  report.say(`${asked.length} tables written and read in ${secondsSince(startedMs)}`)
  return asked
}

/** A foreign reader of Iceberg is asked what our tables hold. */
export class ReaderSuite implements Suite {
  readonly waits = false
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
    const { title, refuses = [], cannot, sees, isByCatalog = false } = this.#reader
    const command = await commandOf(this.#reader).catch((error: Error) => {
      run.report.cannotHave(title, error.message)
      return null
    })
    if (command === null) return
    const life = await this.#tables.life(run)
    const asked = isByCatalog ? life.asked : [...(await this.#tables.of(run)), ...life.asked]
    if (run.signal.aborted) return
    const questions = asked.map(({ question }) => ({
      ...question,
      catalog: isByCatalog ? life.catalog : null,
      predicates: question.predicates.filter((predicate) => !cannot?.(predicate, question)),
    }))
    try {
      const startedMs = systemClock.monotonicMs()
      const answer = await ask(command, { tables: questions }, run.signal)
      run.report.say(`${title}: ${answer.version}, answered in ${secondsSince(startedMs)}`)
      for (const [index, question] of questions.entries()) {
        const { name, rows } = asked[index]!.table
        const refusal = refuses.find(([begin]) => name.startsWith(begin))
        if (refusal) {
          checkRefusal(run.report, `${title}  ${name}`, answer.tables[name], refusal[1])
          continue
        }
        const expected = expectedAnswer(question, sees ? rows.map(sees) : rows)
        check(run.report, title, name, answer.tables[name], expected)
      }
    } catch (error) {
      if (!run.signal.aborted) run.report.fail(`${title} did not answer`, [String(error)])
    }
  }
}

/** Makes a reader ready to run. Throws when it can't be had, saying why. */
export async function commandOf({ script, requirements }: Reader): Promise<ReaderCommand> {
  const path = besideThisFile(script)
  if (requirements === null) {
    return { file: process.execPath, args: ['--conditions=source', '--import', 'tsx', path] }
  }
  // Neither the user's own packages nor compiled files beside our scripts.
  const python = await installPython(basename(requirements, '.txt'), besideThisFile(requirements))
  return { file: python, args: ['-B', '-s', path] }
}

/** What a reader is known not to read it must refuse, and say why: anything else would be wrong rows. */
function checkRefusal(
  report: Report,
  line: string,
  actual: TableAnswer | { error: string } | undefined,
  says: RegExp,
): void {
  if (actual && 'error' in actual && says.test(actual.error)) {
    report.pass(`${line}: refused, as is known (${actual.error.split('\n')[0]})`, 1)
  } else {
    report.fail(line, [`it does not refuse with ${says}: ${JSON.stringify(actual).slice(0, 200)}`])
  }
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
  const rest = `min, max and sum of ${Object.keys(columns).length} columns, ${predicates.length} predicates`
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
