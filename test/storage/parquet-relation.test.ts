import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { beforeAll, describe, expect, test } from 'vitest'
import { SEQUENCE_GAPS, TRADES } from '#core'
import { sqlName } from '#engine'
import { type DataFile, type FileColumn, fileColumns, localPath, parquetRelation } from '#storage'
import { icebergSchema } from '../../src/storage/iceberg/schema.js'
import { localLocation } from '../../src/storage/objects/local.js'
import { tradesFile } from '../support/data-file.js'
import { engineFixture } from '../support/engine-fixture.js'
import { SeededRandom } from '../support/seeded-random.js'

const SEED = 20_261_126
const ROWS = 5000
/** DuckDB's least: three row groups a file. */
const ROW_GROUP_ROWS = 2048

const lab = engineFixture('relation')

/** A column as one schema had it; its values are whole numbers, decimals scaled by 100, or texts. */
interface Stored {
  readonly id: number
  readonly name: string
  readonly duckdb: 'INTEGER' | 'BIGINT' | 'FLOAT' | 'DOUBLE' | 'DECIMAL(9,2)' | 'DECIMAL(18,2)' | 'VARCHAR'
}

type Cell = number | string | null
type Row = ReadonlyMap<number, Cell>

/**
 * Three schemas of one table: `size` is renamed to `quantity` and widened, `note` is dropped and its name given to
 * another column, `venue` is added, and all are moved around.
 */
const SCHEMAS: readonly (readonly Stored[])[] = [
  [
    { id: 1, name: 'symbol', duckdb: 'VARCHAR' },
    { id: 2, name: 'size', duckdb: 'INTEGER' },
    { id: 3, name: 'price', duckdb: 'DECIMAL(9,2)' },
    { id: 4, name: 'note', duckdb: 'VARCHAR' },
    { id: 6, name: 'weight', duckdb: 'FLOAT' },
  ],
  [
    { id: 5, name: 'venue', duckdb: 'VARCHAR' },
    { id: 1, name: 'symbol', duckdb: 'VARCHAR' },
    { id: 2, name: 'quantity', duckdb: 'INTEGER' },
    { id: 3, name: 'price', duckdb: 'DECIMAL(9,2)' },
    { id: 6, name: 'weight', duckdb: 'DOUBLE' },
  ],
  [
    { id: 3, name: 'price', duckdb: 'DECIMAL(18,2)' },
    { id: 2, name: 'quantity', duckdb: 'BIGINT' },
    { id: 7, name: 'note', duckdb: 'INTEGER' },
    { id: 5, name: 'venue', duckdb: 'VARCHAR' },
    { id: 1, name: 'ticker', duckdb: 'VARCHAR' },
    { id: 6, name: 'weight', duckdb: 'DOUBLE' },
  ],
]

/** As the newest schema, and a reader who has kept the first name of the first column. */
const COLUMNS: readonly FileColumn[] = [
  { id: 1, name: 'symbol', type: 'string' },
  { id: 2, name: 'quantity', type: 'long' },
  { id: 3, name: 'price', type: 'decimal(18, 2)' },
  { id: 5, name: 'venue', type: 'string' },
  { id: 6, name: 'weight', type: 'double' },
  { id: 7, name: 'note', type: 'long' },
]

const WIDE = 3_000_000_000

function drawn(random: SeededRandom, schema: readonly Stored[]): Row {
  const cell = ({ id, duckdb }: Stored): Cell => {
    if (random.oneIn(6)) return null
    switch (duckdb) {
      case 'VARCHAR':
        return id === 1 ? `S${random.below(20)}` : random.pick(['ASX', 'NYSE', 'a "name" = O\'Neill'])
      case 'BIGINT':
        return random.oneIn(2) ? WIDE + random.below(10) : random.below(100)
      case 'DECIMAL(18,2)':
        return random.oneIn(2) ? 1_000_000_000_000 + random.below(100) : random.below(100_000)
      default:
        return random.below(100) - 20
    }
  }
  return new Map(schema.map((column) => [column.id, cell(column)]))
}

function literal(cell: Cell, duckdb: Stored['duckdb']): string {
  if (cell === null) return `NULL::${duckdb}`
  if (typeof cell === 'string') return `'${cell.replaceAll("'", "''")}'`
  return duckdb.startsWith('DECIMAL') ? `(${cell}::DECIMAL(18,0) / 100)::${duckdb}` : `${cell}::${duckdb}`
}

