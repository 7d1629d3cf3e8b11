import { gzipSync } from 'node:zlib'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { QUARANTINE, TRADES } from '#core'
import { zipOf } from '../support/archives.js'
import { LoadFixture } from '../support/load-fixture.js'

let fixture: LoadFixture
beforeEach(async () => {
  fixture = await LoadFixture.open()
})
afterEach(() => fixture.close())

const HEADER = 'symbol,exchange,time,price,size'

/** Trades of seven symbols, with a bad line in every thousand and a blank one in every three thousand. */
function csv(rowCount: number): string {
  const lines = Array.from({ length: rowCount }, (_, row) => {
    if (row % 3000 === 2999) return ''
    if (row % 1000 === 500) return `S${row % 7},X,soon,1,1`
    return `S${row % 7},X,${1_700_000_000_000 + row},${row % 100}.25,${(row % 9) + 1}`
  })
  return [HEADER, ...lines].join('\n')
}

const withoutSource = (records: readonly object[]) =>
  records.map((record) => ({ ...record, source: '', source_id: '' }))

test('rows are counted, keep their order by symbol, and carry source and row', async () => {
  const result = await fixture.loadText('a.csv', csv(10_000), 'csv-trades')
  expect(result).toMatchObject({
    rowsRead: 10_000,
    accepted: 9_987,
    quarantined: 10,
    skipped: 3,
    alreadyLoaded: false,
  })
  expect(result.quarantineReasons).toEqual({ not_a_time: 10 })
  expect(result.sourceId).toMatch(/^[0-9a-hjkmnp-tv-z]{12}$/)
  const trades = fixture.trades()
  expect(trades).toHaveLength(9_987)
  for (const symbol of ['S0', 'S3', 'S6']) {
    const rows = trades.filter((trade) => trade.symbol === symbol).map((trade) => Number(trade.source_row))
    expect(rows).toEqual([...rows].sort((a, b) => a - b))
  }
  expect(new Set(trades.map((trade) => trade.source))).toEqual(new Set([result.sourceId]))
  const [refused] = fixture.quarantined()
  expect(refused).toMatchObject({
    file: 'a.csv',
    line: '502',
    reason: 'not_a_time',
    topic: TRADES.topic,
    original: 'S3,X,soon,1,1',
  })
  expect(result.end.get(TRADES.topic)).toEqual(fixture.log.end(TRADES.topic))
  expect(result.end.get(QUARANTINE.topic)?.reduce((sum, offset) => sum + offset)).toBe(10)
})

test('a load is logged with the fields that the API has, its time in whole milliseconds', async () => {
  const path = await fixture.file('a.csv', csv(3_100))
  const request = { path, fileName: 'a.csv', format: 'csv-trades' }
  const { sourceId } = await fixture.loader.load(request, () => fixture.clock.advance(1234.5678))
  expect(fixture.logged).toEqual([
    {
      message: 'file loaded',
      fields: {
        file: 'a.csv',
        format: 'csv-trades',
        source_id: sourceId,
        rows_read: 3_100,
        accepted: 3_096,
        quarantined: 3,
        skipped: 1,
        seconds: 1.235,
      },
    },
  ])
})

test('identical rows are all kept', async () => {
  const row = 'A,X,1700000000000,1,1\n'
  const result = await fixture.loadText('a.csv', `${HEADER}\n${row.repeat(50)}`, 'csv-trades')
  expect(result.accepted).toBe(50)
  expect(fixture.trades()).toHaveLength(50)
})

test('a symbol or an exchange that could be no key is refused', async () => {
  const names = ['S'.repeat(64), 'S'.repeat(65), 'A\0B', '\u{200b}A', 'Ä 日本']
  const lines = names.flatMap((name) => [`${name},X,1700000000000,1,1`, `A,${name},1700000000000,1,1`])
  const result = await fixture.loadText('a.csv', [HEADER, ...lines].join('\n'), 'csv-trades')
  expect(result).toMatchObject({ accepted: 4, quarantined: 6, quarantineReasons: { malformed: 6 } })
  expect(fixture.trades().map(({ symbol, exchange }) => [symbol, exchange])).toEqual(
    expect.arrayContaining([
      ['S'.repeat(64), 'X'],
      ['A', 'Ä 日本'],
    ]),
  )
  expect(fixture.quarantined()[0]?.detail).toMatch(/is not a name of 1 to 64 printable characters/)
})

