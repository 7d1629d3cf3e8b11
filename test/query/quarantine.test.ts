import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { type LakeFixture, openLakeFixture } from '../support/lake-fixture.js'
import type { Row } from '../support/row-batch.js'

const SECOND = 1_000_000n

let lake: LakeFixture
beforeAll(async () => {
  lake = await openLakeFixture()
})
afterAll(() => lake.close())
afterEach(() => lake.tables.get('quarantine')?.clear())

function table() {
  const found = lake.tables.get('quarantine')
  if (!found) throw new Error('a lake has a quarantine')
  return found
}

/** A line of a load, refused so many seconds after 1970. */
function line(seconds: number, original: string | Uint8Array, cells: Row = {}): Row {
  return {
    received_at: BigInt(seconds) * SECOND,
    source_id: 'abcdefghijkl',
    file: 'a.csv',
    line: BigInt(seconds),
    topic: 'market-data.trades',
    reason: 'not_a_number',
    detail: 'price: "x" is not a number',
    original: typeof original === 'string' ? Buffer.from(original) : original,
    log_partition: 0,
    log_offset: BigInt(seconds),
    ...cells,
  }
}

/** A record of the log that its consumer refused. */
function record(seconds: number, cells: Row = {}): Row {
  const source = 'market-data.trades/3'
  return line(seconds, Buffer.from([0, 0xff]), {
    source_id: source,
    file: source,
    reason: 'malformed',
    ...cells,
  })
}

const ALL = {
  ...{ symbols: null, exchange: null, startNanos: null, endNanos: null, order: 'asc' as const },
  ...{ of: null, reason: null, sourceId: null, kind: null, fields: null, limit: 100, pageToken: null },
}

async function lines(filter: object = {}): Promise<unknown[]> {
  const { rows } = await lake.router.quarantine({ ...ALL, ...filter }, { encoding: 'json' })
  return rows.map((row) => JSON.parse(row).line)
}

describe('the quarantine', () => {
  test('holds each record whole, with its reason and its place', async () => {
    await table().addCommitted([line(1, 'BHP,"a, b",x')])
    await table().add([record(2)])
    const { rows } = await lake.router.quarantine(ALL, { encoding: 'json' })
    expect(rows.map((row) => JSON.parse(row))).toEqual([
      {
        ...{ received_at: '1970-01-01T00:00:01.000000Z', source_id: 'abcdefghijkl', file: 'a.csv', line: 1 },
        ...{ topic: 'market-data.trades', reason: 'not_a_number', detail: 'price: "x" is not a number' },
        ...{ original: 'BHP,"a, b",x', original_base64: Buffer.from('BHP,"a, b",x').toString('base64') },
        ...{ log_partition: 0, log_offset: 1 },
      },
      expect.objectContaining({ source_id: 'market-data.trades/3', original: null, original_base64: 'AP8=' }),
    ])
    const csv = await lake.router.quarantine(
      { ...ALL, fields: ['line', 'original', 'original_base64'] },
      { encoding: 'csv' },
    )
    expect(csv.rows).toEqual(['1,"BHP,""a, b"",x",QkhQLCJhLCBiIix4', '2,,AP8='])
  })

  test('is filtered by table, reason, source, kind and time', async () => {
    await table().add([
      line(1, 'a'),
      line(2, 'b', { topic: 'market-data.quotes', source_id: 'zzzzzzzzzzzz' }),
      line(3, 'c', { reason: 'negative' }),
      record(4),
    ])
    expect(await lines({ of: 'quotes' })).toEqual([2])
    expect(await lines({ of: 'trades', reason: 'negative' })).toEqual([3])
    expect(await lines({ sourceId: 'zzzzzzzzzzzz' })).toEqual([2])
    expect(await lines({ kind: 'record' })).toEqual([4])
    expect(await lines({ kind: 'line' })).toEqual([1, 2, 3])
    expect(await lines({ startNanos: 2_000_000_000n, endNanos: 4_000_000_000n })).toEqual([2, 3])
  })

  test.each(['asc', 'desc'] as const)(
    'is one list, page by page, whatever comes meanwhile: %s',
    async (order) => {
      await table().addCommitted([line(5, 'a'), line(1, 'b', { log_partition: 1 }), line(3, 'c')])
      // Another engine's rows have no place in the log, and may be equal.
      await table().add(
        [1, 2].map(() => line(3, 'foreign', { log_partition: null, log_offset: null, line: 9n })),
      )
      const whole = await lines({ order })
      expect(whole).toEqual(order === 'asc' ? [1, 3, 9, 9, 5] : [5, 9, 9, 3, 1])
      const paged: unknown[] = []
      for (let pageToken: string | null = null, page = 0; page === 0 || pageToken !== null; page++) {
        const answer = await lake.router.quarantine(
          { ...ALL, order, limit: 1, pageToken },
          { encoding: 'json' },
        )
        paged.push(...answer.rows.map((row) => JSON.parse(row).line))
        pageToken = answer.nextPageToken
        await table().add([line(4, 'later')])
      }
      expect(paged).toEqual(whole)
    },
  )
})
