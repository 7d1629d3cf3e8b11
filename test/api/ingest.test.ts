import { once } from 'node:events'
import { request as httpRequest } from 'node:http'
import avro from 'avsc'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { Admission } from '#api'
import { QualityFlag } from '#core'
import type { PostResult } from '#ingest'
import { type ApiFixture, openApiFixture } from '../support/api-fixture.js'
import { decimalBytes } from '../support/avro-oracle.js'
import { IngestFixture } from '../support/ingest-fixture.js'
import { ManualClock } from '../support/manual-clock.js'

const JSON_TYPE = 'application/json'
const TRADE = {
  symbol: 'BHP',
  exchange: 'ASX',
  ts: '2024-03-10T10:00:00.123456789+11:00',
  price: '36.667',
  size: '100',
}

describe('posted rows', () => {
  let lake: IngestFixture
  beforeEach(async () => {
    lake = await IngestFixture.open()
  })
  afterEach(() => lake.close())

  test('are in the log when they are answered, and in the answers of queries soon after, exact', async () => {
    const rows = `[
      {"symbol": "BHP", "exchange": "ASX", "ts_ns": "1710025200123456789", "price": 1234567890.12345678,
       "size": 9999999999.99999999, "sequence": 9223372036854775807, "side": "Buy", "trade_id": 7, "message_id": "m-1"},
      {"symbol": "BHP", "exchange": "ASX", "ts": "2024-03-10T10:00:00.123456790+11:00", "price": "1e-8", "size": 0}
    ]`
    const { status, body } = await lake.post('trades?source=feed-7&sequence=monotone', JSON_TYPE, rows)
    expect({ status, body }).toEqual({
      status: 200,
      body: {
        received: 2,
        accepted: 2,
        quarantined: 0,
        already_ingested: false,
        ranges: [{ partition: expect.any(Number), from: 0, to: 2 }],
        errors: [],
      },
    })
    expect(await lake.rows('/v1/trades?symbols=BHP', 2)).toMatchObject([
      {
        ts: '2024-03-09T23:00:00.123456Z',
        ts_ns: '1710025200123456789',
        price: '1234567890.12345678',
        size: '9999999999.99999999',
        side: 'buy',
        trade_id: '7',
        message_id: 'm-1',
        flags: QualityFlag.monotoneSequence,
      },
      {
        ts_ns: '1710025200123456790',
        price: '0.00000001',
        size: '0',
        message_id: null,
        flags: QualityFlag.priceMove,
      },
    ])
    const text = await (await fetch(`${lake.url}/v1/trades?limit=1`)).text()
    expect(text).toContain('"sequence":9223372036854775807')
  })

  test.each(['json', 'ndjson', 'csv'])('as %s may be what an answer gave', async (format) => {
    const quote = { ...TRADE, bid_price: '36.66', bid_size: '10', ask_price: '0', venue: 'a "b", c' }
    const { price: _price, size: _size, ...given } = { ...quote, sequence: '12', flags: '2' }
    expect((await lake.post('quotes', JSON_TYPE, JSON.stringify([given]))).body.errors).toEqual([])
    const first = await lake.rows('/v1/quotes', 1)
    const answer = await fetch(`${lake.url}/v1/quotes?format=${format}`)
    const [type, text] = [answer.headers.get('content-type')!, await answer.text()]
    const body = format === 'json' ? JSON.stringify(JSON.parse(text).data) : text
    expect((await lake.post('quotes', type, body)).body).toMatchObject({ accepted: 1, errors: [] })
    const [, again] = await lake.rows('/v1/quotes', 2)
    expect(again).toEqual({ ...first[0], ingest_ts: again!.ingest_ts })
  })

  test('as an Avro container are read by its own schema', async () => {
    const decimal = { type: 'bytes', logicalType: 'decimal', precision: 20, scale: 10 } as const
    const schema: avro.Schema = {
      type: 'record',
      name: 'Anything',
      fields: [
        { name: 'price', type: decimal },
        { name: 'size', type: ['null', decimal] },
        { name: 'symbol', type: 'string' },
        { name: 'exchange', type: { type: 'enum', name: 'Exchange', symbols: ['ASX', 'CHIX'] } },
        { name: 'ts', type: { type: 'long', logicalType: 'timestamp-micros' } },
        { name: 'sequence', type: ['null', 'int'] },
      ],
    }
    const row = (price: bigint, sequence: number | null) => ({
      price: decimalBytes(price),
      size: decimalBytes(10_000_000_000n),
      symbol: 'BHP',
      exchange: 'ASX',
      ts: 1_710_025_200_123_456,
      sequence,
    })
    const body = await container(schema, [row(366_670_000_050n, 5), row(-1n, null)])
    const posted = await lake.post('trades', 'application/vnd.apache.avro', body)
    expect(posted.body).toMatchObject({
      accepted: 1,
      quarantined: 1,
      errors: [{ index: 1, reason: 'rounds_to_zero' }],
    })
    expect(await lake.rows('/v1/trades', 1)).toMatchObject([
      { price: '36.667', size: '1', ts_ns: '1710025200123456000', sequence: 5, flags: 1 },
    ])
  })

  test('that are refused are told by index, kept, and cost the others nothing', async () => {
    const lines = [
      { ...TRADE },
      { ...TRADE, price: 'free' },
      { ...TRADE, prize: '1' },
      { ...TRADE, symbol: undefined },
      { ...TRADE, price: '0' },
      { ...TRADE, size: '-1' },
      { ...TRADE, venue: { mic: 'X' } },
    ].map((row) => JSON.stringify(row))
    const body = [...lines, '{"symbol":', '', lines[0]].join('\n')
    const { status, body: answer } = await lake.post('trades?source=me', 'application/x-ndjson', body)
    expect(status).toBe(200)
    expect(answer).toMatchObject({ received: 9, accepted: 2, quarantined: 7 })
    expect(answer.errors).toMatchObject([
      { index: 1, field: 'price', value: 'free', expected: 'a decimal number', reason: 'not_a_number' },
      { index: 2, field: 'prize', reason: 'malformed' },
      { index: 3, field: 'symbol', value: null, expected: 'given', reason: 'missing_value' },
      { index: 4, field: 'price', value: '0', expected: 'more than 0', reason: 'not_positive' },
      { index: 5, field: 'size', value: '-1', expected: '0 or more', reason: 'negative' },
      { index: 6, field: 'venue', value: '{"mic":"X"}', expected: 'a text or a number', reason: 'malformed' },
      { index: 7, field: null, value: '{"symbol":', expected: 'a JSON object', reason: 'malformed' },
    ])
    expect(await lake.rows('/v1/trades', 2)).toHaveLength(2)
  })

  test('are followed by their numbers as the producer says that they count', async () => {
    const rows = ['1', '2', '5', undefined].map((sequence) => ({ ...TRADE, sequence }))
    await lake.post('trades?sequence=contiguous', JSON_TYPE, JSON.stringify(rows))
    const { contiguousSequence, sequenceGap } = QualityFlag
    expect((await lake.rows('/v1/trades', 4)).map(({ flags }) => flags)).toEqual([
      contiguousSequence,
      contiguousSequence,
      contiguousSequence | sequenceGap,
      0,
    ])
  })

  test('with an idempotency key are taken once, also when the server has been started again', async () => {
    const key = { 'idempotency-key': 'order-1' }
    const body = JSON.stringify([TRADE, { ...TRADE, size: 'x' }])
    const [one, two] = await Promise.all([
      lake.post('trades', JSON_TYPE, body, key),
      lake.post('trades', JSON_TYPE, body, key),
    ])
    expect(one.body).toMatchObject({ accepted: 1, quarantined: 1, already_ingested: false })
    expect(two.body).toEqual({ ...one.body, already_ingested: true })
    await lake.restart()
    expect((await lake.post('trades', JSON_TYPE, body, key)).body).toEqual(two.body)
    const other = await lake.post('trades', JSON_TYPE, JSON.stringify([TRADE]), key)
    expect(other).toMatchObject({ status: 409, body: { field: 'Idempotency-Key', value: 'order-1' } })
    // The key of another producer, or for another table, is another key; the same body without one is new.
    expect((await lake.post('trades?source=other', JSON_TYPE, body, key)).body.already_ingested).toBe(false)
    expect((await lake.post('trades', JSON_TYPE, body)).body.already_ingested).toBe(false)
    expect(await lake.rows('/v1/trades', 3)).toHaveLength(3)
  })
})