test('long lines are appended by their bytes, not held by their number', async () => {
  // Some 2,000 of these rows are the bytes of one append; all of them are fewer than its rows.
  const lines = Array.from({ length: 4096 }, (_, row) => `A,X,soon,${row},${'1'.repeat(8500)}`)
  const path = await fixture.file('a.csv', [HEADER, ...lines].join('\n'))
  const progress: number[] = []
  await fixture.loader.load({ path, fileName: 'a.csv', format: 'csv-trades' }, ({ rowsRead }) => {
    progress.push(rowsRead)
  })
  expect(progress.length).toBeGreaterThan(2)
  expect(progress[0]).toBeLessThan(2100)
  expect(progress.at(-1)).toBe(4096)
  expect(fixture.quarantined()).toHaveLength(4096)
})

describe('a file is loaded once', () => {
  test('a second load is a no-op that says so, under whatever name and packing', async () => {
    const first = await fixture.loadText('a.csv', csv(100), 'csv-trades')
    const second = await fixture.loadText('b.csv.gz', gzipSync(csv(100)), 'csv-trades')
    expect(second).toMatchObject({
      sourceId: first.sourceId,
      alreadyLoaded: true,
      rowsRead: 100,
      accepted: 100,
    })
    expect(fixture.trades()).toHaveLength(100)
  })

  test('another option, another format or another content is another source', async () => {
    const ids = [
      await fixture.loadText('a.csv', csv(100), 'csv-trades'),
      await fixture.loadText('a.csv', csv(100), 'csv-trades', { exchange: 'Y' }),
      await fixture.loadText('a.csv', csv(101), 'csv-trades'),
      await fixture.loadText('a.csv', csv(100), 'asx-trades', { symbol: 'BHP' }),
    ].map((result) => result.sourceId)
    expect(new Set(ids).size).toBe(4)
  })

  test('where the format reads the name of the file, another name is another source', async () => {
    const day = '1000,1.1,1.2\n'
    const one = await fixture.loadText('20140501_eurusd_tick_quote.csv', day, 'lean-forex-quotes')
    const two = await fixture.loadText('20140502_eurusd_tick_quote.csv', day, 'lean-forex-quotes')
    expect(two).toMatchObject({ accepted: 1, alreadyLoaded: false })
    expect(two.sourceId).not.toBe(one.sourceId)
  })

  test('--again loads it once more, each time', async () => {
    const ids = new Set<string>()
    for (const again of [false, true, true]) {
      const result = await fixture.loadText('a.csv', csv(100), 'csv-trades', { again })
      expect(result).toMatchObject({ alreadyLoaded: false, accepted: 100 })
      ids.add(result.sourceId)
    }
    expect(ids.size).toBe(3)
    expect(fixture.trades()).toHaveLength(300)
  })

  test('and not twice at the same time', async () => {
    const path = await fixture.file('a.csv', csv(20_000))
    const loads = await Promise.allSettled([
      fixture.load(path, 'csv-trades'),
      fixture.load(path, 'csv-trades'),
    ])
    const refused = loads.find((load) => load.status === 'rejected')
    if (refused) expect(refused.reason).toMatchObject({ code: 'conflict' })
    expect((await fixture.load(path, 'csv-trades')).accepted).toBe(fixture.trades().length)
  })
})

test.each([1, 2, 3])(
  'a load broken off at its append %i and resumed equals an uninterrupted one',
  async (breakAt) => {
    const content = csv(40_000)
    const whole = await LoadFixture.open()
    try {
      await whole.loadText('a.csv', content, 'csv-trades')
      const path = await fixture.file('a.csv', content)
      const abort = new AbortController()
      let appends = 0
      const broken = fixture.loader.load(
        { path, fileName: 'a.csv', format: 'csv-trades' },
        () => {
          if (++appends === breakAt) abort.abort(new Error('pulled the plug'))
        },
        abort.signal,
      )
      if (breakAt <= 2) {
        await expect(broken).rejects.toThrow('pulled the plug')
        const kept = fixture.trades().length
        expect(kept).toBeGreaterThan(0)
        expect(kept).toBeLessThan(whole.trades().length)
      } else {
        await broken
      }
      const resumed = await fixture.load(path, 'csv-trades')
      expect(resumed).toMatchObject({ rowsRead: 40_000, alreadyLoaded: breakAt > 2 })
      expect(resumed.accepted + resumed.quarantined + resumed.skipped).toBe(40_000)
      expect(resumed.quarantineReasons).toEqual({ not_a_time: resumed.quarantined })
      expect(fixture.trades()).toEqual(whole.trades())
      expect(fixture.quarantined()).toEqual(whole.quarantined())
    } finally {
      await whole.close()
    }
  },
)

