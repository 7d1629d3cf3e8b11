import { EMPTY_LEDGER, type InstrumentState, instrumentKey, type Ledger } from '#core'
import { long, type Row } from './row-batch.js'

/** Counts the rows of instruments as the consumer does, and nothing else of them. */
export class CountedInstruments {
  readonly #states = new Map<string, InstrumentState>()

  /** Takes more rows, and gives the change that they make. */
  take(rows: readonly Row[]): Ledger {
    const changed = new Map<string, InstrumentState>()
    for (const row of rows) {
      const partition = Number(row.log_partition)
      const [exchange, symbol] = [String(row.exchange), String(row.symbol)]
      const key = instrumentKey(partition, exchange, symbol)
      const { accepted = 0, newestMicros = null } = this.#states.get(key) ?? {}
      const state = {
        partition,
        exchange,
        symbol,
        accepted: accepted + 1,
        newestMicros: Math.max(
          Number(long(row.exchange_timestamp)),
          newestMicros ?? Number.NEGATIVE_INFINITY,
        ),
        duplicates: 0,
        refused: {},
        prices: null,
        runs: [],
      }
      this.#states.set(key, state)
      changed.set(key, state)
    }
    return { ...EMPTY_LEDGER, instruments: [...changed.values()] }
  }
}