async function container(schema: avro.Schema, rows: readonly object[]): Promise<Uint8Array<ArrayBuffer>> {
  const encoder = new avro.streams.BlockEncoder(schema, { codec: 'deflate' })
  const chunks: Buffer[] = []
  encoder.on('data', (chunk: Buffer) => chunks.push(chunk))
  for (const row of rows) encoder.write(row)
  encoder.end()
  await once(encoder, 'end')
  return Uint8Array.from(Buffer.concat(chunks))
}

describe('a body', () => {
  let lake: IngestFixture
  beforeEach(async () => {
    lake = await IngestFixture.open({ maxBodyBytes: 1000, maxRows: 3 })
  })
  afterEach(() => lake.close())

  test.each([
    ['text/plain', {}],
    ['application/json; charset=latin1', {}],
    [JSON_TYPE, { 'content-encoding': 'gzip' }],
  ])('of %s %o is a 415 that says what is on offer', async (type, headers) => {
    const { status, body } = await lake.post('trades', type, '[]', headers)
    expect(status).toBe(415)
    expect(body.detail).toMatch(/application\/json, application\/x-ndjson, text\/csv|taken as it is/)
  })

  test('that is too long is a 413, told or not, and so is one of too many rows', async () => {
    const long = JSON.stringify([{ ...TRADE, venue: 'x'.repeat(1000) }])
    expect(await lake.post('trades', JSON_TYPE, long)).toMatchObject({
      status: 413,
      body: { detail: 'the body is longer than 1000 bytes: send it in parts' },
    })
    const response = await fetch(`${lake.url}/v1/ingest/trades`, {
      method: 'POST',
      headers: { 'content-type': JSON_TYPE },
      body: new Blob([long]).stream(),
      duplex: 'half',
    })
    expect(response.status).toBe(413)
    const many = await lake.post('trades', JSON_TYPE, '[1,2,3,4]')
    expect(many).toMatchObject({
      status: 413,
      body: { detail: 'body: it has more than 3 rows: send it in parts' },
    })
  })

  test.each([
    [JSON_TYPE, '{"symbol":"BHP"}', 'is not a JSON array there, at byte 0'],
    [JSON_TYPE, '[{"symbol":"BHP"}', 'is not a JSON array there, at byte 17'],
    [JSON_TYPE, '', 'is not a JSON array there, at byte 0'],
    ['text/csv', '', 'is not CSV with a header of field names'],
    ['text/csv', 'symbol,price\nA,"1', 'is not CSV as in RFC 4180'],
    ['text/csv', 'symbol,symbol\nA,B', 'header: "symbol" is not named once'],
    ['application/vnd.apache.avro', 'Obj', 'is not the header of an Avro object container'],
  ])('that is no %s is a 400 that says where: %s', async (type, text, detail) => {
    const { status, body } = await lake.post('trades', type, text)
    expect(status).toBe(400)
    expect(body.detail).toContain(detail)
  })

  test.each([
    ['trades?source=%00', 'source'],
    ['trades?sequence=up', 'sequence'],
    ['trades?exchnge=ASX', 'exchnge'],
  ])('with %s is a 400', async (path, field) => {
    expect(await lake.post(path, JSON_TYPE, '[]')).toMatchObject({ status: 400, body: { field } })
  })

  test('is for trades and quotes, is posted, and may hold no rows', async () => {
    expect((await lake.post('bars', JSON_TYPE, '[]')).status).toBe(404)
    const got = await fetch(`${lake.url}/v1/ingest/trades`)
    expect([got.status, got.headers.get('allow')]).toEqual([405, 'POST'])
    const key = { 'idempotency-key': 'k'.repeat(129) }
    expect(await lake.post('trades', JSON_TYPE, '[]', key)).toMatchObject({
      status: 400,
      body: { field: 'Idempotency-Key' },
    })
    expect((await lake.post('trades', JSON_TYPE, ' [ ] ')).body).toMatchObject({ received: 0, ranges: [] })
  })
})