function dataFile(path: string, sizeBytes: number): DataFile {
  return { ...tradesFile(localLocation(path), []), recordCount: ROWS, fileSizeBytes: sizeBytes }
}

/** Rows in the order of their symbols, so that the row groups differ in what they hold. */
async function write(name: string, schema: readonly Stored[], rows: readonly Row[]): Promise<DataFile> {
  const path = join(lab.directory, `${name}.parquet`)
  const tuples = rows.map(
    (row) => `(${schema.map(({ id, duckdb }) => literal(row.get(id) ?? null, duckdb)).join(', ')})`,
  )
  const names = schema.map((column) => sqlName(column.name))
  const written = await lab.engine.writeParquet({
    select: `SELECT * FROM (VALUES ${tuples.join(', ')}) t(${names.join(', ')}) ORDER BY ${schema.findIndex(({ id }) => id === 1) + 1}`,
    path,
    fieldIds: new Map(schema.map((column) => [column.name, column.id])),
    footer: new Map(),
    rowGroupRows: ROW_GROUP_ROWS,
  })
  expect(written.rowCount).toBe(rows.length)
  const { fileSizeBytes, splitOffsets } = written
  return { ...dataFile(path, fileSizeBytes), splitOffsets }
}

async function texts(sql: string): Promise<readonly string[]> {
  const { columns } = await lab.engine.query(sql)
  return (columns[0] ?? []).map(String)
}

describe('data files of several schemas', () => {
  const random = new SeededRandom(SEED)
  const rows = SCHEMAS.map((schema) => Array.from({ length: ROWS }, () => drawn(random, schema)))
  const all = rows.flat()
  let files: DataFile[]

  beforeAll(async () => {
    files = []
    for (const [index, schema] of SCHEMAS.entries())
      files.push(await write(`schema-${index}`, schema, rows[index]!))
  })

  const number = (row: Row, id: number): number | null => {
    const cell = row.get(id) ?? null
    // Column 4 alone held texts under the name of a number.
    return typeof cell === 'number' ? cell : null
  }

  test('give every row once, each column by its id', async () => {
    const cells = COLUMNS.map(({ name, id }) =>
      id === 3 ? `CAST(price * 100 AS BIGINT)` : id === 6 ? 'CAST(weight AS BIGINT)' : sqlName(name),
    )
    const row = cells.map((cell) => `coalesce(CAST(${cell} AS VARCHAR), '∅')`).join(` || '|' || `)
    const expected = all.map((of) => COLUMNS.map(({ id }) => String(of.get(id) ?? '∅')).join('|'))
    const found = await texts(`SELECT ${row} FROM ${parquetRelation(files, COLUMNS)}`)
    expect([...found].sort()).toEqual(expected.sort())
  })

  test('whatever file comes first', async () => {
    for (const order of [files, [...files].reverse(), [files[1]!, files[2]!, files[0]!]]) {
      const [sum] = await texts(
        `SELECT CAST(sum(quantity) AS VARCHAR) FROM ${parquetRelation(order, COLUMNS)}`,
      )
      expect(sum).toBe(String(all.reduce((total, row) => total + (number(row, 2) ?? 0), 0)))
    }
  })

  test('have no column that is not asked for, and none under an old name', async () => {
    const asked = COLUMNS.filter(({ id }) => id === 2)
    await expect(texts(`SELECT symbol FROM ${parquetRelation(files, asked)}`)).rejects.toThrow('symbol')
    await expect(texts(`SELECT size FROM ${parquetRelation(files, COLUMNS)}`)).rejects.toThrow('size')
  })

  const predicates: readonly [sql: string, matches: (row: Row) => boolean][] = [
    [`symbol = 'S7'`, (row) => row.get(1) === 'S7'],
    [`symbol IN ('S3', 'S11', 'none')`, (row) => row.get(1) === 'S3' || row.get(1) === 'S11'],
    [`symbol >= 'S5' AND symbol < 'S7'`, (row) => row.get(1) === 'S5' || row.get(1) === 'S6'],
    ['symbol IS NULL', (row) => (row.get(1) ?? null) === null],
    // Beyond what the column held before it was widened.
    [`quantity > ${WIDE}`, (row) => (number(row, 2) ?? 0) > WIDE],
    [`quantity < ${WIDE}`, (row) => (number(row, 2) ?? WIDE) < WIDE],
    ['quantity = 5', (row) => number(row, 2) === 5],
    ['price > 1000000000.5', (row) => (number(row, 3) ?? 0) > 100_000_000_050],
    ['price <= 0.05', (row) => (number(row, 3) ?? 6) <= 5],
    ['weight < 3.5', (row) => (number(row, 6) ?? 4) < 3.5],
    [`venue = 'a "name" = O''Neill'`, (row) => row.get(5) === 'a "name" = O\'Neill'],
    ['venue IS NULL', (row) => (row.get(5) ?? null) === null],
    ['note IS NULL', (row) => (row.get(7) ?? null) === null],
    ['note >= 3', (row) => (number(row, 7) ?? 0) >= 3],
    [
      `symbol = 'S4' AND note < 50 AND quantity > 50`,
      (row) => row.get(1) === 'S4' && (number(row, 7) ?? 50) < 50 && (number(row, 2) ?? 0) > 50,
    ],
    [`venue IS NULL AND symbol = 'S9'`, (row) => (row.get(5) ?? null) === null && row.get(1) === 'S9'],
  ]
  test.each(predicates)('hold the rows where %s, and exactly their sums', async (sql, matches) => {
    const matching = all.filter(matches)
    const sum = (id: number) => String(matching.reduce((total, row) => total + (number(row, id) ?? 0), 0))
    const answer = await texts(
      `SELECT concat_ws(' ', count(*), coalesce(sum(quantity), 0), CAST(coalesce(sum(price), 0) * 100 AS HUGEINT),
         CAST(coalesce(sum(weight), 0) AS BIGINT), coalesce(sum(note), 0))
       FROM ${parquetRelation(files, COLUMNS)} WHERE ${sql}`,
    )
    expect(answer).toEqual([`${matching.length} ${sum(2)} ${sum(3)} ${sum(6)} ${sum(7)}`])
    expect(matching.length).toBeGreaterThan(0)
  })

  test('are read by row group, and only those that a predicate does not exclude', async () => {
    const [first, second] = files[0]!.splitOffsets
    const damaged = join(lab.directory, 'damaged.parquet')
    const bytes = await readFile(localPath(files[0]!.path))
    await writeFile(damaged, bytes.fill(0xff, first, second))
    const count = (where: string) =>
      texts(
        `SELECT count(*) FROM ${parquetRelation([dataFile(damaged, bytes.length)], COLUMNS)} WHERE ${where}`,
      )
    const matching = rows[0]!.filter((row) => (row.get(1) ?? '') === 'S8' && (number(row, 2) ?? 51) <= 50)
    expect(await count(`symbol = 'S8' AND quantity <= 50`)).toEqual([String(matching.length)])
    await expect(count(`symbol = 'S0' AND quantity <= 50`)).rejects.toThrow()
  })
})

