import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { fileColumns, parquetRelation, type TableMetadata } from '#storage'
import { isWritable, wholeColumns } from '../../src/storage/file-columns.js'
import type { Json } from '../../src/storage/iceberg/json.js'
import { currentSchema } from '../../src/storage/iceberg/metadata.js'
import { parseTransform } from '../../src/storage/iceberg/partition.js'
import { applyTransform } from '../../src/storage/iceberg/transform.js'
import { decodeValue, type Value } from '../../src/storage/iceberg/values.js'
import { LocalObjectStore, localLocation } from '../../src/storage/objects/local.js'
import { type PreparedFiles, prepareFiles } from '../../src/storage/prepare.js'
import { engineFixture } from '../support/engine-fixture.js'
import { type Field, TYPED, typedTable } from '../support/typed-table.js'

/** A column that a schema has besides, two values of it in SQL, and what its bounds are then. */
type Case = readonly [
  type: string,
  least: string,
  greatest: string,
  bounds: readonly [Value | null, Value | null],
]

const CASES: readonly Case[] = [
  ['boolean', 'false', 'true', [false, true]],
  ['int', '-7', '2147483647', [-7, 2_147_483_647]],
  ['long', '-9223372036854775808', '9007199254740993', [-(2n ** 63n), 9_007_199_254_740_993n]],
  ['float', "'-1.1'::FLOAT", "'0.0'::FLOAT", [Math.fround(-1.1), 0]],
  ['double', "'0.0'::DOUBLE", "'1.0000000000000002'::DOUBLE", [-0, 1.0000000000000002]],
  ['double', "'1'::DOUBLE", "'nan'::DOUBLE", [null, null]],
  ['double', "'-inf'::DOUBLE", "'5'::DOUBLE", [null, 5]],
  ['date', "DATE '1969-12-31'", "DATE '9999-12-31'", [-1, 2_932_896]],
  ['date', "'290000-01-01 (BC)'::DATE", "DATE '2020-01-01'", [null, 18_262]],
  ['time', "TIME '00:00:00'", "TIME '23:59:59.000001'", [0n, 86_399_000_001n]],
  [
    'timestamp',
    "TIMESTAMP '1969-12-31 23:59:59.5'",
    "TIMESTAMP '2020-01-01'",
    [-500_000n, 1_577_836_800_000_000n],
  ],
  [
    'timestamptz',
    "TIMESTAMPTZ '1900-01-01 00:00:00.000001+00'",
    "'infinity'::TIMESTAMPTZ",
    [-2_208_988_799_999_999n, null],
  ],
  ['string', "''", "'😀'", ['', '😀']],
  [
    'uuid',
    "'00000000-0000-0000-0000-000000000001'::UUID",
    "'ffffffff-0000-0000-0000-000000000001'::UUID",
    [null, null],
  ],
  ['binary', "'a'::BLOB", "'\\x00'::BLOB", [null, null]],
  ['decimal(5, 2)', '-999.99', '0.05', [-99_999n, 5n]],
  ['decimal(18, 0)', '-5', '999999999999999999', [-5n, 999_999_999_999_999_999n]],
  [
    'decimal(38, 3)',
    '-1',
    '12345678901234567890123456789012345.678',
    [-1000n, 12_345_678_901_234_567_890_123_456_789_012_345_678n],
  ],
]

const objects = new LocalObjectStore()
const lab = engineFixture('columns')

/** A table whose schema has these columns besides, with ids from 100. */
function tableWith(
  columns: readonly (readonly [name: string, type: Json])[],
  fields: readonly Field[] = [],
): TableMetadata {
  const metadata = typedTable(localLocation(join(lab.directory, 'table')), fields)
  const [schema] = metadata.schemas
  const added = columns.map(([name, type], index) => ({
    id: 100 + index,
    name,
    required: false,
    type,
    doc: null,
    extra: {},
  }))
  return { ...metadata, schemas: [{ ...schema!, fields: [...schema!.fields, ...added] }] }
}

let files = 0

/** Writes rows that differ in column 100 alone. */
async function write(metadata: TableMetadata, values: readonly string[]): Promise<PreparedFiles> {
  const columns = wholeColumns(TYPED, currentSchema(metadata))
  const cells = (value: string) =>
    columns.map(({ id, name, type }) => {
      const cell = id === 100 ? value : name === 'moment' ? 'make_timestamptz(0)' : 'NULL'
      return `CAST(${cell} AS ${sqlTypeOf(type)}) AS "${name}"`
    })
  const relation = `(${values.map((value) => `SELECT ${cells(value).join(', ')}`).join(' UNION ALL ')})`
  return prepareFiles(
    { layout: TYPED, engine: lab.engine, objects, metadata },
    { relation, columns, rowCount: values.length, days: new Set([0]) },
    `file-${files++}`,
  )
}

const SQL_TYPES: Readonly<Record<string, string>> = { string: 'VARCHAR', long: 'BIGINT', binary: 'BLOB' }
const sqlTypeOf = (type: string) => SQL_TYPES[type] ?? type.toUpperCase()

