import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { QUOTES, QualityFlag, systemClock, TRADES } from '#core'
import { Road } from './support/road.js'
import type { Row } from './support/row-batch.js'
import { SeededRandom } from './support/seeded-random.js'

let road: Road
beforeEach(async () => {
  road = await Road.open()
})
afterEach(() => road.close())

const EVERYTHING = { symbols: null, exchange: null, startNanos: null, endNanos: null } as const
const MICROS_2024 = 1_704_067_200_000_000n

interface Counts {
  accepted: number
  duplicates: number
  reasons: Record<string, number>
}

/** What the test itself has counted. */
class Tally {
  readonly #counts = new Map<string, Counts>()

  of(name: string): Counts {
    const counts = this.#counts.get(name) ?? { accepted: 0, duplicates: 0, reasons: {} }
    this.#counts.set(name, counts)
    return counts
  }

  refuse(name: string, reason: string, count = 1): void {
    const { reasons } = this.of(name)
    reasons[reason] = (reasons[reason] ?? 0) + count
  }

  /** As the lake should tell it. */
  told(name: string): object {
    const { accepted, duplicates, reasons } = this.of(name)
    const quarantined = Object.values(reasons).reduce((sum, count) => sum + count, 0)
    const received = accepted + quarantined + duplicates
    return { received, accepted, quarantined, quarantined_reasons: reasons, duplicates }
  }

