import { expect } from 'vitest'
import { formatDecimal, parseDecimal, TRADES } from '#core'
import { IngestFixture } from '../../support/ingest-fixture.js'
import { SeededRandom } from '../../support/seeded-random.js'

/** A trade as an engine appends it: decimals and microseconds as text. */
export interface TradeText {
  readonly symbol: string
  readonly micros: string
  readonly price: string
  readonly size: string
}

/** A trade as HTTP gives it. */
export interface Seen {
  readonly symbol: string
  readonly ts_ns: string
  readonly price: string
  readonly size: string
}

/** Of the rows that are posted. */
const SYMBOLS = ['S0', 'S1', 'S2']
const BODY_ROWS = 40
const PAGE = 50_000
const START_MICROS = 1_725_000_000_000_000n

/** A lake to which rows are posted while somebody else works on its tables. Each body is a flush. */
export class FedLake {
  readonly #fixture: IngestFixture
  readonly #random: SeededRandom
  #posted = 0

  private constructor(fixture: IngestFixture, random: SeededRandom) {
    this.#fixture = fixture
    this.#random = random
  }

  static async open(seed: number): Promise<FedLake> {
    const flush = { rows: BODY_ROWS, bytes: 2 ** 30, ageMs: 3_600_000 }
    return new FedLake(await IngestFixture.open({}, { flush }), new SeededRandom(seed))
  }

  get url(): string {
    return this.#fixture.url
  }

  /** Rows that were posted so far. */
  get posted(): number {
    return this.#posted
  }

  trades(symbol: string, count: number): readonly TradeText[] {
    return Array.from({ length: count }, () => ({
      symbol,
      micros: String(START_MICROS + BigInt(this.#random.below(4_000_000_000)) * 60n),
      price: formatDecimal(this.#random.bigBelow(10n ** 12n) + 1n),
      size: formatDecimal(this.#random.bigBelow(10n ** 12n) + 1n),
    }))
  }

  async post(): Promise<void> {
    const rows = this.trades(this.#random.pick(SYMBOLS), BODY_ROWS)
    const body = rows.map(({ micros, ...row }) => ({ ...row, exchange: 'MADE', ts_ns: `${micros}000` }))
    const { status } = await this.#fixture.post('trades', 'application/json', JSON.stringify(body))
    expect(status).toBe(200)
    this.#posted += rows.length
  }

  /** Posts on and on until the work is done. */
  async during<T>(work: Promise<T>): Promise<T> {
    let isDone = false
    const end = () => {
      isDone = true
    }
    work.then(end, end)
    while (!isDone) await this.post()
    return work
  }

  /** All trades; all of them are committed. */
  async settled(): Promise<readonly Seen[]> {
    let read = 0
    while (read < this.#posted) read = (await this.rows(`&symbols=${SYMBOLS.join(',')}`)).length
    // What is in memory is committed when the lake stops.
    await this.#fixture.restart()
    return this.rows()
  }

  async rows(query = ''): Promise<readonly Seen[]> {
    const rows: Seen[] = []
    for (let token = ''; ; ) {
      const path = `/v1/trades?fields=symbol,ts_ns,price,size&limit=${PAGE}${query}${token}`
      const page: { data: readonly Seen[]; next_page_token: string | null } = Object(
        await (await fetch(this.url + path)).json(),
      )
      rows.push(...page.data)
      if (page.next_page_token === null) return rows
      token = `&page_token=${encodeURIComponent(page.next_page_token)}`
    }
  }

  close(): Promise<void> {
    return this.#fixture.close()
  }
}

/** The exact sum of a column, as a decimal text without needless zeros. */
export function sumOf(rows: readonly Pick<Seen, 'price' | 'size'>[], column: 'price' | 'size'): string {
  return formatDecimal(rows.reduce((sum, row) => sum + parseDecimal(column, row[column]), 0n))
}

/** A decimal text as Python or DuckDB prints it, without needless zeros. */
export function plain(decimal: unknown): string {
  return formatDecimal(parseDecimal('sum', String(decimal)))
}

export const COLUMN_NAMES: readonly string[] = TRADES.columns.map(({ name }) => name)
