import { expect, test } from 'vitest'
import { EMPTY_LEDGER, type InstrumentState, instrumentKey, type Ledger } from '#core'
import { TableLedger } from '../../src/storage/ledger.js'
import { LEDGER_KEY, readLedger, writeLedger } from '../../src/storage/ledger-file.js'
import { MemoryObjectStore } from '../../src/storage/objects/memory.js'
import { ManualClock } from '../support/manual-clock.js'

const GAP = {
  from: 2n ** 62n,
  to: 2n ** 62n + 1n,
  sessionDay: 20_000,
  afterMicros: 1,
  beforeMicros: 2,
  detectedMicros: 3,
}

function instrument(symbol: string, accepted: number): InstrumentState {
  return {
    partition: 1,
    exchange: 'ASX',
    symbol,
    accepted,
    newestMicros: 2 ** 52,
    duplicates: 1,
    refused: { not_positive: 2 },
    prices: { count: 2, mean: 0.1, variance: 1e-9, last: 3 },
    runs: [{ first: 1n, last: 2n ** 62n + 5n, startMicros: -1, endMicros: 2 ** 52, gaps: [GAP] }],
  }
}

const LEDGER: Ledger = {
  lastRecords: [{ partition: 1, offset: 9, checksum: '0000beef' }],
  instruments: [instrument('日本 "電信"', 3)],
  feeds: [{ partition: 1, exchange: 'ASX', newestMicros: 17 }],
  filledGaps: [{ ...GAP, exchange: 'ASX', symbol: 'BHP', filledMicros: 5 }],
}

test('a ledger file gives back what was written, sequence numbers beyond 2^53 included', async () => {
  const objects = new MemoryObjectStore(new ManualClock())
  await writeLedger(objects, 'memory:///ledger', LEDGER)
  expect(await readLedger(objects, { [LEDGER_KEY]: 'memory:///ledger' })).toEqual(LEDGER)
  expect(await readLedger(objects, {})).toEqual(EMPTY_LEDGER)
})

test('a damaged ledger file is corrupt, and named', async () => {
  const objects = new MemoryObjectStore(new ManualClock())
  await objects.create('memory:///ledger', Buffer.from('{}'))
  await expect(readLedger(objects, { [LEDGER_KEY]: 'memory:///ledger' })).rejects.toMatchObject({
    code: 'corrupt',
    message: expect.stringContaining('memory:///ledger'),
  })
})

test('changes count once their rows are visible, and a segment takes the whole of them [inv 15]', () => {
  const ledger = new TableLedger(LEDGER)
  expect(ledger.seal()).toBe(null)
  ledger.append({ ...EMPTY_LEDGER, instruments: [instrument('BHP', 1)] })
  ledger.append({ ...EMPTY_LEDGER, instruments: [instrument('BHP', 2)], filledGaps: LEDGER.filledGaps })
  const bhp = instrumentKey(1, 'ASX', 'BHP')
  expect(ledger.instruments.get(bhp)).toBe(undefined)
  expect(ledger.seal()).toBe(null)
  ledger.publish()
  expect(ledger.instruments.get(bhp)?.accepted).toBe(2)
  expect(ledger.seal()).toEqual({ ...LEDGER, instruments: [...LEDGER.instruments, instrument('BHP', 2)] })
  // What was filled is told once; the rest is always told whole.
  ledger.append({ ...EMPTY_LEDGER, feeds: [{ partition: 0, exchange: 'ASX', newestMicros: 1 }] })
  ledger.publish()
  expect(ledger.seal()).toMatchObject({ filledGaps: [], feeds: [{ partition: 1 }, { partition: 0 }] })
})

test('what one append fills is one piece, wherever the reads of it ended [inv 15]', () => {
  const filled = (from: bigint, to: bigint, filledMicros = 5) => ({
    ...EMPTY_LEDGER,
    filledGaps: [{ ...GAP, from, to, exchange: 'ASX', symbol: 'BHP', filledMicros }],
  })
  const ledger = new TableLedger(EMPTY_LEDGER)
  for (const change of [filled(4n, 5n), filled(6n, 6n), filled(2n, 3n), filled(7n, 8n, 6)]) {
    ledger.append(change)
    ledger.publish()
  }
  expect(ledger.seal()?.filledGaps.map(({ from, to }) => [from, to])).toEqual([
    [2n, 6n],
    [7n, 8n],
  ])
})
