import { afterEach, beforeEach, expect, test } from 'vitest'
import { CORRECTIONS, TicklakeError, TRADES } from '#core'
import type { RowCorrections, Warehouse } from '#storage'
import { Road } from '../support/road.js'
import type { Row } from '../support/row-batch.js'

const OPTIONS = { encoding: 'json', signal: new AbortController().signal } as const
const ALL = {
  symbols: null,
  exchange: null,
  startNanos: null,
  endNanos: null,
  order: 'asc',
  fields: null,
  limit: 1000,
  pageToken: null,
} as const

let road: Road
beforeEach(async () => {
  road = await Road.open()
})
afterEach(() => road.close())

function trade(messageId: string, cells: Row = {}): Row {
  return {
    symbol: 'BHP',
    exchange: 'ASX',
    exchange_timestamp: 1_394_406_000_000_000n,
    price: 10n ** 8n,
    size: 10n ** 8n,
    message_id: messageId,
    ...cells,
  }
}

/** A correction as another producer may write it. */
function correction(action: string, messageId: string, cells: Row = {}): Row {
  return {
    target_table: 'trades',
    action,
    target_message_id: messageId,
    reason: 'a test',
    source: 'desk',
    // What the road gives to rows that say nothing of it.
    ...{ exchange_nanos: null, side: null },
    ...cells,
  }
}

interface Listed {
  readonly state: string
  readonly detail: string | null
}

/** What has become of the corrections, once none of them is pending. */
async function settled(count: number): Promise<readonly Listed[]> {
  for (;;) {
    await road.settle()
    const request = { ...ALL, of: null, state: null, source: null }
    const { rows } = await road.router.corrections(request, OPTIONS)
    const listed = rows.map((row): Listed => JSON.parse(row))
    if (listed.length === count && listed.every(({ state }) => state !== 'pending')) return listed
  }
}

async function trades(): Promise<readonly string[]> {
  const { rows } = await road.router.rows({ ...ALL, table: 'trades' }, OPTIONS)
  return rows.map((text) => {
    const row: Readonly<Record<string, unknown>> = JSON.parse(text)
    return `${row.message_id} ${row.price}`
  })
}

/** Corrections of trades whose commits end as a test says. */
function committing(
  commit: (real: RowCorrections, ...parameters: Parameters<RowCorrections['commit']>) => Promise<void>,
): (all: Warehouse['corrections']) => Warehouse['corrections'] {
  return (all) =>
    new Map(
      [...all].map(([name, real]) => {
        if (name !== 'trades') return [name, real]
        const wrapped = Object.create(real, {})
        wrapped.position = real.position.bind(real)
        wrapped.plan = real.plan.bind(real)
        wrapped.reload = real.reload.bind(real)
        wrapped.commit = (...parameters: Parameters<RowCorrections['commit']>) => commit(real, ...parameters)
        return [name, wrapped]
      }),
    )
}

test('whose commit went through unheard of is made once', async () => {
  let commits = 0
  road.wrapCorrections = committing(async (real, ...parameters) => {
    await real.commit(...parameters)
    if (commits++ === 0) throw new TicklakeError('unavailable', 'nobody has heard of it')
  })
  await road.restart()
  await road.produce(TRADES, [trade('a'), trade('b')])
  await road.produce(CORRECTIONS, [
    correction('replace', 'a', { price: 2n * 10n ** 8n }),
    correction('cancel', 'b'),
  ])
  expect((await settled(2)).map(({ state }) => state)).toEqual(['made', 'made'])
  expect(await trades()).toEqual(['a 2'])
  const snapshots = road.tables.get('trades')?.metadata().snapshots ?? []
  expect(snapshots.filter(({ summary }) => summary.operation === 'overwrite')).toHaveLength(1)
})

test('whose process ends before its commit is made by the next one, and what it refused is refused once', async () => {
  let reached = () => {}
  const atCommit = new Promise<void>((resolve) => {
    reached = resolve
  })
  road.wrapCorrections = committing(async () => {
    reached()
    throw new TicklakeError('unavailable', 'the process is about to end')
  })
  await road.restart()
  await road.produce(TRADES, [trade('a')])
  await road.produce(CORRECTIONS, [
    correction('cancel', 'nothing'),
    correction('replace', 'a', { price: 3n * 10n ** 8n }),
  ])
  await atCommit
  road.wrapCorrections = (real) => real
  await road.restart()
  expect((await settled(2)).map(({ state }) => state)).toEqual(['refused', 'made'])
  expect(await trades()).toEqual(['a 3'])
  // Two corrections and one refusal.
  const end = road.log.end(CORRECTIONS.topic)
  expect(end.reduce((sum, offset) => sum + offset, 0)).toBe(3)
})

test('of another producer is judged as one that was posted', async () => {
  await road.produce(TRADES, [trade('a')])
  await road.produce(CORRECTIONS, [
    correction('replace', 'a', { price: -1n }),
    correction('replace', 'a', { exchange_timestamp: 9_000_000_000_000_000n }),
    correction('delete', 'a'),
    correction('cancel', 'a', { target_table: 'bars' }),
    correction('cancel', 'a', { target_offset: 1n }),
    correction('replace', 'a', { side: 'both' }),
    correction('replace', 'a', { known_offsets: 'nonsense', side: 'buy' }),
  ])
  expect((await settled(7)).map(({ detail }) => detail)).toEqual([
    'price: "-0.00000001" is not more than 0',
    expect.stringMatching(/^ts: /),
    'action: "delete" is not cancel or replace',
    'table: "bars" is not trades or quotes',
    'log_offset: "1" is not absent beside message_id',
    'side: "both" is not buy, sell, unknown',
    null,
  ])
})
