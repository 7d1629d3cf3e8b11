import { readFileSync } from 'node:fs'
import { partitionOf } from '../../src/ingest/log/partitioner.js'
import type { SeededRandom } from './seeded-random.js'

/** What a made file of trades lets a reader expect: the numbers of its rows, from 1, by symbol and by log partition. */
export class TradesModel {
  readonly rowCount: number
  readonly symbols: readonly string[]
  readonly #rowsOfSymbol = new Map<string, number[]>()
  readonly #rowsOfPartition: number[][]

  constructor(file: string, partitionCount: number) {
    this.#rowsOfPartition = Array.from({ length: partitionCount }, () => [])
    const lines = readFileSync(file, 'utf8').trimEnd().split('\n').slice(1)
    lines.forEach((line, index) => {
      const row = index + 1
      const symbol = line.split(',', 2)[1]!
      const rows = this.#rowsOfSymbol.get(symbol)
      if (rows) rows.push(row)
      else this.#rowsOfSymbol.set(symbol, [row])
      this.#rowsOfPartition[partitionOf(symbol, partitionCount)]!.push(row)
    })
    this.rowCount = lines.length
    this.symbols = [...this.#rowsOfSymbol.keys()]
  }

  /** The file's rows of a symbol, in order: its times never go back. */
  rows(symbol: string): readonly number[] {
    return this.#rowsOfSymbol.get(symbol)!
  }

  /** Those of them that lie below a position in the log, where every record is a row of the file. */
  rowsBelow(symbol: string, offsets: readonly number[]): readonly number[] {
    const partition = partitionOf(symbol, offsets.length)
    const end = this.#rowsOfPartition[partition]![offsets[partition]!] ?? Number.POSITIVE_INFINITY
    return this.rows(symbol).filter((row) => row < end)
  }
}

/**
 * Asks a server without a pause how many trades there are and for those of a symbol, and holds each answer against the
 * model: the receipt says how much of the log it reflects, so that each row between tail and table is counted on.
 */
export class BorderChecker {
  /** What was wrong; nothing but empty is right. */
  readonly violations: string[] = []
  answers = 0
  readonly #model: TradesModel
  readonly #random: SeededRandom
  readonly #everyRecordIsARow: boolean
  #stopping = false
  #running: Promise<void> | null = null
  /** Rows that were seen by any answer: they must never be gone again, not even after a crash. */
  #seen = 0

  /** `everyRecordIsARow`: false where a log has records of its own among them, as Kafka has. */
  constructor(model: TradesModel, random: SeededRandom, everyRecordIsARow: boolean) {
    this.#model = model
    this.#random = random
    this.#everyRecordIsARow = everyRecordIsARow
  }

  /** Begins with another lake, which is empty. */
  begin(): void {
    this.#seen = 0
  }

  /** Asks until `stop`, or until the server is gone. It must be ready: from then on each answer is whole. */
  start(url: string): void {
    this.#stopping = false
    this.#running = this.#ask(url)
  }

  async stop(): Promise<void> {
    this.#stopping = true
    await this.#running
  }

  async #ask(url: string): Promise<void> {
    while (!this.#stopping) {
      try {
        await this.#count(url)
        await this.#symbol(url)
      } catch (error) {
        // The server is gone, perhaps in the middle of its answer.
        if (error instanceof TypeError || (error instanceof Error && error.name === 'AbortError')) return
        throw error
      }
    }
  }

  async #count(url: string): Promise<void> {
    const answer = await this.#get(url, '/v1/trades/count')
    if (answer === null) return
    const { count } = JSON.parse(answer.text).data
    const expected = answer.offsets.reduce((sum, offset) => sum + offset, 0)
    if (this.#everyRecordIsARow && count !== expected) {
      this.violations.push(`count ${count} at ${JSON.stringify(answer.offsets)}, which is ${expected}`)
    }
    if (count > this.#model.rowCount) this.violations.push(`count ${count} of ${this.#model.rowCount}`)
    if (count < this.#seen) this.violations.push(`count ${count} after ${this.#seen} had been seen`)
    this.#seen = Math.max(this.#seen, count)
  }

  async #symbol(url: string): Promise<void> {
    const symbol = this.#random.pick(this.#model.symbols)
    const query = `symbols=${symbol}&fields=message_id&limit=50000&format=ndjson`
    const answer = await this.#get(url, `/v1/trades?${query}`)
    if (answer === null) return
    const lines = answer.text.split('\n').filter((line) => line !== '')
    const rows = lines.map((line) => Number(JSON.parse(line).message_id.split(':')[1]))
    const expected = this.#everyRecordIsARow
      ? this.#model.rowsBelow(symbol, answer.offsets)
      : this.#model.rows(symbol).slice(0, rows.length)
    if (rows.length !== expected.length || rows.some((row, index) => row !== expected[index])) {
      const at = rows.findIndex((row, index) => row !== expected[index])
      this.violations.push(
        `${symbol}: ${rows.length} rows instead of ${expected.length} at ${JSON.stringify(answer.offsets)}, ` +
          `the ${at}th is ${rows[at]} instead of ${expected[at]}`,
      )
    }
  }

  /** An answer and the position of the log that its receipt names; null when the server is too busy or is stopping. */
  async #get(url: string, path: string) {
    const response = await fetch(url + path)
    const text = await response.text()
    if (response.status === 503 || response.status === 429) return null
    if (!response.ok) {
      this.violations.push(`${path}: ${response.status} ${text}`)
      return null
    }
    this.answers++
    const receipt = response.headers.get('x-receipt')!
    const [, , offsets]: [string, string | null, number[]] = JSON.parse(
      Buffer.from(receipt.split('.')[0]!, 'base64url').toString(),
    )
    return { text, offsets }
  }
}
