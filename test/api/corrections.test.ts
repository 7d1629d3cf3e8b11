import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { IngestFixture, type Posted } from '../support/ingest-fixture.js'

let lake: IngestFixture
beforeAll(async () => {
  lake = await IngestFixture.open()
})
afterAll(() => lake.close())

type Row = Readonly<Record<string, unknown>>

function trade(id: string, cells: Row = {}): Row {
  return {
    symbol: 'BHP',
    exchange: 'ASX',
    ts: '2014-03-10T10:00:00+11:00',
    price: '36.5',
    size: '100',
    message_id: id,
    ...cells,
  }
}

function postTrades(rows: readonly Row[]): Promise<Posted> {
  return lake.post('trades', 'application/json', JSON.stringify(rows))
}

async function post(body: unknown, headers: Readonly<Record<string, string>> = {}): Promise<Posted> {
  const response = await fetch(`${lake.url}/v1/corrections?source=desk`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify(body),
  })
  // Each answer is an envelope or a problem, both objects.
  const answer = (await response.json()) as { readonly data?: Posted['body'] }
  return { status: response.status, headers: response.headers, body: answer.data ?? answer }
}

async function list(query = ''): Promise<readonly Row[]> {
  const response = await fetch(`${lake.url}/v1/corrections?${query}`)
  const { data } = (await response.json()) as { data: readonly Row[] }
  return data
}

/** The corrections, once none of them is pending. */
async function settled(count: number): Promise<readonly Row[]> {
  for (;;) {
    const all = await list()
    if (all.length >= count && all.every(({ state }) => state !== 'pending')) return all
  }
}

async function trades(query: string): Promise<readonly Row[]> {
  const response = await fetch(`${lake.url}/v1/trades?${query}`)
  const { data } = (await response.json()) as { data: readonly Row[] }
  return data
}