test('the files of a .zip are one source, and their lines are their own', async () => {
  const rows = csv(2_000)
  const result = await fixture.loadText('days.zip', zipOf({ 'one.csv': rows, 'two.csv': rows }), 'csv-trades')
  expect(result).toMatchObject({ rowsRead: 4_000, accepted: 3_996, quarantined: 4 })
  expect(fixture.quarantined().map(({ file, line }) => [file, line])).toEqual([
    ['days.zip/one.csv', '502'],
    ['days.zip/one.csv', '1502'],
    ['days.zip/two.csv', '502'],
    ['days.zip/two.csv', '1502'],
  ])
  expect(new Set(fixture.trades().map((trade) => trade.source_row)).size).toBe(3_996)
})

test('a truncated archive is loaded up to its last whole line, then fails; so does every later load of it', async () => {
  const packed = gzipSync(csv(50_000))
  const path = await fixture.file('a.csv.gz', packed.subarray(0, packed.length >> 1))
  const failure = {
    code: 'incomplete',
    message: expect.stringMatching(/truncated.*rows read.*another source/),
  }
  await expect(fixture.load(path, 'csv-trades')).rejects.toMatchObject(failure)
  const kept = withoutSource(fixture.trades())
  expect(kept.length).toBeGreaterThan(1_000)
  await expect(fixture.load(path, 'csv-trades')).rejects.toMatchObject(failure)
  expect(fixture.trades()).toHaveLength(kept.length)
})

test('a damaged archive of which the format can make nothing tells both', async () => {
  const packed = gzipSync(csv(50_000))
  const path = await fixture.file('a.csv.gz', packed.subarray(0, packed.length >> 1))
  const sql = `-- table: trades\nSELECT line, original, 'A' AS symbol FROM source_lines()`
  await expect(fixture.load(path, { name: 'mine', sql })).rejects.toMatchObject({
    code: 'incomplete',
    message: expect.stringMatching(/a\.csv\.gz is truncated.*cannot be loaded: .*mine/),
    cause: { code: 'invalid_input' },
  })
})

test('a NUL in the first line is a character like others', async () => {
  const content = `${HEADER}\nA,X,1700000000000,1,1\n`
  const result = await fixture.loadText('a.csv', content.replace('size', 'size,no\0te'), 'csv-trades')
  expect(result.rowsRead).toBe(1)
})

test('progress that an older version wrote, without reasons, is gone on with', async () => {
  const content = csv(40_000)
  const path = await fixture.file('a.csv', content)
  const abort = new AbortController()
  const options = { path, fileName: 'a.csv', format: 'csv-trades' }
  const broken = fixture.loader.load(options, () => abort.abort(new Error('pulled the plug')), abort.signal)
  await expect(broken).rejects.toThrow('pulled the plug')
  const sourceId = String(fixture.trades()[0]?.source)
  const { reasons, ...older } = fixture.log.progress(sourceId)!
  expect(reasons).toEqual({ not_a_time: older.quarantined })
  await fixture.log.append({ records: new Map(), progress: older })
  const resumed = await fixture.load(path, 'csv-trades')
  expect(resumed).toMatchObject({
    quarantined: 40,
    quarantineReasons: { not_a_time: 40 - older.quarantined },
  })
})

test('an empty file, and one with nothing but a header, are loads of no rows', async () => {
  expect(await fixture.loadText('e.csv', '', 'csv-trades')).toMatchObject({ rowsRead: 0, accepted: 0 })
  expect(await fixture.loadText('h.csv', `${HEADER}\n`, 'csv-trades')).toMatchObject({
    rowsRead: 0,
    accepted: 0,
  })
})

test('a line that is no UTF-8 is one line, and is kept byte by byte', async () => {
  const bytes = Buffer.concat([
    Buffer.from(`${HEADER}\nA,X,1700000000000,1,1\n`),
    Buffer.from('A,X,\xff\xfe,1,1\n', 'latin1'),
  ])
  const result = await fixture.loadText('a.csv', bytes, 'csv-trades')
  expect(result).toMatchObject({ accepted: 1, quarantined: 1 })
  expect(fixture.quarantined()[0]?.original).toBe('A,X,\xff\xfe,1,1')
})