/** A poster that answers when it is told to. */
class HeldPoster {
  readonly #held: (() => void)[] = []
  #wake = () => {}

  post(): Promise<PostResult> {
    return new Promise((resolve) => {
      this.#held.push(() => resolve(NOTHING_POSTED))
      this.#wake()
    })
  }

  /** Resolves once a body has come, and gives what answers it. */
  async next(): Promise<() => void> {
    while (this.#held.length === 0) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve
      })
    }
    return this.#held.shift()!
  }
}

const NOTHING_POSTED: PostResult = {
  received: 0,
  accepted: 0,
  quarantined: 0,
  alreadyIngested: false,
  ranges: [],
  errors: [],
}

describe('under pressure', () => {
  let api: ApiFixture
  let clock: ManualClock
  let poster: HeldPoster
  /** Resolves once a body has been let in, whether or not it has arrived. */
  let entered: Promise<void>

  beforeEach(async () => {
    clock = new ManualClock()
    poster = new HeldPoster()
    const admission = new Admission({ maxRequests: 2, maxUnderWayBytes: 100 })
    let enter = () => {}
    entered = new Promise((resolve) => {
      enter = resolve
    })
    const admit = (bytes: number) => {
      const leave = admission.enter(bytes)
      enter()
      return leave
    }
    api = await openApiFixture(undefined, clock, undefined, { poster, admit })
  })
  afterEach(() => api.close())

  const post = (body: string) =>
    fetch(`${api.url}/v1/ingest/trades`, { method: 'POST', headers: { 'content-type': JSON_TYPE }, body })

  test('by bytes or by requests a body is a 429, to be sent again; then it is taken [inv 13]', async () => {
    const first = post('x'.repeat(60))
    const answerFirst = await poster.next()
    const refused = await post('x'.repeat(41))
    expect([refused.status, refused.headers.get('retry-after')]).toEqual([429, '1'])
    const second = post('x'.repeat(40))
    const answerSecond = await poster.next()
    expect((await post('')).status).toBe(429)
    answerFirst()
    answerSecond()
    expect([(await first).status, (await second).status]).toEqual([200, 200])
    const longer = post('x'.repeat(900))
    const answerLonger = await poster.next()
    answerLonger()
    expect((await longer).status).toBe(200)
  })

  test('a body that does not arrive gives its place back', async () => {
    const slow = httpRequest(`${api.url}/v1/ingest/trades`, {
      method: 'POST',
      headers: { 'content-type': JSON_TYPE, 'content-length': 50 },
    })
    slow.write('[')
    const answered = once(slow, 'response')
    await entered
    expect((await post('x'.repeat(60))).status).toBe(429)
    clock.advance(30_000)
    const [response] = await answered
    expect(response.statusCode).toBe(408)
    response.resume()
    const next = post('x'.repeat(100))
    const answer = await poster.next()
    answer()
    expect((await next).status).toBe(200)
  })

  test('a server that has not caught up answers 503', async () => {
    api.setReady(false)
    expect((await post('[]')).status).toBe(503)
  })
})