  get names(): readonly string[] {
    return [...this.#counts.keys()]
  }
}

type Rows = readonly Record<string, unknown>[]

async function quality(table: 'trades' | 'quotes', selection: object = {}): Promise<Rows> {
  const request = { ...EVERYTHING, table, limit: 1_000, pageToken: null, ...selection }
  return (await road.router.quality(request, { encoding: 'json' })).rows.map((row) => JSON.parse(row))
}

async function tableQuality(): Promise<Rows> {
  return (await road.router.tableQuality({ encoding: 'json' })).rows.map((row) => JSON.parse(row))
}

/** What can be wrong with a record, and the reason for which it is then refused. */
const WRONG: readonly (readonly [string, Row])[] = [
  ['not_positive', { price: 0n }],
  ['negative', { size: -1n }],
  ['before_1970', { exchange_timestamp: -1n }],
  ['wrong_time_unit', { exchange_timestamp: MICROS_2024 / 1000n }],
  ['time_ahead', { exchange_timestamp: 2n * BigInt(systemClock.nowMs()) * 1000n }],
]

test.each([1, 2, 3, 4])(
  'received = accepted + quarantined + duplicates, by instrument and by table (seed %i) [inv 10]',
  async (seed) => {
    const random = new SeededRandom(seed)
    const instruments = new Tally()
    const tables = new Tally()
    let sent: Row[] = []
    for (let round = 0; round < 6; round++) {
      // A file: lines that are refused when it is loaded are of no instrument; a time ahead is refused by the log's reader.
      const lines = ['time,symbol,price,size']
      for (let row = random.below(20); row >= 0; row--) {
        const symbol = random.pick(['BHP', 'CBA'])
        const problem = random.pick([null, null, null, 'not_a_number', 'time_ahead'])
        const year = problem === 'time_ahead' ? 2100 : 2024
        lines.push(
          `${year}-01-02T00:00:00Z,${symbol},${problem === 'not_a_number' ? 'x' : '1.5'},${round + 1}`,
        )
        if (problem === null) instruments.of(`X/${symbol}`).accepted++
        if (problem === null) tables.of('trades').accepted++
        else tables.refuse('trades', problem)
        if (problem === 'time_ahead') instruments.refuse(`X/${symbol}`, problem)
      }
      await road.load(`${round}.csv`, `${lines.join('\n')}\n`, 'csv-trades', 'X')

      // A producer: some of its records can't be true, some it sends again.
      const rows: Row[] = []
      for (let row = random.below(30); row >= 0; row--) {
        const again = sent.length > 0 && random.oneIn(3)
        const [reason, wrong] = !again && random.oneIn(4) ? random.pick(WRONG) : [null, {}]
        const record: Row = again
          ? random.pick(sent)
          : {
              ...{ symbol: random.pick(['BHP', 'CBA', 'ACME']), exchange: random.pick(['X', 'Y']) },
              ...{ exchange_timestamp: MICROS_2024, price: 100_000_000n, size: 1n },
              ...{ message_id: `${round}-${row}`, ...wrong },
            }
        if (reason === null && !again) sent = [...sent, record]
        for (const [tally, name] of [
          [instruments, `${record.exchange}/${record.symbol}`],
          [tables, 'trades'],
        ] as const) {
          if (again) tally.of(name).duplicates++
          else if (reason === null) tally.of(name).accepted++
          else tally.refuse(name, reason)
        }
        rows.push(record)
      }
      await road.produce(TRADES, rows)
      await road.produceJunk(random.oneIn(2) ? QUOTES : TRADES, Buffer.from('junk'))
      await road.settle()
      if (random.oneIn(2)) await road.restart()
      await road.settle()
    }
    const junk = { trades: 0, quotes: 0 }
    for (const { topic } of [TRADES, QUOTES])
      junk[topic === TRADES.topic ? 'trades' : 'quotes'] = await malformed(topic)
    expect(junk.trades + junk.quotes).toBe(6)
    if (junk.trades > 0) tables.refuse('trades', 'malformed', junk.trades)
    if (junk.quotes > 0) tables.refuse('quotes', 'malformed', junk.quotes)

    const byInstrument = (await quality('trades')).map(
      (row) => [`${row.exchange}/${row.symbol}`, row] as const,
    )
    expect(byInstrument.map(([name]) => name)).toEqual([...instruments.names].sort())
    for (const [name, row] of byInstrument) {
      expect(row, name).toMatchObject({ ...instruments.told(name), rows: instruments.of(name).accepted })
    }
    expect(await tableQuality()).toMatchObject([
      { table: 'trades', ...tables.told('trades') },
      { table: 'quotes', ...tables.told('quotes') },
    ])
  },
)

async function malformed(topic: string): Promise<number> {
  const of = topic === TRADES.topic ? 'trades' : 'quotes'
  const filter = {
    of,
    reason: 'malformed',
    sourceId: null,
    kind: 'record',
    order: 'asc',
    fields: ['line'],
  } as const
  const { rows } = await road.router.quarantine(
    { ...EVERYTHING, ...filter, limit: 1_000, pageToken: null },
    { encoding: 'csv' },
  )
  return rows.length
}

describe('quality of an instrument', () => {
  const numbered = (number: bigint, seconds: number, symbol = 'BHP'): Row => ({
    ...{ symbol, exchange: 'X', price: 100n, size: 1n, sequence_number: number },
    exchange_timestamp: MICROS_2024 + BigInt(seconds) * 1_000_000n,
    quality_flags: QualityFlag.contiguousSequence,
    message_id: `${symbol} ${number} ${seconds}`,
  })

  test('counts flags and says how complete its sequence is, also of a part of the day', async () => {
    // 3 and 4 are missing at first, 4 comes late; 8 comes twice, and 6, 7 never.
    await road.produce(
      TRADES,
      [
        [1n, 1],
        [2n, 2],
        [5n, 5],
        [4n, 4],
        [8n, 8],
        [8n, 9],
      ].map(([number, second]) => numbered(BigInt(number!), Number(second))),
    )
    await road.produce(TRADES, [{ ...numbered(0n, 1, 'CBA'), quality_flags: 0 }])
    await road.settle()
    const [bhp, cba] = await quality('trades')
    expect(bhp).toMatchObject({
      ...{ symbol: 'BHP', exchange: 'X', rows: 6, sequence_gap: 2, out_of_order: 1, duplicate_sequence: 1 },
      ...{ missing: 3, completeness: 5 / 8, received: 6, quarantined_reasons: {} },
    })
    expect(bhp?.freshness_p50_ms).toBeGreaterThan(0)
    expect(cba).toMatchObject({ symbol: 'CBA', rows: 1, missing: null, completeness: null, received: 1 })
    const early = { endNanos: (MICROS_2024 + 5_000_000n) * 1000n, symbols: ['BHP'] }
    expect(await quality('trades', early)).toMatchObject([
      { rows: 3, missing: 1, completeness: 3 / 4, received: 6 },
    ])
  })

  test('of which every record was refused is there, without rows; quotes have flags of their own', async () => {
    const quote = (bid: bigint, ask: bigint, symbol = 'BHP'): Row => ({
      ...{ symbol, exchange: 'X', exchange_timestamp: MICROS_2024, message_id: `${bid} ${ask}` },
      ...{ bid_price: bid, bid_size: 1n, ask_price: ask, ask_size: 1n },
    })
    await road.produce(QUOTES, [quote(100n, 99n), quote(100n, 100n), quote(99n, 100n), quote(-1n, 1n, 'WOW')])
    await road.settle()
    expect(await quality('quotes')).toMatchObject([
      { symbol: 'BHP', rows: 3, crossed: 1, locked: 1, received: 3 },
      {
        symbol: 'WOW',
        rows: 0,
        crossed: 0,
        freshness_p50_ms: null,
        received: 1,
        quarantined_reasons: { negative: 1 },
      },
    ])
  })

  test('is paged, and a cell of CSV has the reasons', async () => {
    await road.produce(
      TRADES,
      ['A', 'B', 'C'].flatMap((symbol) => [
        numbered(1n, 1, symbol),
        { ...numbered(2n, 2, symbol), price: 0n },
      ]),
    )
    await road.settle()
    const symbols: unknown[] = []
    for (let pageToken: string | null = null, page = 0; page === 0 || pageToken !== null; page++) {
      const request = { ...EVERYTHING, table: 'trades', limit: 1, pageToken } as const
      const answer = await road.router.quality(request, { encoding: 'csv' })
      symbols.push(...answer.rows.map((row) => [row.slice(0, 1), row.split(',').at(-2)]))
      pageToken = answer.nextPageToken
    }
    expect(symbols).toEqual(['A', 'B', 'C'].map((symbol) => [symbol, 'not_positive:1']))
    const { rows } = await road.router.tableQuality({ encoding: 'csv' })
    expect(rows[0]).toMatch(/^trades,6,3,3,not_positive:3,0,/)
  })
})