describe('a format of the user', () => {
  const format = (select: string) => ({ name: 'mine', sql: `-- table: trades\n${select}` })
  const columns =
    "'A' AS symbol, 'X' AS exchange, '1700000000000000000' AS exchange_timestamp, '1' AS price, '1' AS size"

  test('works the same, from a file too', async () => {
    const path = await fixture.file(
      'mine.sql',
      `-- table: trades\n-- sequence: monotone\nSELECT line, original, ${columns} FROM source_lines(); `,
    )
    expect(await fixture.loadText('a.txt', '1\n2\n', path)).toMatchObject({ accepted: 2 })
  })

  test('may use typed columns and readers of DuckDB', async () => {
    const sql = `SELECT row_number() OVER () AS line, to_json(t)::VARCHAR AS original, symbol, 'X' AS exchange,
      make_timestamptz(ms * 1000) AS exchange_timestamp, price, 2.5::DOUBLE AS size
      FROM read_json(getvariable('file'), columns = {symbol: 'VARCHAR', ms: 'BIGINT', price: 'DECIMAL(10,3)'}) t`
    const result = await fixture.loadText(
      'a.jsonl',
      '{"symbol":"A","ms":1700000000123,"price":1.5}\n',
      format(sql),
    )
    expect(result.accepted).toBe(1)
    expect(fixture.trades()[0]).toMatchObject({
      exchange_timestamp: '1700000000123000',
      price: '1.5',
      size: '2.5',
    })
  })

  test('its own words for a bad line are kept', async () => {
    const sql = `SELECT line, original, 'a comment' AS reject, ${columns} FROM source_lines()`
    expect(await fixture.loadText('a.txt', '#\n', format(sql))).toMatchObject({ quarantined: 1 })
    expect(fixture.quarantined()[0]).toMatchObject({
      reason: 'malformed',
      detail: 'a comment',
      original: '#',
    })
  })

  test.each([
    ['another file', `SELECT 1 AS line, content AS original, ${columns} FROM read_text('/etc/hostname')`],
    ['a folder', `SELECT 1 AS line, file AS original, ${columns} FROM glob('/etc/*')`],
    ['the network', `SELECT 1 AS line, content AS original, ${columns} FROM read_text('https://localhost/')`],
  ])('cannot read %s', async (_, sql) => {
    await expect(fixture.loadText('a.txt', 'x\n', format(sql))).rejects.toMatchObject({
      code: 'invalid_input',
      message: expect.stringMatching(/Permission Error|Cannot access|disabled|Missing Extension/i),
    })
  })

  test.each([
    ['no SELECT', `COPY (SELECT 1) TO 'x'`],
    ['several statements', `SELECT line FROM source_lines(); SELECT 1`],
    ['a way out of its brackets', `SELECT 1) ; SELECT (2`],
    ['a setting', `SET threads = 4`],
    ['nothing', ''],
    ['an unknown column', `SELECT line, original, 1 AS prize, ${columns} FROM source_lines()`],
    ['a missing column', `SELECT line, original, 'A' AS symbol FROM source_lines()`],
    [
      'an error while it runs',
      `SELECT line, original, original::INTEGER::VARCHAR AS trade_id, ${columns} FROM source_lines()`,
    ],
  ])('is refused: %s', async (_, sql) => {
    await expect(fixture.loadText('a.txt', 'x\n', format(sql))).rejects.toMatchObject({
      code: 'invalid_input',
    })
    expect(fixture.trades()).toEqual([])
  })
})

describe('a wrong request names field, value and what would be right', () => {
  test.each<[string, string, object, RegExp]>([
    [
      'unknown format',
      'asx',
      {},
      /^format: "asx" is not a format: one of asx-quotes, asx-trades, .*parquet-trades/,
    ],
    ['no such format file', './nowhere.sql', {}, /^format: ".\/nowhere.sql" is not an .sql file/],
    ['a path as a name', '../formats/asx-trades', {}, /^format: /],
    ['a missing option', 'asx-trades', {}, /^symbol: .*asx-trades requires it \(--symbol\)/],
    ['a bad symbol', 'asx-trades', { symbol: 'A\n' }, /^symbol: "A\\n" is not a name/],
    ['a NUL in a symbol', 'asx-trades', { symbol: 'A\0B' }, /^symbol: "A\\u0000B" is not a name/],
    ['a NUL in an exchange', 'csv-trades', { exchange: 'A\0' }, /^exchange: "A\\u0000" is not a name/],
    ['a NUL in a date', 'csv-trades', { date: '2014-01-01\0' }, /^date: .* is not a date/],
    ['a NUL in the name of the file', 'csv-trades', { fileName: 'a\0.csv' }, /^file_name: .*without NUL/],
    [
      'a bad date',
      'lean-forex-quotes',
      { symbol: 'A', date: '2014-02-30' },
      /^date: "2014-02-30" is not a date/,
    ],
  ])('%s', async (_, format, options, message) => {
    await expect(fixture.loadText('a.csv', 'x\n', format, options)).rejects.toMatchObject({
      code: 'invalid_input',
      message: expect.stringMatching(message),
    })
  })

  test('a missing file', async () => {
    await expect(fixture.load('/nowhere/a.csv', 'csv-trades')).rejects.toThrow(
      /^file: "a.csv" is not a file that can be read/,
    )
  })
})
