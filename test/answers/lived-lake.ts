import type { ConditionTable, SessionCalendars, Version } from '#core'
import { parseVersion } from '../../src/query/receipt.js'
import { unseal } from '../../src/query/sealed.js'
import { type EventTable, PARTITION_COUNT, RolledLake, RUN } from '../support/rolled-lake.js'
import type { SeededRandom } from '../support/seeded-random.js'
import type { TextAnswer } from '../support/text-router.js'
import { answerByHand, type Question, tablesOf } from './question.js'
import { type NamedRows, nameOf, placeName, type RowsAtVersion, TableHistory } from './table-history.js'

const EVENT_TABLES = ['trades', 'quotes'] as const
/** Rows that a table has at the beginning, so that there is something to lose. */
const FIRST_ROWS = 120

/** Tables to which all that can happen happens, and what each of their versions should hold. */
export class LivedLake {
  readonly lake: RolledLake
  readonly #histories: Readonly<Record<EventTable, TableHistory>> = {
    trades: new TableHistory(PARTITION_COUNT),
    quotes: new TableHistory(PARTITION_COUNT),
  }
  readonly #market: { readonly calendars: SessionCalendars; readonly conditions: readonly ConditionTable[] }

  private constructor(
    lake: RolledLake,
    readonly calendars: SessionCalendars,
    readonly conditions: readonly ConditionTable[],
  ) {
    this.lake = lake
    this.#market = { calendars, conditions }
  }

  static async open(
    seed: number,
    calendars: SessionCalendars,
    conditions: readonly ConditionTable[],
  ): Promise<LivedLake> {
    const lived = new LivedLake(await RolledLake.open(seed), calendars, conditions)
    for (const table of EVENT_TABLES) {
      await lived.#append(table, FIRST_ROWS)
      await lived.#flush(table)
    }
    await lived.lake.settled()
    await lived.lake.backfilled()
    return lived
  }

  close(): Promise<void> {
    return this.lake.close()
  }

  /** Something happens. A restart, which those who are reading could not bear, only where there are none. */
  async step(random: SeededRandom, canRestart: boolean): Promise<void> {
    const { lake } = this
    const table = random.pick(EVENT_TABLES)
    const rollup = random.pick(lake.warehouse.rollups)
    const { name } = rollup.definition
    await random.pick([
      () => this.#append(table, 1 + random.below(40)),
      () => this.#append(table, 1 + random.below(40)),
      () => this.#append(table, 1 + random.below(40)),
      () => this.#flush(table),
      () => this.#flush(table),
      () => this.#flush(table),
      () => this.#correct(table),
      () => this.#correct(table),
      () => this.#foreign(table, 1 + random.below(15)),
      () => this.#drop(table),
      () => lake.compact(random.pick([table, name])),
      () => rollup.backfill(RUN),
      () => lake.backfilled(),
      () => lake.settled(),
      () => this.#expire(random.pick([table, name]), random),
      ...(canRestart ? [() => lake.restart()] : []),
    ])()
    for (const each of EVENT_TABLES) this.#follow(each)
  }

  /** The rows of all pages of an answer, as they should be at the version that it says it was read from. */
  expected(question: Question, { meta }: Pick<TextAnswer, 'meta'>): readonly string[] {
    const receipts = meta.tables?.map(({ receipt }) => receipt) ?? [meta.receipt]
    const states = tablesOf(question).map(
      (table, index): RowsAtVersion => this.#histories[table].at(versionIn(receipts[index] ?? '')),
    )
    return answerByHand(question, states, this.#market)
  }

  async #append(table: EventTable, count: number): Promise<void> {
    this.#histories[table].append(await this.lake.append(table, count))
  }

  async #flush(table: EventTable): Promise<void> {
    await this.lake.flush(table)
    this.#follow(table)
  }

  async #correct(table: EventTable): Promise<void> {
    const made = await this.lake.correct(table)
    if (made === null) return
    const { partition, offset, price, column } = made
    this.#follow(table, (rows) => {
      const name = placeName(partition, offset)
      const others = [...rows].filter(([other]) => other !== name)
      const row = rows.get(name)
      return new Map(price === null || !row ? others : [...others, [name, { ...row, [column]: price }]])
    })
  }

  async #foreign(table: EventTable, count: number): Promise<void> {
    const added = await this.lake.foreign(table, count, true)
    this.#follow(table, (rows) => new Map([...rows, ...added.map((row) => [nameOf(row), row] as const)]))
  }

  async #drop(table: EventTable): Promise<void> {
    const paths = await this.lake.drop(table)
    const gone = await this.#namesIn(paths)
    this.#follow(table, (rows) => new Map([...rows].filter(([name]) => !gone.has(name))))
  }

  async #expire(name: string, random: SeededRandom): Promise<void> {
    const minToKeep = 1 + random.below(3)
    await this.lake.expire(name, { maxAgeMs: 0, minToKeep, maxCount: 5 })
  }

  #follow(table: EventTable, change?: (rows: NamedRows) => NamedRows): void {
    this.#histories[table].follow(this.lake.table(table).metadata(), change)
  }

  /** Which rows files have: nothing of ours reads them. */
  async #namesIn(paths: readonly string[]): Promise<ReadonlySet<string>> {
    if (paths.length === 0) return new Set()
    const list = paths.map((path) => `'${path}'`).join(', ')
    const { columns } = await this.lake.engine.query(
      `SELECT log_partition, log_offset, message_id FROM read_parquet([${list}])`,
    )
    const [partitions = [], offsets = [], ids = []] = columns
    return new Set(
      partitions.map((partition, row) =>
        partition === null ? String(ids[row]) : placeName(Number(partition), Number(offsets[row])),
      ),
    )
  }
}

function versionIn(receipt: string): Version {
  const parts = unseal(receipt)
  const version = Array.isArray(parts) ? parseVersion(parts[1], parts[2]) : undefined
  if (!version) throw new Error(`no receipt: ${receipt}`)
  return version
}
