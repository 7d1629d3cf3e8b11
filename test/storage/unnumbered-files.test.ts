import { unlink } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { TRADES } from '#core'
import { sqlString } from '#engine'
import { type DataFile, type FileColumn, localPath, parquetRelation, type TableMetadata } from '#storage'
import { newTableMetadata } from '../../src/storage/iceberg/metadata.js'
import { nameMapping } from '../../src/storage/iceberg/name-mapping.js'
import { localLocation } from '../../src/storage/objects/local.js'
import { UnnumberedFiles } from '../../src/storage/unnumbered-files.js'
import { tradesFile } from '../support/data-file.js'
import { engineFixture } from '../support/engine-fixture.js'

const lab = engineFixture('unnumbered')

async function write(name: string, select: string, options = ''): Promise<DataFile> {
  const path = join(lab.directory, `${name}.parquet`)
  await lab.engine.run(`COPY (${select}) TO ${sqlString(path)} (FORMAT parquet${options})`)
  return tradesFile(localLocation(path), [])
}

function metadataWith(mapping: string | null): TableMetadata {
  const table = { location: 'file:///t', uuid: 'u', nowMs: 0, partitionCount: 1 }
  const properties = mapping === null ? {} : { 'schema.name-mapping.default': mapping }
  return newTableMetadata(TRADES, { ...table, properties })
}

const MAPPING = JSON.stringify([
  { 'field-id': 1, names: ['symbol', 'ticker'] },
  { 'field-id': 2, names: ['size'], fields: [{ 'field-id': 9, names: ['price'] }] },
  { names: ['nobody'] },
  { 'field-id': 3, names: [] },
])
const COLUMNS: readonly FileColumn[] = [
  { id: 1, name: 'symbol', type: 'string' },
  { id: 2, name: 'quantity', type: 'long' },
  { id: 3, name: 'price', type: 'decimal(18, 8)' },
]

async function read(
  files: Parameters<typeof parquetRelation>[0],
  where = 'true',
): Promise<readonly string[]> {
  const { columns } = await lab.engine.query(
    `SELECT concat_ws(' ', coalesce(symbol, '∅'), coalesce(quantity::VARCHAR, '∅'), coalesce(price::VARCHAR, '∅')) AS row
     FROM ${parquetRelation(files, COLUMNS)} WHERE ${where} ORDER BY row`,
  )
  return (columns[0] ?? []).map(String)
}

describe('files without field ids', () => {
  test('are read by the table’s name mapping, with files that have ids', async () => {
    const numbered = await write(
      'numbered',
      `SELECT 'BHP' AS s, 5 AS q, 1.5::DECIMAL(18,8) AS p`,
      ', FIELD_IDS {s: 1, q: 2, p: 3}',
    )
    const added = await write(
      'added',
      `SELECT {price: 7, size: 8} AS nobody, 6::SMALLINT AS size, 'CBA' AS ticker, 3 AS price`,
    )
    const other = await write('other', `SELECT * FROM (VALUES ('ANZ', 9), (NULL, 4)) t(symbol, quantity)`)
    const files = await new UnnumberedFiles(lab.engine).named(metadataWith(MAPPING), [numbered, added, other])
    // `price` and `quantity` are columns of theirs that the mapping does not name.
    expect(await read(files)).toEqual(['ANZ ∅ ∅', 'BHP 5 1.50000000', 'CBA 6 ∅', '∅ ∅ ∅'])
    expect(await read(files, `symbol IN ('CBA', 'BHP') AND quantity > 5`)).toEqual(['CBA 6 ∅'])
    expect(await read(files.slice(1, 2))).toEqual(['CBA 6 ∅'])
  })

  test('are looked at once, and not at all without a mapping', async () => {
    const file = await write('gone', `SELECT 'BHP' AS symbol`)
    const unnumbered = new UnnumberedFiles(lab.engine)
    const [named] = await unnumbered.named(metadataWith(MAPPING), [file])
    expect(named?.columnNames).toEqual(new Map([[1, 'symbol']]))
    await unlink(localPath(file.path))
    expect(await unnumbered.named(metadataWith(MAPPING), [file])).toEqual([named])
    expect(await new UnnumberedFiles(lab.engine).named(metadataWith(null), [file])).toEqual([file])
    await expect(new UnnumberedFiles(lab.engine).named(metadataWith(MAPPING), [file])).rejects.toThrow(
      'gone.parquet',
    )
  })

  test('are known to whoever asks, though what was remembered is forgotten while others are looked at', async () => {
    const file = (name: string) => write(name, `SELECT '${name}' AS symbol`)
    const [a, b, c, d, e] = await Promise.all(['a', 'b', 'c', 'd', 'e'].map(file))
    const unnumbered = new UnnumberedFiles(lab.engine, 3)
    const names = async (...files: DataFile[]) =>
      (await unnumbered.named(metadataWith(MAPPING), files)).map(({ columnNames }) => columnNames?.get(1))
    await names(a!)
    // The second is of more files than are remembered with those that the first counts on.
    const asked = [names(a!, b!), names(c!, d!, e!), names(a!, b!, c!, d!, e!)]
    expect((await Promise.all(asked)).flat()).toEqual(Array.from({ length: 10 }, () => 'symbol'))
  })

  test('are told from others, one missing id being enough, ids within a column not counting', async () => {
    const none = await write('none', `SELECT 1 AS a, 2 AS b`)
    const one = await write('one', `SELECT 1 AS a, 2 AS b`, ', FIELD_IDS {a: 1}')
    const all = await write('all', `SELECT 1 AS a, {x: 2, y: [3]} AS b`, ', FIELD_IDS {a: 1, b: 2}')
    const unnumbered = new UnnumberedFiles(lab.engine)
    expect(await unnumbered.among([none, one, all])).toEqual([none, one])
    expect(await unnumbered.among([all, one])).toEqual([one])
    expect(await unnumbered.among([])).toEqual([])
  })
})

describe('a name mapping', () => {
  test('gives ids to names at the top', () => {
    expect(nameMapping(metadataWith(MAPPING))).toEqual(
      new Map([
        ['symbol', 1],
        ['ticker', 1],
        ['size', 2],
      ]),
    )
    expect(nameMapping(metadataWith(null))).toBe(null)
  })

  test.each(['{', '{}', '[1]', '[{"field-id": "1", "names": []}]', '[{"field-id": 1}]'])(
    'that is none is corrupt: %s',
    (text) => {
      expect(() => nameMapping(metadataWith(text))).toThrow('schema.name-mapping.default')
    },
  )
})
