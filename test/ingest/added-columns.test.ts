import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { TRADES } from '#core'
import { currentSchema, type StreamTable } from '#storage'
import { ROWS } from '../support/request-defaults.js'
import { MAX_ADDED_COLUMNS, Road } from '../support/road.js'
import { type Extras, optional, TradesWriter } from '../support/trades-writer.js'

let road: Road
beforeEach(async () => {
  road = await Road.open()
})
afterEach(() => road.close())

function table(): StreamTable {
  const found = road.tables.get('trades')
  if (!found) throw new Error('a warehouse has trades')
  return found
}

const trades = (rows: Readonly<Record<string, Extras>>) => new Map(Object.entries(rows))

/** Names of the columns that were added. */
function added(): readonly string[] {
  const own = new Set(TRADES.columns.map(({ id }) => id))
  return currentSchema(table().metadata()).fields.flatMap(({ id, name }) => (own.has(id) ? [] : [name]))
}

/** By message id, the values of these fields, all that the log holds being visible. */
async function read(...fields: string[]): Promise<Readonly<Record<string, unknown>>> {
  await road.settle()
  const request = { ...ROWS, table: 'trades', fields: ['message_id', ...fields] } as const
  const { rows } = await road.router.rows(request, { encoding: 'json' })
  return Object.fromEntries(
    rows.map((text) => {
      const { message_id: id, ...rest }: Readonly<Record<string, unknown>> = JSON.parse(text)
      return [id, fields.length === 1 ? Object.values(rest)[0] : Object.values(rest)]
    }),
  )
}

describe('an optional field that a producer adds', () => {
  test('becomes a column, in the tail, in files and in both; rows before have nothing in it [inv 1]', async () => {
    const first = await TradesWriter.open(road, [])
    await first.produce(trades({ a: {}, b: {} }))
    await road.settle()
    const second = await TradesWriter.open(road, [optional('fee', 'long'), optional('desk', 'string')])
    await second.produce(trades({ c: { fee: 7n, desk: null }, d: { fee: null, desk: 'Zürich, 3rd floor' } }))
    await first.produce(trades({ e: {} }))
    const expected = {
      a: [null, null],
      b: [null, null],
      c: [7, null],
      d: [null, 'Zürich, 3rd floor'],
      e: [null, null],
    }
    expect(await read('fee', 'desk')).toEqual(expected)
    const pinned = table().pin()
    expect(pinned.tail.at(-1)?.columns.has('fee')).toBe(true)
    pinned.release()
    await table().flush()
    expect(await read('fee', 'desk')).toEqual(expected)
    await second.produce(trades({ f: { fee: 9n, desk: 'x' } }))
    expect(await read('fee', 'desk')).toEqual({ ...expected, f: [9, 'x'] })
    await road.restart()
    await second.produce(trades({ g: { fee: 10n, desk: 'y' } }))
    expect(await read('fee', 'desk')).toEqual({ ...expected, f: [9, 'x'], g: [10, 'y'] })
    expect(added()).toEqual(['fee', 'desk'])
  })

  test('may be of every type that a column can hold', async () => {
    const fields = [
      optional('flag', 'boolean'),
      optional('small', 'int'),
      optional('large', 'long'),
      optional('ratio', 'float'),
      optional('exact', 'double'),
      optional('note', 'string'),
      optional('blob', 'bytes'),
      optional('cost', { type: 'bytes', logicalType: 'decimal', precision: 6, scale: 2 }),
    ]
    const writer = await TradesWriter.open(road, fields)
    await writer.produce(
      trades({
        a: {
          flag: true,
          small: -(2 ** 31),
          large: 2n ** 53n,
          ratio: 0.1,
          exact: 0.1,
          note: 'short',
          blob: Buffer.from([0, 255]),
          cost: Buffer.from([0xff, 0x85]),
        },
        b: {
          flag: false,
          small: 2 ** 31 - 1,
          large: -1n,
          ratio: Number.NaN,
          exact: -Infinity,
          note: 'longer than twelve bytes',
          blob: Buffer.alloc(40, 1),
          cost: Buffer.from([1]),
        },
        c: Object.fromEntries(fields.map(({ name }) => [name, null])),
      }),
    )
    const expected = {
      a: [true, -(2 ** 31), 2 ** 53, '0.1', '0.1', 'short', 'AP8=', '-1.23'],
      b: [
        false,
        2 ** 31 - 1,
        -1,
        'nan',
        '-inf',
        'longer than twelve bytes',
        Buffer.alloc(40, 1).toString('base64'),
        '0.01',
      ],
      c: fields.map(() => null),
    }
    const names = fields.map(({ name }) => name)
    expect(await read(...names)).toEqual(expected)
    await table().flush()
    expect(await read(...names)).toEqual(expected)
    expect(
      currentSchema(table().metadata())
        .fields.slice(-8)
        .map(({ type }) => type),
    ).toEqual(['boolean', 'int', 'long', 'float', 'double', 'string', 'binary', 'decimal(18, 2)'])
  })

  test('keeps its values when the log is read again after a crash between the column and the first flush', async () => {
    const writer = await TradesWriter.open(road, [optional('fee', 'long')])
    await writer.produce(trades({ a: { fee: 1n } }))
    expect(await read('fee')).toEqual({ a: 1 })
    await road.crash()
    expect(added()).toEqual(['fee'])
    expect(await read('fee')).toEqual({ a: 1 })
    await table().flush()
    expect(await read('fee')).toEqual({ a: 1 })
  })

  test('fills a column that was there before, by whoever it was added', async () => {
    await table().evolve({ of: 'schema', changes: [{ change: 'add', name: 'fee', type: 'long' }] })
    const writer = await TradesWriter.open(road, [optional('fee', 'int')])
    await writer.produce(trades({ a: { fee: 3 } }))
    expect(await read('fee')).toEqual({ a: 3 })
    expect(added()).toEqual(['fee'])
  })

  test('widens a column that is too narrow for it, and leaves one of another type alone', async () => {
    const narrow = await TradesWriter.open(road, [optional('fee', 'int'), optional('tag', 'string')])
    await narrow.produce(trades({ a: { fee: 1, tag: 'x' } }))
    await road.settle()
    const wide = await TradesWriter.open(road, [optional('fee', 'long')])
    await wide.produce(trades({ b: { fee: 2n ** 40n } }))
    await road.settle()
    const other = await TradesWriter.open(road, [optional('fee', 'long'), optional('tag', 'long')]).catch(
      (error: Error) => error,
    )
    expect(other).toBeInstanceOf(TradesWriter)
    await (other as TradesWriter).produce(trades({ c: { fee: 5n, tag: 6n } }))
    await narrow.produce(trades({ d: { fee: 7, tag: 'y' } }))
    const expected = { a: [1, 'x'], b: [2 ** 40, null], c: [5, null], d: [7, 'y'] }
    expect(await read('fee', 'tag')).toEqual(expected)
    await table().flush()
    expect(await read('fee', 'tag')).toEqual(expected)
  })
})

