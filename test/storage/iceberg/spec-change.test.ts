import { describe, expect, test } from 'vitest'
import { defaultOrder, defaultSpec, type TableMetadata } from '../../../src/storage/iceberg/metadata.js'
import { changeOrder, type SortBy } from '../../../src/storage/iceberg/order-change.js'
import { changeSchema } from '../../../src/storage/iceberg/schema-change.js'
import { changeSpec, type SpecChange } from '../../../src/storage/iceberg/spec-change.js'
import { EMPTY_TRADES, NOW, withAppends } from '../../support/table-metadata.js'

const table = withAppends(EMPTY_TRADES, 2)
const change = (of: TableMetadata, ...changes: readonly SpecChange[]) => changeSpec(of, changes, NOW + 5000)
const fieldsOf = (of: TableMetadata) =>
  defaultSpec(of).fields.map(({ fieldId, name }) => `${fieldId} ${name}`)
const add = (column: string, transform: string): SpecChange => ({ change: 'add', column, transform })
const remove = (name: string): SpecChange => ({ change: 'remove', name })

describe('a partition spec changes', () => {
  test('from days to hours and back, where it is the old spec again', () => {
    const hours = change(table, remove('exchange_timestamp_day'), add('exchange_timestamp', 'hour'))
    expect(fieldsOf(hours)).toEqual(['1001 exchange_timestamp_hour'])
    expect(hours).toMatchObject({ defaultSpecId: 1, lastPartitionId: 1001, lastUpdatedMs: NOW + 5000 })
    const days = change(hours, remove('exchange_timestamp_hour'), add('exchange_timestamp', 'day'))
    expect(fieldsOf(days)).toEqual(['1000 exchange_timestamp_day'])
    expect([days.defaultSpecId, days.partitionSpecs.length, days.lastPartitionId]).toEqual([0, 2, 1001])
  })

  test.each([
    ['symbol', 'bucket[16]', 'symbol_bucket_16'],
    ['symbol', 'truncate[3]', 'symbol_trunc_3'],
    ['exchange', 'identity', 'exchange'],
    ['ingest_timestamp', 'year', 'ingest_timestamp_year'],
    ['ingest_timestamp', 'month', 'ingest_timestamp_month'],
    ['ingest_timestamp', 'hour', 'ingest_timestamp_hour'],
    ['symbol', 'void', 'symbol_null'],
  ])('%s by %s is named %s', (column, transform, name) => {
    expect(fieldsOf(change(table, add(column, transform)))).toEqual([
      '1000 exchange_timestamp_day',
      `1001 ${name}`,
    ])
  })

  test('with fields of before under their ids and names, also when a column has another name now', () => {
    const bucket = change(table, add('symbol', 'bucket[16]'))
    const without = change(bucket, remove('symbol_bucket_16'))
    expect(without.defaultSpecId).toBe(0)
    const renamed = changeSchema(without, [{ change: 'rename', name: 'symbol', to: 'ticker' }], NOW)
    const again = change(
      renamed,
      remove('exchange_timestamp_day'),
      add('ticker', 'bucket[16]'),
      add('ticker', 'bucket[4]'),
    )
    expect(fieldsOf(again)).toEqual(['1001 symbol_bucket_16', '1002 ticker_bucket_4'])
    expect(again.partitionSpecs.map(({ specId }) => specId)).toEqual([0, 1, 2])
  })

  test('to nothing, and not at all', () => {
    expect(defaultSpec(change(table, remove('exchange_timestamp_day'))).fields).toEqual([])
    expect(change(table)).toBe(table)
    expect(change(table, remove('exchange_timestamp_day'), add('exchange_timestamp', 'day'))).toBe(table)
  })

  test('and a column that an old spec needs stays', () => {
    const next = change(table, add('venue', 'identity'), remove('exchange_timestamp_day'))
    const plain = change(next, remove('venue'))
    expect(() => changeSchema(plain, [{ change: 'drop', name: 'venue' }], NOW)).toThrow(
      /venue partitions the table \(partition spec 1\): rewrite the files of that spec, then remove it/,
    )
  })

  test.each<[problem: RegExp, ...changes: readonly SpecChange[]]>([
    [/column: "x" is not one of symbol,/, add('x', 'day')],
    [/"weekly" is not identity, year/, add('exchange_timestamp', 'weekly')],
    [/"bucket\[0\]" is not identity/, add('symbol', 'bucket[0]')],
    [/truncate\[3\] does not take exchange_timestamp/, add('exchange_timestamp', 'truncate[3]')],
    [/day does not take symbol, which is string/, add('symbol', 'day')],
    [
      /partitioned by day of exchange_timestamp already \(exchange_timestamp_day\)/,
      add('exchange_timestamp', 'day'),
    ],
    [
      /hour beside it says nothing more: remove exchange_timestamp_day first/,
      add('exchange_timestamp', 'hour'),
    ],
    [/partition field: "x" is not one of exchange_timestamp_day/, remove('x')],
    [/"x" is not there, since the table has no partitions/, remove('exchange_timestamp_day'), remove('x')],
  ])('refused: %s', (problem, ...changes) => {
    expect(() => change(table, ...changes)).toThrow(
      expect.objectContaining({ code: 'invalid_input', message: expect.stringMatching(problem) }),
    )
  })
})

describe('a sort order changes', () => {
  const order = (of: TableMetadata, ...by: readonly SortBy[]) => changeOrder(of, by, NOW + 5000)

  test('to other columns, and back under its number', () => {
    const next = order(
      table,
      { column: 'exchange_timestamp', direction: 'desc', nullOrder: 'nulls-first' },
      { column: 'symbol', transform: 'bucket[4]' },
    )
    expect(defaultOrder(next)).toMatchObject({
      orderId: 2,
      fields: [
        { sourceId: 3, transform: 'identity', direction: 'desc', nullOrder: 'nulls-first' },
        { sourceId: 1, transform: 'bucket[4]', direction: 'asc', nullOrder: 'nulls-last' },
      ],
    })
    const names = ['symbol', 'exchange_timestamp', 'exchange_nanos', 'log_partition', 'log_offset']
    const back = order(next, ...names.map((column) => ({ column })))
    expect([back.defaultSortOrderId, back.sortOrders.length]).toEqual([1, 3])
    expect(order(back, ...names.map((column) => ({ column })))).toBe(back)
  })

  test('to none', () => {
    expect(order(table).defaultSortOrderId).toBe(0)
  })

  test.each<[problem: RegExp, ...by: readonly SortBy[]]>([
    [/"x" is not one of symbol/, { column: 'x' }],
    [
      /"symbol" is not a column that is not in the sort order yet/,
      { column: 'symbol' },
      { column: 'symbol' },
    ],
    [/day does not take symbol/, { column: 'symbol', transform: 'day' }],
  ])('refused: %s', (problem, ...by) => {
    expect(() => order(table, ...by)).toThrow(
      expect.objectContaining({ code: 'invalid_input', message: expect.stringMatching(problem) }),
    )
  })
})
