import { expect, test } from 'vitest'
import { told } from '../told.js'

const TRADE = JSON.stringify({
  type: 'record',
  name: 'Trade',
  fields: [{ name: 'price', type: { type: 'bytes', logicalType: 'decimal', precision: 18, scale: 8 } }],
})

interface Answer {
  readonly status: number
  readonly body: Readonly<Record<string, unknown>>
}

/** Confluent's protocol: JSON both ways. */
async function request(method: string, path: string, content?: object): Promise<Answer> {
  const headers = { 'content-type': 'application/vnd.schemaregistry.v1+json' }
  const body = content === undefined ? null : JSON.stringify(content)
  const response = await fetch(`${told('TICKLAKE_TEST_REGISTRY_URL')}${path}`, { method, headers, body })
  return { status: response.status, body: JSON.parse(await response.text()) }
}

test('a schema is registered once and fetched by its id', async () => {
  const first = await request('POST', '/subjects/smoke-value/versions', { schema: TRADE })
  const { id } = first.body
  expect(id).toEqual(expect.any(Number))
  const again = await request('POST', '/subjects/smoke-value/versions', { schema: TRADE })
  expect(again.body).toEqual({ id })

  const fetched = await request('GET', `/schemas/ids/${id}`)
  expect(JSON.parse(String(fetched.body.schema))).toEqual(JSON.parse(TRADE))
  const latest = await request('GET', '/subjects/smoke-value/versions/latest')
  expect(latest.body).toMatchObject({ subject: 'smoke-value', version: 1, id })
})

test('an unknown id and an incompatible schema are refused as the protocol says', async () => {
  const unknown = await request('GET', '/schemas/ids/404404')
  expect(unknown).toMatchObject({ status: 404, body: { error_code: 40403 } })

  await request('POST', '/subjects/strict-value/versions', { schema: TRADE })
  await request('PUT', '/config/strict-value', { compatibility: 'BACKWARD' })
  const renamed = TRADE.replace('"price"', '"cost"')
  const refused = await request('POST', '/subjects/strict-value/versions', { schema: renamed })
  expect(refused.status).toBe(409)
})
