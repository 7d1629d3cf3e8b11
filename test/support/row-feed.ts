import { formatDecimal, formatMicros } from '#core'
import type { SeededRandom } from './seeded-random.js'
import type { TicklakeServer } from './ticklake-process.js'

export const FED_TABLES = ['trades', 'quotes'] as const
export type FedTable = (typeof FED_TABLES)[number]

/** The fields of a fed row, which are what is sent and what an answer has to say. */
export const FED_FIELDS = {
  trades: ['message_id', 'symbol', 'ts', 'price', 'size'],
  quotes: ['message_id', 'symbol', 'ts', 'bid_price', 'bid_size', 'ask_price', 'ask_size'],
} as const satisfies Readonly<Record<FedTable, readonly string[]>>

/** Decimals as plain text, the time in RFC 3339. */
export type FedRow = Readonly<Record<string, string>>

interface Body {
  readonly path: string
  readonly key: string
  readonly rows: readonly object[]
  /** Once it is durable: what it changes of what the tables have to hold. */
  readonly taken: () => void
}

const SYMBOLS = 8
const ROWS_OF_BODY = 30
const START_MICROS = 1_725_000_000_000_000n
const MINUTE = 60_000_000n
const DAY = 1_440n * MINUTE

/**
 * Rows, some late and some wrong, and corrections of rows, sent body after body to whatever server there is. A body that
 * a server was killed over is sent again to the next one, with its key: so it is known what the tables have to hold.
 */
export class RowFeed {
  /** What the tables have to hold, by message id. */
  readonly kept: Readonly<Record<FedTable, Map<string, FedRow>>> = { trades: new Map(), quotes: new Map() }
  /** Rows that are wrong, and lie in quarantine. */
  refused = 0
  corrections = 0
  readonly #random: SeededRandom
  #bodies = 0
  #rows = 0
  #open: Body | null = null

  constructor(random: SeededRandom) {
    this.#random = random
  }

  /** Sends the body that is open, if any. Fails as `fetch` does. */
  async catchUp(server: TicklakeServer): Promise<void> {
    if (this.#open === null) return
    const { path, key, rows, taken } = this.#open
    const { status, data } = await server.post(`${path}?source=feed`, rows, {
      'idempotency-key': key,
    })
    if (status >= 300) throw new Error(`POST ${path}: ${status} ${JSON.stringify(data)}`)
    taken()
    this.#open = null
  }

  /** Sends bodies, one after the other. Fails as `fetch` does. */
  async send(server: TicklakeServer, bodies: number): Promise<void> {
    for (let sent = 0; sent < bodies; sent++) {
      await this.catchUp(server)
      this.#open = this.#next()
      await this.catchUp(server)
    }
  }

  #next(): Body {
    const key = `body-${this.#bodies++}`
    const table = this.#random.oneIn(3) ? 'quotes' : 'trades'
    const correction = this.#random.oneIn(12) ? this.#correction(table) : null
    return correction === null ? this.#newRows(table, key) : { ...correction, key }
  }

  #newRows(table: FedTable, key: string): Body {
    const rows = Array.from({ length: ROWS_OF_BODY }, () => this.#row(table))
    const wrong = this.#random.oneIn(5) ? [{ ...this.#row(table), ts: 'never' }] : []
    const taken = () => {
      for (const row of rows) this.kept[table].set(row.message_id!, row)
      this.refused += wrong.length
    }
    const sent = [...rows, ...wrong].map((row) => ({ ...row, exchange: 'MADE' }))
    return { path: `/v1/ingest/${table}`, key, rows: sent, taken }
  }

  /** A minute after the row before, or up to two days. */
  #row(table: FedTable): FedRow {
    const random = this.#random
    const number = this.#rows++
    const late = random.oneIn(20) ? random.bigBelow(2n * DAY) : 0n
    const decimals = FED_FIELDS[table].slice(3).map((field) => [field, this.#decimal()])
    return {
      message_id: `m${number}`,
      symbol: `S${random.below(SYMBOLS)}`,
      ts: formatMicros(START_MICROS + BigInt(number) * MINUTE - late),
      ...Object.fromEntries(decimals),
    }
  }

  /** Cancels a row, or gives it another price; null while there is none. */
  #correction(table: FedTable): Omit<Body, 'key'> | null {
    const kept = this.kept[table]
    const row = [...kept.values()][this.#random.below(Math.max(1, kept.size))]
    if (row === undefined) return null
    const { message_id: id } = row
    const field = table === 'trades' ? 'price' : 'bid_price'
    const change = this.#random.oneIn(2) ? null : { [field]: this.#decimal() }
    const action = change === null ? 'cancel' : 'replace'
    const taken = () => {
      this.corrections++
      if (change === null) kept.delete(id!)
      else kept.set(id!, { ...row, ...change })
    }
    const rows = [{ table, action, message_id: id, reason: 'made up', ...change }]
    return { path: '/v1/corrections', rows, taken }
  }

  #decimal(): string {
    return formatDecimal(this.#random.bigBelow(10n ** 11n) + 1n)
  }
}
