import { mkdir, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { TicklakeError } from '#core'
import { sqlString } from '#engine'
import { localPath, type TableMetadata } from '#storage'
import {
  type DataFile,
  decodeManifest,
  encodeManifest,
  type ManifestEntry,
} from '../../src/storage/iceberg/manifest.js'
import { currentSchema, defaultSpec } from '../../src/storage/iceberg/metadata.js'
import { parseTransform, type SortField } from '../../src/storage/iceberg/partition.js'
import { typeName } from '../../src/storage/iceberg/schema.js'
import { applyTransform, periodOfMicros } from '../../src/storage/iceberg/transform.js'
import type { Value } from '../../src/storage/iceberg/values.js'
import { LocalObjectStore, localLocation } from '../../src/storage/objects/local.js'
import { type PreparedFiles, prepareFiles } from '../../src/storage/prepare.js'
import { engineFixture } from '../support/engine-fixture.js'
import { SeededRandom } from '../support/seeded-random.js'
import {
  createTyped,
  drawnRow,
  type Field,
  rowsOf,
  shownRow,
  sortField,
  TYPED,
  type TypedRow,
  typedTable,
} from '../support/typed-table.js'

const SEED = 20_261_126
const HOUR = 3_600_000_000n

const objects = new LocalObjectStore()
const lab = engineFixture('prepare')

let tables = 0

async function prepare(metadata: TableMetadata, rows: readonly TypedRow[]): Promise<PreparedFiles> {
  const relation = `rows_${tables++}`
  await createTyped(lab.engine, relation, rows)
  const days = new Set(rows.map(([moment]) => periodOfMicros('day', BigInt(String(moment)))))
  try {
    return await prepareFiles(
      { layout: TYPED, engine: lab.engine, objects, metadata },
      { relation, rowCount: rows.length, days },
      relation,
    )
  } finally {
    await lab.engine.run(`DROP TABLE ${relation}`)
  }
}

const metadataOf = (fields: readonly Field[], sort: readonly SortField[] | null = null) =>
  typedTable(localLocation(join(lab.directory, 'table')), fields, sort)

const entriesOf = (files: readonly DataFile[]): readonly ManifestEntry[] =>
  files.map((file) => ({
    status: 'added',
    snapshotId: 1n,
    sequenceNumber: null,
    fileSequenceNumber: null,
    file,
  }))

const SPECS: readonly (readonly Field[])[] = [
  [],
  [['moment', 'day']],
  [['moment', 'hour']],
  [['moment', 'month']],
  [['moment', 'year']],
  [['exchange', 'identity']],
  [['symbol', 'bucket[4]']],
  [
    ['moment', 'hour'],
    ['exchange', 'identity'],
  ],
  [
    ['moment', 'day'],
    ['symbol', 'bucket[3]'],
  ],
  [
    ['symbol', 'bucket[2]'],
    ['exchange', 'identity'],
    ['moment', 'month'],
  ],
  [
    ['symbol', 'identity'],
    ['symbol', 'bucket[16]'],
  ],
  [
    ['symbol', 'truncate[1]'],
    ['moment', 'year'],
  ],
  [
    ['price', 'bucket[2]'],
    ['number', 'bucket[2]'],
    ['flags', 'bucket[2]'],
  ],
  [
    ['raw', 'bucket[5]'],
    ['session', 'month'],
  ],
  [['number', 'truncate[10]']],
  [['flags', 'identity']],
  [['session', 'day']],
  [['moment', 'identity']],
  [
    ['session', 'year'],
    ['moment', 'hour'],
  ],
  [
    ['exchange', 'void'],
    ['moment', 'hour'],
  ],
]

test('the footer of a file tells its own schema, by names that later renames do not change', async () => {
  const { files } = await prepare(metadataOf([]), [drawnRow(new SeededRandom(SEED), 1)])
  const { columns } = await lab.engine.query(
    `SELECT decode(value) FROM parquet_kv_metadata(${sqlString(localPath(files[0]!.path))})
     WHERE decode(key) = 'iceberg.schema'`,
  )
  const fields = TYPED.columns.map(({ id, name, type }) => ({
    id,
    name,
    required: false,
    type: typeName({ type }),
  }))
  expect(JSON.parse(String(columns[0]?.[0]))).toEqual({ type: 'struct', fields })
})

describe('rows are written by the default spec of their table', () => {
  test.each(
    SPECS.map(
      (fields) =>
        [
          fields.map(([column, transform]) => `${transform} of ${column}`).join(', ') || 'nothing',
          fields,
        ] as const,
    ),
  )('%s', async (_, fields) => {
    const random = new SeededRandom(SEED)
    const metadata = metadataOf(fields)
    const rows = Array.from({ length: 300 }, () => drawnRow(random, 5))
    const { files, specId } = await prepare(metadata, rows)
    const spec = metadata.partitionSpecs.find((candidate) => candidate.specId === specId)!
    expect(specId).toBe(1)
    const found: TypedRow[] = []
    for (const file of files) {
      const inFile = await rowsOf(lab.engine, [file], metadata)
      expect(file.recordCount).toBe(inFile.length)
      found.push(...inFile)
      for (const row of inFile) {
        const values = spec.fields.map(({ sourceId, transform }) => {
          const { type } = TYPED.columns[sourceId - 1]!
          return applyTransform(parseTransform(transform), typeName({ type }), row[sourceId - 1]!)
        })
        expect(values).toEqual(file.partition)
      }
    }
    expect(found.map(shownRow).sort()).toEqual(rows.map(shownRow).sort())
    // One file for each partition that there is, and none besides.
    expect(
      new Set(files.map(({ partition }) => partition.map((value) => `${typeof value} ${value}`).join())).size,
    ).toBe(files.length)
    expect(new Set(files.map(({ path }) => path)).size).toBe(files.length)
    // A manifest takes them.
    const manifest = decodeManifest(encodeManifest(currentSchema(metadata), spec, entriesOf(files)), 'm')
    expect(manifest.entries.map(({ file }) => file)).toEqual(files)
  })

  test('into folders that say what they hold', async () => {
    const metadata = metadataOf([
      ['moment', 'hour'],
      ['exchange', 'identity'],
    ])
    const row = (exchange: string | null): TypedRow => [
      13n * HOUR + 5n,
      'BHP',
      exchange,
      null,
      null,
      null,
      null,
      null,
    ]
    const { files } = await prepare(metadata, [row('A/B'), row(null), row('null')])
    const folders = files.map(({ path }) =>
      path.slice(`${metadata.location}/data/`.length).split('/').slice(0, -1).join('/'),
    )
    expect(folders.sort()).toEqual([
      'p0_hour=1970-01-01-13/p1_identity=A%2FB',
      'p0_hour=1970-01-01-13/p1_identity=null',
      'p0_hour=1970-01-01-13/p1_identity=null',
    ])
    const long = metadataOf([['symbol', 'identity']])
    const cut = await prepare(long, [
      [0n, 'x'.repeat(300), null, null, null, null, null, null],
      [0n, 'x'.repeat(301), null, null, null, null, null, null],
    ])
    expect(cut.files.map(({ partition }) => String(partition[0]).length)).toEqual([300, 301])
  })

  test('a column that the layout does not have is null in all rows; one that was widened has the wider values in manifests', async () => {
    const metadata = metadataOf([
      [99, 'identity'],
      ['flags', 'identity'],
    ])
    const [schema] = metadata.schemas
    const fields = schema!.fields.map((field) =>
      field.name === 'flags' ? { ...field, type: 'long' } : field,
    )
    const added = { id: 99, name: 'feed', required: false, type: 'int', doc: null, extra: {} }
    const widened = { ...metadata, schemas: [{ ...schema!, fields: [...fields, added] }] }
    const { files } = await prepare(widened, [[0n, 'BHP', null, null, null, 7, null, null]])
    const manifest = decodeManifest(
      encodeManifest(currentSchema(widened), defaultSpec(widened), entriesOf(files)),
      'm',
    )
    expect(manifest.entries.map(({ file }) => file.partition)).toEqual([[null, 7n]])
  })

  test('no rows are no files', async () => {
    expect(await prepare(metadataOf([['moment', 'hour']]), [])).toEqual({ files: [], specId: 1 })
  })
})

test('of files of which one cannot be written none is left', async () => {
  const location = join(lab.directory, 'full')
  const written: string[] = []
  const full = {
    read: lab.engine.read.bind(lab.engine),
    writeParquet: async (request: Parameters<typeof lab.engine.writeParquet>[0]) => {
      written.push(request.path)
      if (written.length < 3) return lab.engine.writeParquet(request)
      await mkdir(dirname(request.path), { recursive: true })
      await writeFile(request.path, 'PAR1')
      throw new TicklakeError('unavailable', 'injected: no room for the rest of the file')
    },
  }
  await createTyped(
    lab.engine,
    'in_vain',
    [0, 1, 2, 3, 4].map((at) => [0n, 'BHP', `X${at}`, null, null, null, null, null]),
  )
  const metadata = typedTable(localLocation(location), [['exchange', 'identity']], null)
  const prepared = prepareFiles(
    { layout: TYPED, engine: full, objects, metadata },
    { relation: 'in_vain', rowCount: 5, days: new Set([0]) },
    'in_vain',
  )
  await expect(prepared).rejects.toThrow('injected')
  expect(written).toHaveLength(3)
  expect(await objects.list(localLocation(location))).toEqual([])
})

describe('what cannot be written by the default spec is written by days', () => {
  const rows = (count: number): TypedRow[] =>
    Array.from({ length: count }, (_, index) => [
      BigInt(index) * HOUR,
      `S${index}`,
      null,
      null,
      null,
      null,
      null,
      null,
    ])

  test.each<[what: string, field: Field]>([
    ['an unknown transform', ['moment', 'fortnight']],
    ['a transform that the type does not have', ['exchange', 'hour']],
    ['a partition that no manifest of ours can hold', ['price', 'identity']],
    ['a column that nobody knows', [98, 'identity']],
    ['more than 32 files', ['moment', 'hour']],
  ])('%s', async (_, field) => {
    const { files, specId } = await prepare(metadataOf([field]), rows(65))
    expect(specId).toBe(0)
    expect(files.map(({ partition, recordCount }) => `${partition} ${recordCount}`)).toEqual([
      '0 24',
      '1 24',
      '2 17',
    ])
  })

  test('32 files are not too many', async () => {
    expect((await prepare(metadataOf([['moment', 'hour']]), rows(32))).files).toHaveLength(32)
  })

  test('without a spec of days it is a conflict', async () => {
    const metadata = metadataOf([['moment', 'fortnight']])
    const withoutDays = { ...metadata, partitionSpecs: metadata.partitionSpecs.slice(1) }
    await expect(prepare(withoutDays, rows(2))).rejects.toThrow(
      'is partitioned by p0_fortnight (fortnight), which 2 rows',
    )
  })
})

describe('files are sorted', () => {
  const random = new SeededRandom(SEED)
  const rows = Array.from({ length: 400 }, () => drawnRow(random, 30))

  const OWN_ORDER = TYPED.sortColumns.map((name) => sortField(name, 'identity', 'asc', 'last'))

  /** UTF-8 orders texts as DuckDB does. */
  const order = (a: Value | null, b: Value | null, field: SortField): number => {
    if (a === null || b === null)
      return a === b ? 0 : (a === null) === (field.nullOrder === 'nulls-first') ? -1 : 1
    const sign = field.direction === 'asc' ? 1 : -1
    if (typeof a === 'string' && typeof b === 'string')
      return sign * Buffer.compare(Buffer.from(a), Buffer.from(b))
    return sign * (a < b ? -1 : a > b ? 1 : 0)
  }

  function expectSorted(inFile: readonly TypedRow[], sort: readonly SortField[]): void {
    for (const [index, next] of inFile.slice(1).entries()) {
      const signs = sort.map((field) => {
        const { type } = TYPED.columns[field.sourceId - 1]!
        const key = (row: TypedRow) =>
          applyTransform(parseTransform(field.transform), typeName({ type }), row[field.sourceId - 1]!) ??
          null
        return order(key(inFile[index]!), key(next), field)
      })
      expect(signs.find((sign) => sign !== 0) ?? 0).toBeLessThanOrEqual(0)
    }
  }

  test.each<[what: string, sort: readonly SortField[]]>([
    [
      'down, nulls first',
      [sortField('symbol', 'identity', 'desc', 'first'), sortField('moment', 'identity', 'asc', 'last')],
    ],
    [
      'up, nulls first',
      [sortField('exchange', 'identity', 'asc', 'first'), sortField('number', 'identity', 'desc', 'last')],
    ],
    [
      'by what transforms make of columns',
      [
        sortField('moment', 'hour', 'desc', 'last'),
        sortField('symbol', 'truncate[1]', 'asc', 'first'),
        sortField('flags', 'identity', 'asc', 'last'),
      ],
    ],
    [
      'by months',
      [
        sortField('session', 'month', 'asc', 'last'),
        sortField('moment', 'year', 'desc', 'first'),
        sortField('price', 'identity', 'asc', 'first'),
      ],
    ],
  ])('by the default order of the table: %s', async (_, sort) => {
    const metadata = metadataOf([['moment', 'day']], sort)
    for (const file of (await prepare(metadata, rows)).files) {
      expect(file.sortOrderId).toBe(2)
      expectSorted(await rowsOf(lab.engine, [file], metadata), sort)
    }
  })

  test.each<[what: string, sort: readonly SortField[], id: number]>([
    ['in the layout’s own order when the table has none', [], 0],
    [
      'in the layout’s own order when the table’s cannot be followed',
      [sortField('symbol', 'bucket[4]', 'asc', 'last')],
      0,
    ],
    ['in the layout’s own order when it is the table’s', OWN_ORDER, 2],
  ])('%s', async (_, sort, id) => {
    const metadata = metadataOf([], sort)
    const [file] = (await prepare(metadata, rows)).files
    expect(file!.sortOrderId).toBe(id)
    expectSorted(await rowsOf(lab.engine, [file!], metadata), OWN_ORDER)
  })
})