/** The whole story runs on one lake: each test counts on what those before it have left. */
describe('corrections over HTTP', () => {
  test('replace and cancel rows that are still in the tail, by message id and by place', async () => {
    await postTrades([trade('m1'), trade('m2', { price: '37' }), trade('m3', { price: '38' })])
    const places = await lake.rows('/v1/trades?symbols=BHP&fields=log_partition,log_offset,message_id', 3)
    const { message_id, ...place } = places[1]!
    expect(message_id).toBe('m2')
    const replaced = await post({
      table: 'trades',
      action: 'replace',
      message_id: 'm1',
      price: '36.123456789',
      ts: '2014-03-11T10:00:00.000000001+11:00',
      reason: 'fat finger',
    })
    expect(replaced.status).toBe(202)
    expect(replaced.body).toMatchObject({ received: 1, accepted: 1, quarantined: 0, already_ingested: false })
    const cancelled = await post([
      {
        table: 'trades',
        action: 'cancel',
        ...place,
        symbol: 'BHP',
        reason: 'busted',
      },
    ])
    expect(cancelled.body).toMatchObject({ accepted: 1 })
    expect((await settled(2)).map(({ state, action }) => [action, state])).toEqual([
      ['replace', 'made'],
      ['cancel', 'made'],
    ])
    const rows = await trades('symbols=BHP')
    expect(rows.map(({ message_id, price, ts_ns, flags }) => [message_id, price, ts_ns, flags])).toEqual([
      ['m3', '38', '1394406000000000000', 0],
      // Rounded half-even, and corrected.
      ['m1', '36.12345679', '1394492400000000001', 1 | (1 << 11)],
    ])
    const quality = (await (await fetch(`${lake.url}/v1/quality/tables`)).json()) as { data: readonly Row[] }
    expect(quality.data[0]).toMatchObject({ received: 3, accepted: 3, cancelled: 1 })
    const count = await fetch(`${lake.url}/v1/trades/count`)
    expect(await count.json()).toMatchObject({ data: { count: 2 } })
  })

  test('are refused with the reason where there is no such row (any more)', async () => {
    await post([
      { table: 'trades', action: 'cancel', message_id: 'm2', reason: 'again' },
      { table: 'trades', action: 'cancel', message_id: 'm3', symbol: 'CBA', reason: 'mistaken' },
      { table: 'quotes', action: 'cancel', message_id: 'm3', reason: 'mistaken' },
    ])
    const refused = (await settled(5)).filter(({ state }) => state === 'refused')
    expect(refused.map(({ detail }) => detail)).toEqual([
      'there is no row with message id "m2"',
      'the row with message id "m3" is another: its symbol is "BHP", not "CBA"',
      'there is no row with message id "m3"',
    ])
  })

  test('that cannot be right are refused at once, field by field, and the body they are in with them', async () => {
    const right = { table: 'trades', action: 'replace', message_id: 'm3', price: '39', reason: 'x' }
    const cancel = { table: 'trades', action: 'cancel', message_id: 'm3', reason: 'x' }
    const wrong: readonly (readonly [Row, field: string | undefined, expected: string])[] = [
      [{ ...cancel, reason: undefined }, 'reason', 'given'],
      [{ ...cancel, reason: ' ' }, 'reason', 'a text of 1 to 1000 characters'],
      [{ ...cancel, because: 'x' }, 'because', expect.stringContaining('one of ')],
      [{ ...cancel, action: 'undo' }, 'action', 'cancel or replace'],
      [{ ...cancel, price: '1' }, 'price', 'absent from a cancel'],
      [{ ...cancel, table: 'bars' }, 'table', 'trades or quotes'],
      [
        { ...cancel, message_id: undefined },
        'message_id',
        'given, or log_partition and log_offset in its place',
      ],
      [
        { ...cancel, message_id: undefined, log_partition: 0, log_offset: 99999 },
        'log_offset',
        'where the log holds a row',
      ],
      [{ ...right, price: '-1' }, 'price', 'more than 0'],
      [{ ...right, bid_price: '1' }, 'bid_price', 'a field of trades'],
      [
        { ...right, price: undefined },
        undefined,
        'one of ts, trade_id, price, size, side, venue, conditions, currency',
      ],
    ]
    for (const [correction, field, expected] of wrong) {
      const { status, body } = await post([right, correction], { 'Idempotency-Key': 'k0' })
      expect(status).toBe(400)
      expect(body).toMatchObject({ expected, detail: expect.stringMatching(/^correction 1: /) })
      expect(body.field).toBe(field)
    }
    expect(await list()).toHaveLength(5)
    const quarantine = (await (await fetch(`${lake.url}/v1/quarantine`)).json()) as { data: readonly Row[] }
    expect(quarantine.data).toEqual([])
  })

  test('are made once, however often they come', async () => {
    const correction = { table: 'trades', action: 'replace', message_id: 'm3', size: '7', reason: 'size' }
    const headers = { 'Idempotency-Key': 'k1' }
    const first = await post(correction, headers)
    const again = await post(correction, headers)
    expect(first.body).toMatchObject({ already_ingested: false })
    expect(again.body).toMatchObject({ already_ingested: true, ranges: first.body.ranges })
    // Made before the next one comes: in a commit of its own, which is looked back at below.
    await settled(6)
    await post({ ...correction, id: 'c1', size: '8' })
    await post({ ...correction, id: 'c1', size: '9' })
    const all = await settled(8)
    expect(all).toHaveLength(8)
    expect(all.at(-1)).toMatchObject({
      id: 'c1',
      state: 'refused',
      detail: expect.stringContaining('came before'),
    })
    expect(await trades('symbols=BHP&fields=message_id,size')).toEqual([
      { message_id: 'm3', size: '8' },
      { message_id: 'm1', size: '100' },
    ])
  })

  test('leave pages that were begun before them as they were', async () => {
    const begun = (await (await fetch(`${lake.url}/v1/trades?symbols=BHP&limit=1`)).json()) as {
      next_page_token: string
    }
    await post({ table: 'trades', action: 'cancel', message_id: 'm1', reason: 'busted after all' })
    await settled(9)
    expect(await trades('symbols=BHP&fields=message_id')).toEqual([{ message_id: 'm3' }])
    const token = encodeURIComponent(begun.next_page_token)
    expect((await trades(`symbols=BHP&limit=1&page_token=${token}`)).map((row) => row.message_id)).toEqual([
      'm1',
    ])
  })

  test('stay made after a restart, and what was refused stays refused', async () => {
    const before = await list()
    await lake.restart()
    expect(await settled(9)).toEqual(before)
    expect(await trades('symbols=BHP&fields=message_id,size')).toEqual([{ message_id: 'm3', size: '8' }])
  })

  test('are listed as they were known then', async () => {
    const snapshots = async (table: string): Promise<readonly Row[]> => {
      const response = await fetch(`${lake.url}/v1/snapshots?table=${table}`)
      return ((await response.json()) as { data: readonly Row[] }).data
    }
    const now = await list()
    const [first] = await snapshots('corrections')
    const begun = await list(`as_of=${first!.snapshot_id}`)
    expect(begun.length).toBeGreaterThan(0)
    expect(begun).toEqual(now.slice(0, begun.length).map((one) => ({ ...one, state: 'pending' })))
    const pending = await list(`as_of=${first!.snapshot_id}&state=pending&fields=id`)
    expect(pending).toHaveLength(begun.length)
    // When rows are corrected, what became of the corrections so far is in snapshots, refusals too.
    const corrected = (await snapshots('trades')).filter(({ operation }) => operation !== 'append')
    expect(corrected.length).toBeGreaterThan(3)
    for (const { ts } of corrected) {
      const then = await list(`as_of=${ts}`)
      for (const [index, one] of then.entries()) {
        if (one.state !== 'pending') expect(one).toEqual(now[index])
      }
      expect(then.some(({ state }) => state === 'made')).toBe(true)
    }
    expect(await list(`as_of=${corrected.at(-1)!.ts}`)).toEqual(now)
  })
})
