import { describe, expect, test } from 'vitest'
import { EMPTY_LEDGER, QUOTES, QualityFlag, type TableDefinition, TRADES } from '#core'
import { Deduplicator } from '../../src/ingest/deduplicator.js'
import { MAX_GAPS } from '../../src/ingest/sequence-tracker.js'
import { Inspection } from '../support/inspection.js'

const NOW = 1_700_000_000_000_000n
const TRADE = { symbol: 'BHP', exchange: 'ASX', exchange_timestamp: NOW, price: 100n, size: 1n }
const QUOTE = {
  symbol: 'BHP',
  exchange: 'ASX',
  exchange_timestamp: NOW,
  bid_price: 100n,
  bid_size: 1n,
  ask_price: 101n,
  ask_size: 1n,
}

describe('a row that cannot be true is refused, with its reason', () => {
  test.each<[TableDefinition, object, string, string]>([
    [TRADES, { price: 0n }, 'not_positive', 'price: "0" is not more than 0'],
    [TRADES, { price: -(2n ** 40n) }, 'not_positive', 'price: "-10995.11627776" is not more than 0'],
    [TRADES, { size: -1n }, 'negative', 'size: "-0.00000001" is not 0 or more'],
    [QUOTES, { bid_price: -1n }, 'negative', 'bid_price: '],
    [QUOTES, { ask_size: -1n }, 'negative', 'ask_size: '],
    [TRADES, { exchange_timestamp: NOW + 300_000_001n }, 'time_ahead', '5 minutes after the log took'],
    [TRADES, { exchange_timestamp: -1n }, 'before_1970', '1969-12-31T23:59:59.999999Z'],
    [TRADES, { exchange_timestamp: NOW / 1000n }, 'wrong_time_unit', 'in another unit'],
    [TRADES, { symbol: '' }, 'malformed', 'symbol: "" is not a name of 1 to 64 printable characters'],
    [TRADES, { exchange: 'A\0X' }, 'malformed', 'exchange: '],
    [TRADES, { symbol: 'x'.repeat(65) }, 'malformed', 'symbol: '],
  ])('%o %o: %s', async (definition, wrong, reason, detail) => {
    const inspection = await Inspection.open(definition)
    const row = { ...(definition === TRADES ? TRADE : QUOTE), ...wrong }
    expect(inspection.inspect([row], NOW)).toEqual([{ reason, detail: expect.stringContaining(detail) }])
  })

  test.each<[TableDefinition, object]>([
    [TRADES, { size: 0n }],
    [TRADES, { price: 2n ** 33n, exchange_timestamp: NOW + 300_000_000n }],
    [QUOTES, { bid_price: 0n, bid_size: 0n }],
    [QUOTES, { ask_price: 0n, ask_size: null }],
    [TRADES, { symbol: '🚀'.repeat(64) }],
  ])('but not %o %o', async (definition, unusual) => {
    const row = { ...(definition === TRADES ? TRADE : QUOTE), ...unusual }
    expect((await Inspection.open(definition)).inspect([row], NOW)).toEqual([0])
  })
})

test('quotes whose sides have crossed or met are flagged', async () => {
  const sides: [bid: bigint, ask: bigint][] = [
    [100n, 101n],
    [101n, 101n],
    [102n, 101n],
    [2n ** 32n, 2n ** 32n - 1n],
    [2n ** 32n - 1n, 2n ** 32n],
    [0n, 101n],
  ]
  const rows = sides.map(([bid_price, ask_price], index) => ({
    ...QUOTE,
    symbol: `S${index}`,
    bid_price,
    ask_price,
  }))
  const { locked, crossed } = QualityFlag
  expect((await Inspection.open(QUOTES)).inspect(rows, NOW)).toEqual([0, locked, crossed, crossed, 0, 0])
})

test('of the flags in a record, those count that only its producer can know', async () => {
  const { rounded, contiguousSequence, crossed, sequenceGap } = QualityFlag
  const row = { ...TRADE, quality_flags: rounded | contiguousSequence | crossed | sequenceGap }
  expect((await Inspection.open(TRADES)).inspect([row], NOW)).toEqual([rounded | contiguousSequence])
})

test('what is known of each instrument is in the ledger: rows accepted, rows refused by reason', async () => {
  const inspection = await Inspection.open(TRADES)
  inspection.inspect([TRADE, TRADE, { ...TRADE, price: 0n }, { ...TRADE, symbol: 'CBA' }], NOW)
  const change = inspection.inspector.takeChange()
  expect(change.instruments).toMatchObject([
    { partition: 0, exchange: 'ASX', symbol: 'BHP', accepted: 2, refused: { not_positive: 1 } },
    { symbol: 'CBA', accepted: 1, refused: {} },
  ])
  expect(inspection.inspector.takeChange().instruments).toEqual([])
  const next = await Inspection.open(TRADES, { ...EMPTY_LEDGER, ...change })
  next.inspect([{ ...TRADE, size: -1n }], NOW)
  expect(next.inspector.takeChange().instruments).toMatchObject([
    { symbol: 'BHP', accepted: 2, refused: { not_positive: 1, negative: 1 } },
  ])
})