describe('the columns of a table', () => {
  test('are those of its layout under their own names, as wide as the schema has them, then what else there is', () => {
    const schema = icebergSchema(SEQUENCE_GAPS)
    const renamed = schema.fields.map((field) =>
      field.name === 'symbol'
        ? { ...field, name: 'ticker' }
        : field.name === 'from_sequence'
          ? { ...field, type: 'decimal(20, 0)' }
          : field,
    )
    const added = { ...schema.fields[0]!, id: 9, name: 'feed', type: 'double' }
    const taken = { ...added, id: 10, name: 'symbol' }
    const nested = {
      ...added,
      id: 11,
      name: 'legs',
      type: { type: 'list', 'element-id': 12, element: 'int', 'element-required': false },
    }
    const dropped = renamed.filter(({ name }) => name !== 'filled_at')
    const columns = fileColumns(SEQUENCE_GAPS, {
      ...schema,
      fields: [nested, added, taken, ...[...dropped].reverse()],
    })
    expect(columns.map(({ id, name, type }) => `${id} ${name} ${type}`)).toEqual([
      '1 exchange string',
      '2 symbol string',
      '3 table_name string',
      '4 session_date date',
      '5 from_sequence decimal(20, 0)',
      '6 to_sequence long',
      '7 detected_at timestamptz',
      '8 filled_at timestamptz',
      '9 feed double',
    ])
  })

  test('of an unknown type are told when they are asked for', () => {
    const column = { id: 99, name: 'shape', type: 'geometry' }
    const [file] = [tradesFile('file:///t/1.parquet', [])]
    expect(() => parquetRelation([file!], [column])).toThrow('column shape has type geometry')
    expect(fileColumns(TRADES, icebergSchema(TRADES)).map(({ name }) => name)).toEqual(
      TRADES.columns.map(({ name }) => name),
    )
  })
})