describe('a column that records fill', () => {
  test('may partition and sort the table', async () => {
    const writer = await TradesWriter.open(road, [optional('desk', 'string'), optional('fee', 'long')])
    const rows = { a: { desk: 'x', fee: 1n }, b: { desk: 'y', fee: null }, c: { desk: null, fee: 3n } }
    await writer.produce(trades(rows))
    await road.settle()
    const partition = { change: 'add', column: 'desk', transform: 'identity' } as const
    await table().evolve({ of: 'partition-spec', changes: [partition] })
    await table().evolve({ of: 'sort-order', by: [{ column: 'fee', direction: 'desc' }] })
    await table().flush()
    const pinned = table().pin()
    const { files } = await pinned.select({})
    pinned.release()
    expect(files.map(({ path }) => /desk=[^/]*/.exec(path)?.[0]).sort()).toEqual([
      'desk=null',
      'desk=x',
      'desk=y',
    ])
    expect(await read('desk', 'fee')).toEqual({ a: ['x', 1], b: ['y', null], c: [null, 3] })
  })

  test('is filled under the name that it gets, and no more once it is dropped, whatever restarts', async () => {
    const writer = await TradesWriter.open(road, [optional('fee', 'long')])
    await writer.produce(trades({ a: { fee: 1n } }))
    await road.settle()
    await table().evolve({ of: 'schema', changes: [{ change: 'rename', name: 'fee', to: 'costs' }] })
    expect(await read('costs')).toEqual({ a: 1 })
    await writer.produce(trades({ b: { fee: 2n } }))
    expect(await read('costs')).toEqual({ a: 1, b: 2 })
    await table().evolve({ of: 'schema', changes: [{ change: 'drop', name: 'costs' }] })
    await writer.produce(trades({ c: { fee: 3n } }))
    expect(await read('symbol')).toEqual({ a: 'BHP', b: 'BHP', c: 'BHP' })
    await road.restart()
    await writer.produce(trades({ d: { fee: 4n } }))
    expect(Object.keys(await read('symbol'))).toHaveLength(4)
    expect(added()).toEqual([])
    // Until somebody wants it again: another column, without what the first one had.
    await table().evolve({ of: 'schema', changes: [{ change: 'add', name: 'fee', type: 'long' }] })
    await writer.produce(trades({ e: { fee: 5n } }))
    expect(await read('fee')).toEqual({ a: null, b: null, c: null, d: null, e: 5 })
  })

  test('takes no value that is none of its type, and its rows are taken all the same [inv 10]', async () => {
    const writer = await TradesWriter.open(road, [optional('flag', 'boolean'), optional('note', 'string')])
    const [good, bad] = writer.encode(
      trades({ a: { flag: true, note: 'text' }, b: { flag: true, note: 'text' } }),
    )
    // At their end: branch and byte of the flag, then branch, length and bytes of the note.
    bad![bad!.length - 7] = 2
    bad![bad!.length - 1] = 0xff
    await writer.produceValues([good!, bad!])
    expect(await read('flag', 'note')).toEqual({ a: [true, 'text'], b: [null, null] })
    await table().flush()
    expect(await read('flag', 'note')).toEqual({ a: [true, 'text'], b: [null, null] })
  })
})

test('fields that cannot be columns, or would be too many, are left out, and their rows are taken', async () => {
  const fields = [
    { name: 'must', type: 'long', default: 0 },
    optional('list', { type: 'array', items: 'long' }),
    { name: 'either', type: ['null', 'int', 'string'], default: null },
    optional('source_ROW', 'long'),
    optional('log_offset', 'long'),
    ...Array.from({ length: MAX_ADDED_COLUMNS + 3 }, (_, index) => optional(`x${index}`, 'int')),
    optional('X0', 'int'),
  ]
  const nothing = Object.fromEntries(fields.map(({ name }) => [name, null]))
  const writer = await TradesWriter.open(road, fields)
  await writer.produce(trades({ a: { ...nothing, must: 1n, x0: 5, x18: 6, log_offset: 99n } }))
  expect(await read('x0')).toEqual({ a: 5 })
  expect(added()).toEqual(Array.from({ length: MAX_ADDED_COLUMNS }, (_, index) => `x${index}`))
  await table().flush()
  expect(await read('x0')).toEqual({ a: 5 })
})