describe('numbers, prices and ids are followed by instrument', () => {
  const { contiguousSequence, sequenceGap, outOfOrder, priceMove } = QualityFlag
  const counted = (symbol: string, sequence: bigint) => ({
    ...TRADE,
    symbol,
    quality_flags: contiguousSequence,
    sequence_number: sequence,
  })
  const flagsOf = (outcomes: readonly unknown[]) =>
    outcomes.map((flags) => (typeof flags === 'number' ? flags & ~contiguousSequence : flags))

  test('holes are flagged, filled, and open ones are in the ledger', async () => {
    const inspection = await Inspection.open(TRADES)
    const first = [counted('BHP', 1n), counted('CBA', 7n), counted('BHP', 2n), counted('BHP', 5n)]
    expect(flagsOf(inspection.inspect(first, NOW))).toEqual([0, 0, 0, sequenceGap])
    const [bhp] = inspection.inspector.takeChange().instruments
    expect(bhp?.runs).toMatchObject([{ first: 1n, last: 5n, gaps: [{ from: 3n, to: 4n }] }])
    expect(flagsOf(inspection.inspect([counted('BHP', 4n), counted('BHP', 6n)], NOW + 1n))).toEqual([
      outOfOrder,
      0,
    ])
    const change = inspection.inspector.takeChange()
    expect(change.filledGaps).toMatchObject([{ exchange: 'ASX', symbol: 'BHP', from: 4n, to: 4n }])
    expect(change.instruments).toMatchObject([{ runs: [{ gaps: [{ from: 3n, to: 3n }] }] }])
  })

  test('a number without a promise, and no number, say nothing', async () => {
    const rows = [1n, 9n, null, 3n].map((sequence_number) => ({ ...TRADE, sequence_number }))
    expect((await Inspection.open(TRADES)).inspect(rows, NOW)).toEqual([0, 0, 0, 0])
  })

  test('a price that moves by more than a tenth is flagged, its own instrument compared', async () => {
    const rows = [100n, 200n, 100n, 111n, 200n].map((price, row) => ({
      ...TRADE,
      symbol: row % 2 === 0 ? 'BHP' : 'CBA',
      price,
    }))
    expect((await Inspection.open(TRADES)).inspect(rows, NOW)).toEqual([0, 0, 0, priceMove, priceMove])
  })

  test('a message id that came before is dropped and counted, where ids are compared', async () => {
    const rows = ['a', 'b', 'a', null, null].map((message_id, row) => ({
      ...TRADE,
      message_id,
      source: 'feed',
      source_row: message_id === null ? 7n : BigInt(row),
    }))
    expect((await Inspection.open(TRADES)).inspect(rows, NOW)).toEqual([0, 0, 0, 0, 0])
    const comparing = await Inspection.open(TRADES, EMPTY_LEDGER, { deduplicator: new Deduplicator(10) })
    expect(comparing.inspect(rows, NOW)).toEqual([0, 0, 'duplicate', 0, 'duplicate'])
    expect(comparing.inspector.takeChange().instruments).toMatchObject([{ accepted: 3, duplicates: 2 }])
  })

  test('rows without any message id are all kept, where ids are compared', async () => {
    const row = { ...TRADE, message_id: null, source: 'http', source_row: null }
    const comparing = await Inspection.open(TRADES, EMPTY_LEDGER, { deduplicator: new Deduplicator(10) })
    expect(comparing.inspect([row, row], NOW)).toEqual([0, 0])
  })

  test('an empty message id names nothing: its rows are kept', async () => {
    const rows = [
      { ...TRADE, message_id: '' },
      { ...TRADE, message_id: '' },
    ]
    const comparing = await Inspection.open(TRADES, EMPTY_LEDGER, { deduplicator: new Deduplicator(10) })
    expect(comparing.inspect(rows, NOW)).toEqual([0, 0])
  })

  test('gaps that are followed no longer are told of', async () => {
    const warned: [string, object | undefined][] = []
    const logger = {
      debug: () => {},
      info: () => {},
      warn: (message: string, fields?: object) => void warned.push([message, fields]),
      error: () => {},
      child: () => logger,
    }
    const inspection = await Inspection.open(TRADES, EMPTY_LEDGER, { logger })
    const everyOther = Array.from({ length: MAX_GAPS + 3 }, (_, row) => counted('BHP', BigInt(2 * row)))
    inspection.inspect(everyOther, NOW)
    inspection.inspector.takeChange()
    expect(warned).toEqual([['gaps of sequence numbers are no longer followed', { gaps: 2 }]])
  })

  test('a gap of more than 100 numbers halts where that is asked, one of 100 does not', async () => {
    const inspection = await Inspection.open(TRADES, EMPTY_LEDGER, { largeGap: 'halt' })
    inspection.inspect([counted('BHP', 1n), counted('BHP', 102n)], NOW)
    inspection.inspector.takeChange()
    inspection.inspect([counted('BHP', 204n)], NOW)
    expect(() => inspection.inspector.takeChange()).toThrow(
      '101 sequence numbers of BHP (ASX) are missing, from 103 to 203',
    )
  })

  test('the first row after a silence of five minutes in an open market is flagged, of whatever instrument', async () => {
    const minutes = (count: number) => NOW + BigInt(count) * 60_000_000n
    const rows = [0, 5, 11, 11, 10, 30].map((at, row) => ({
      ...TRADE,
      symbol: `S${row % 2}`,
      exchange_timestamp: minutes(at),
    }))
    const { afterSilence } = QualityFlag
    expect((await Inspection.open(TRADES)).inspect(rows, minutes(40))).toEqual([
      0,
      0,
      afterSilence,
      0,
      0,
      afterSilence,
    ])
  })
})
