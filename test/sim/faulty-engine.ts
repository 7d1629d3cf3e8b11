import { type BatchAppender, type Engine, type QueryResult, sqlName, type TableEngine } from '#engine'
import type { Disk } from './faulty-objects.js'
import { type Life, READING, type Scheduler, WRITING } from './scheduler.js'

type ParquetRequest = Parameters<TableEngine['writeParquet']>[0]
type ParquetFile = Awaited<ReturnType<TableEngine['writeParquet']>>

/**
 * The real engine, whose operations wait at the gate. One engine serves all runs of all seeds, since it takes 30 ms to
 * open; when a process dies, what it had in memory is dropped.
 */
export class FaultyEngine implements TableEngine {
  readonly #engine: Engine
  readonly #scheduler: Scheduler
  readonly #life: Life
  readonly #disk: Disk
  readonly #root: string
  readonly #open = new Set<() => void>()
  readonly #drops = new Set<Promise<void>>()

  constructor(engine: Engine, scheduler: Scheduler, life: Life, disk: Disk, root: string) {
    this.#engine = engine
    this.#scheduler = scheduler
    this.#life = life
    this.#disk = disk
    this.#root = root
  }

  run(sql: string): Promise<void> {
    return this.#scheduler.gate(this.#life, sql.slice(0, 40), () => this.#engine.run(sql), READING)
  }

  read(sql: string): Promise<QueryResult> {
    return this.#scheduler.gate(this.#life, sql.slice(0, 40), () => this.#engine.read(sql), READING)
  }

  appender(table: string): Promise<BatchAppender> {
    return this.#scheduler.gate(this.#life, `append to ${table}`, () => this.#appender(table), READING)
  }

  drop(table: string): void {
    const dropped = this.#scheduler
      .gate(this.#life, `drop ${table}`, () => this.#engine.run(`DROP TABLE ${table}`))
      .finally(() => this.#drops.delete(dropped))
    this.#drops.add(dropped)
  }

  async dropped(): Promise<void> {
    await Promise.all(this.#drops)
  }

  writeParquet(request: ParquetRequest): Promise<ParquetFile> {
    const write = () => {
      this.#disk.writing(request.path)
      return this.#engine.writeParquet(request)
    }
    const name = `write ${request.path.replace(this.#root, '')}`
    return this.#scheduler.gate(this.#life, name, write, WRITING)
  }

  query(sql: string): Promise<QueryResult> {
    return this.#scheduler.gate(this.#life, 'query', () => this.#engine.query(sql))
  }

  /** Forgets what a process that has ended left in memory; gives the names of the tables. */
  async forget(): Promise<readonly string[]> {
    for (const close of this.#open) close()
    const { columns } = await this.#engine.query(`SELECT table_name FROM duckdb_tables() ORDER BY ALL`)
    const tables = (columns[0] ?? []).map(String)
    for (const table of tables) await this.#engine.run(`DROP TABLE ${sqlName(table)}`)
    return tables
  }

  async #appender(table: string): Promise<BatchAppender> {
    const appender = await this.#engine.appender(table)
    const close = appender.close.bind(appender)
    this.#open.add(close)
    appender.close = () => {
      this.#life.check()
      this.#open.delete(close)
      close()
    }
    return appender
  }
}
