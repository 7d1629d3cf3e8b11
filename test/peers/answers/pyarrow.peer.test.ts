import { afterAll, beforeAll, expect, test } from 'vitest'
import { parseTimeNanos } from '#core'
import { FedLake } from '../catalog/fed-lake.js'
import { runScript } from '../script.js'

interface Told {
  readonly types: Readonly<Record<string, string>>
  readonly columns: Readonly<Record<string, readonly (string | null)[]>>
  readonly metadata: Readonly<Record<string, string>>
}

let lake: FedLake

beforeAll(async () => {
  lake = await FedLake.open(43)
  for (let bodies = 0; bodies < 5; bodies++) await lake.post()
  await lake.settled()
})

afterAll(() => lake.close())

/** Of a path, what pyarrow finds in the two formats, and the rows of JSON by column. */
async function ask(path: string) {
  const urls = ['arrow', 'parquet'].map((format) => `${lake.url}${path}&format=${format}`)
  // The script answers so.
  const [arrow, parquet] = (await runScript(new URL('pyarrow_answers.py', import.meta.url), { urls })) as [
    Told,
    Told,
  ]
  const response = await fetch(`${lake.url}${path}`)
  const { data, meta } = (await response.json()) as {
    data: readonly Readonly<Record<string, string | number | boolean | null>>[]
    meta: { receipt: string }
  }
  const names = Object.keys(data[0] ?? {})
  const columns = Object.fromEntries(
    names.map((name) => [name, data.map((row) => (row[name] === null ? null : cell(name, row[name]!)))]),
  )
  return { arrow, parquet, columns, meta }
}

/** As the script writes it: µs of a time, and Python's truths. */
function cell(name: string, value: string | number | boolean): string {
  if (/^ts$|_ts$/.test(name)) return String(parseTimeNanos(name, String(value)) / 1000n)
  return typeof value === 'boolean' ? (value ? 'True' : 'False') : String(value)
}

test.each([
  '/v1/trades?limit=all',
  '/v1/trades?limit=50',
  '/v1/bars?interval=1h&limit=all',
  '/v1/symbols?limit=all',
])('pyarrow reads what JSON says, from Arrow and from Parquet: %s', async (path) => {
  const { arrow, parquet, columns, meta } = await ask(path)
  expect(Object.values(columns)[0]?.length).toBeGreaterThan(0)
  expect(arrow.columns).toEqual(columns)
  expect(parquet.columns).toEqual(columns)
  expect(arrow.metadata['ticklake.receipt']).toBe(meta.receipt)
  if (!path.startsWith('/v1/trades')) return
  expect(arrow.types).toMatchObject({
    symbol: 'dictionary<values=string, indices=int32, ordered=0>',
    ts: 'timestamp[us, tz=UTC]',
    ts_ns: 'timestamp[ns, tz=UTC]',
    price: 'decimal128(18, 8)',
    sequence: 'int64',
  })
  expect(parquet.types).toMatchObject({ ts: 'timestamp[us, tz=UTC]', price: 'decimal128(18, 8)' })
})