describe('files keep the columns that the schema has besides those of the layout', () => {
  test.each(CASES)('%s from %s to %s', async (type, least, greatest, bounds) => {
    const metadata = tableWith([['added', type]])
    const { files: written } = await write(metadata, [greatest, 'NULL', least])
    expect(written).toHaveLength(1)
    const [file] = written
    expect([file!.valueCounts.get(100), file!.nullValueCounts.get(100)]).toEqual([3, 1])
    const decoded = [file!.lowerBounds, file!.upperBounds].map((side) => {
      const bytes = side.get(100)
      return bytes === undefined ? null : decodeValue(type, bytes)
    })
    expect(decoded).toEqual(bounds)
    const relation = parquetRelation(written, fileColumns(TYPED, currentSchema(metadata)))
    const { columns } = await lab.engine.query(
      `SELECT count(*) FILTER (added IS NOT DISTINCT FROM CAST(${greatest} AS ${sqlTypeOf(type)}))::INTEGER,
         count(*) FILTER (added IS NOT DISTINCT FROM CAST(${least} AS ${sqlTypeOf(type)}))::INTEGER,
         count(*) FILTER (added IS NULL)::INTEGER FROM ${relation}`,
    )
    expect(columns.map(([count]) => count)).toEqual([1, 1, 1])
  })

  test.each<[type: string, transform: string, values: readonly [sql: string, value: Value][]]>([
    [
      'boolean',
      'identity',
      [
        ['true', true],
        ['false', false],
      ],
    ],
    [
      'timestamp',
      'identity',
      [
        ["TIMESTAMP '1970-01-01 00:00:01'", 1_000_000n],
        ["TIMESTAMP '1969-12-31'", -86_400_000_000n],
      ],
    ],
    [
      'timestamp',
      'hour',
      [
        ["TIMESTAMP '1970-01-01 01:59:59'", 7_199_000_000n],
        ["TIMESTAMP '1969-12-31 23:00:00'", -3_600_000_000n],
      ],
    ],
    [
      'date',
      'month',
      [
        ["DATE '2020-02-29'", 18_321],
        ["DATE '1969-12-31'", -1],
      ],
    ],
    [
      'long',
      'truncate[10]',
      [
        ['15', 15n],
        ['-1', -1n],
      ],
    ],
    [
      'decimal(10, 3)',
      'bucket[7]',
      [
        ['1.250', 1250n],
        ['-0.001', -1n],
      ],
    ],
    [
      'decimal(38, 3)',
      'bucket[7]',
      [
        ['12345678901234567890.125', 12_345_678_901_234_567_890_125n],
        ['-0.001', -1n],
      ],
    ],
    [
      'uuid',
      'bucket[16]',
      [["'f79c3e09-677c-4bbd-a479-3f349cb785e7'", Buffer.from('f79c3e09677c4bbda4793f349cb785e7', 'hex')]],
    ],
    [
      'time',
      'bucket[16]',
      [
        ["TIME '22:31:08'", 81_068_000_000n],
        ["TIME '00:00:00.000001'", 1n],
      ],
    ],
    ['binary', 'bucket[16]', [["'\\x00\\x01'::BLOB", Uint8Array.of(0, 1)]]],
    [
      'string',
      'truncate[1]',
      [
        ["'😀b'", '😀b'],
        ["'O''X'", "O'X"],
      ],
    ],
  ])('and are partitioned by %s: %s', async (type, transform, values) => {
    const metadata = tableWith([['added', type]], [[100, transform]])
    const { files: written, specId } = await write(metadata, [...values.map(([sql]) => sql), 'NULL'])
    expect(specId).toBe(1)
    const expected = values.map(([, value]) => applyTransform(parseTransform(transform), type, value))
    const shown = (list: readonly unknown[]) => [...new Set(list.map(String))].sort()
    expect(shown(written.map(({ partition }) => partition[0]))).toEqual(shown([...expected, null]))
    expect(written.reduce((sum, { recordCount }) => sum + recordCount, 0)).toBe(values.length + 1)
  })

  test('and namesakes of columns of the layout, which DuckDB takes for one', async () => {
    const metadata = tableWith([
      ['Symbol', 'int'],
      ['SYMBOL', 'int'],
      ['symbol_100', 'long'],
    ])
    const columns = wholeColumns(TYPED, currentSchema(metadata))
    expect(columns.slice(TYPED.columns.length).map(({ id, name }) => [id, name])).toEqual([
      [100, 'Symbol_100'],
      [101, 'SYMBOL_101'],
      [102, 'symbol_100_102'],
    ])
    const { files: written } = await write(metadata, ['7'])
    const { columns: read } = await lab.engine.query(
      `SELECT "Symbol_100" FROM ${parquetRelation(written, columns)}`,
    )
    expect(read).toEqual([[7]])
    expect(fileColumns(TYPED, currentSchema(metadata)).map(({ id }) => id)).toEqual([
      ...TYPED.columns.map(({ id }) => id),
      102,
    ])
  })
})

describe('what cannot be written is not lost in silence', () => {
  test.each<[type: Json, what: string]>([
    ['fixed[16]', 'column added of rows is fixed[16], which ticklake cannot write'],
    ['decimal(20, 2)', 'column added of rows is decimal(20, 2), which ticklake cannot write'],
    [
      { type: 'list', 'element-id': 101, element: 'int', 'element-required': false },
      'column added of rows is a nested type',
    ],
  ])('%j', (type, what) => {
    expect(() => wholeColumns(TYPED, currentSchema(tableWith([['added', type]])))).toThrow(what)
  })

  test('the types that can be', () => {
    const types = ['decimal(18, 18)', 'decimal(36, 0)', 'decimal(38, 38)', 'uuid', 'time', 'float']
    expect(types.filter(isWritable)).toEqual(types)
    expect(['decimal(19, 0)', 'decimal(35, 2)', 'fixed[4]', 'timestamp_ns'].filter(isWritable)).toEqual([])
  })
})
