import { setTimeout as after } from 'node:timers/promises'
import { lacking } from './lake-rows.js'
import { FED_FIELDS, type FedRow, type FedTable, type RowFeed } from './row-feed.js'
import type { TicklakeServer } from './ticklake-process.js'

export interface Job {
  readonly id: string
  readonly state: 'waiting' | 'running' | 'done' | 'failed' | 'cancelled'
  readonly report: unknown
  readonly error: string | null
}

/** How long what was fed may take to be seen, and corrections to be made, before it counts as lost. */
const PATIENCE_MS = 60_000

/** A server that is asked whether it holds what a feed has sent to it and to those before it. */
export class FedLake {
  readonly server: TicklakeServer
  readonly #feed: RowFeed

  constructor(server: TicklakeServer, feed: RowFeed) {
    this.server = server
    this.#feed = feed
  }

  /** Sends what is open, and resolves when everything is seen that was sent, or when it has taken too long. */
  async settle(): Promise<void> {
    await this.#feed.catchUp(this.server)
    const deadlineMs = performance.now() + PATIENCE_MS
    while (!(await this.#isSettled()) && performance.now() < deadlineMs) await after(5)
  }

  async #isSettled(): Promise<boolean> {
    if ((await this.unlikeFed()) !== null) return false
    const { trades, quotes } = this.#feed.kept
    if ((await this.#count('trades')) !== trades.size) return false
    return (await this.#count('quotes')) === quotes.size
  }

  /** How the rows that were refused and the corrections are not those that were fed; null: they are. */
  async unlikeFed(): Promise<string | null> {
    const { refused, corrections } = this.#feed
    const lines = async (path: string) => {
      const found: string[] = []
      for await (const line of this.server.rows(path, {})) found.push(line)
      return found
    }
    const quarantined = (await lines('/v1/quarantine')).length
    if (quarantined !== refused) return `${quarantined} rows in quarantine instead of ${refused}`
    const states: string[] = (await lines('/v1/corrections')).map((line) => JSON.parse(line).state)
    const made = states.filter((state) => state === 'made').length
    if (made === corrections && states.length === made) return null
    return `${made} of ${states.length} corrections are made instead of ${corrections}`
  }

  async #count(table: FedTable): Promise<number> {
    return JSON.parse((await this.server.get(`/v1/${table}/count`)).body).data.count
  }

  /** All rows of a table, in its order. */
  async rows(table: FedTable, asOf: string | null): Promise<readonly FedRow[]> {
    const fields = FED_FIELDS[table]
    const parameters = { fields: fields.join(','), ...(asOf !== null && { as_of: asOf }) }
    const rows: FedRow[] = []
    for await (const line of this.server.rows(`/v1/${table}`, parameters)) rows.push(JSON.parse(line))
    return rows
  }

  /** Rows that were fed and are not there, and rows that are there beyond those. */
  async differences(table: FedTable): Promise<{ readonly lost: number; readonly beyond: number }> {
    const text = (row: FedRow) => JSON.stringify(FED_FIELDS[table].map((field) => row[field]))
    const found = (await this.rows(table, null)).map(text)
    const wanted = [...this.#feed.kept[table].values()].map(text)
    return { lost: lacking(found, wanted), beyond: lacking(wanted, found) }
  }

  async ask(path: string, body: object): Promise<unknown> {
    const { status, data } = await this.server.post(path, body)
    if (status >= 300) throw new Error(`POST ${path}: ${status} ${JSON.stringify(data)}`)
    return data
  }

  async begin(table: string, job: string, body: object): Promise<Job> {
    // Of the form of a job.
    return (await this.ask(`/admin/tables/${table}/${job}`, body)) as Job
  }

  /** Resolves when the job has ended. */
  async ended({ id }: Job): Promise<Job> {
    for (;;) {
      const job: Job = JSON.parse((await this.server.get(`/admin/jobs/${id}`)).body).data
      if (job.state !== 'waiting' && job.state !== 'running') return job
      await after(1)
    }
  }

  /** Throws unless the job gets done. */
  async done(table: string, job: string, body: object): Promise<Job> {
    const ended = await this.ended(await this.begin(table, job, body))
    if (ended.state !== 'done') throw new Error(`${job} of ${table}: ${ended.state}, ${ended.error}`)
    return ended
  }
}
