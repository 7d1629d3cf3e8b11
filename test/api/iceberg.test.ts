import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { Engine } from '#engine'
import type { Json } from '#storage'
import { type ApiFixture, openApiFixture } from '../support/api-fixture.js'
import { ForeignEngine, metadataIn } from '../support/foreign-engine.js'
import { SeededRandom } from '../support/seeded-random.js'

const SCHEMA: Json = { type: 'struct', fields: [{ id: 1, name: 'a', required: false, type: 'long' }] }
const TABLE = '/namespaces/research/tables/features'

let folder: string
let engine: Engine
let api: ApiFixture
let client: ForeignEngine

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'ticklake-rest-'))
  const own = { memoryLimit: '1GB', threads: 1, tempDirectory: folder, connections: 1 }
  engine = await Engine.open(own)
})

afterAll(async () => {
  engine.close()
  await rm(folder, { recursive: true })
})

async function open(isReadOnly = false): Promise<void> {
  api = await openApiFixture(undefined, undefined, undefined, undefined, isReadOnly)
  client = new ForeignEngine(api.url, engine, new SeededRandom(1), 'client')
}

afterEach(() => api.close())

function error(status: number, type: string, message: RegExp) {
  return { status, body: { error: { message: expect.stringMatching(message), type, code: status } } }
}

function makeFeatures(headers = {}) {
  return client.ask('POST', '/namespaces/research/tables', { name: 'features', schema: SCHEMA }, headers)
}

describe('the REST catalog', () => {
  beforeEach(async () => {
    await open()
    await client.ask('POST', '/namespaces', { namespace: ['research'] })
  })

  test('tells of no endpoint that it does not have', async () => {
    const { body } = await client.ask('GET', '/config')
    expect(body).toMatchObject({ defaults: {}, overrides: {} })
    const endpoints: readonly string[] = Object(body).endpoints
    expect(endpoints).toContain('POST /v1/{prefix}/namespaces/{namespace}/tables/{table}')
    for (const endpoint of endpoints) {
      const [method = '', path = ''] = endpoint.split(' /v1/{prefix}')
      const asked = path.replace('{namespace}', 'none').replace('{table}', 'none')
      const { status, body } = await client.ask(method, asked, method === 'POST' ? {} : undefined)
      expect([endpoint, [200, 204, 400, 404, 406].includes(status)]).toEqual([endpoint, true])
      if (body !== null) expect(Object(body).error?.type).not.toBe('NotFoundException')
    }
  })

  test('keeps namespaces, of one level', async () => {
    expect(await client.ask('POST', '/namespaces', { namespace: ['a'], properties: { x: '1' } })).toEqual({
      status: 200,
      body: { namespace: ['a'], properties: { x: '1', location: 'memory:///warehouse/a' } },
    })
    expect((await client.ask('GET', '/namespaces')).body).toEqual({
      namespaces: [['a'], ['market_data'], ['research']],
      'next-page-token': null,
    })
    expect((await client.ask('GET', '/namespaces?parent=a')).body).toMatchObject({ namespaces: [] })
    expect((await client.ask('HEAD', '/namespaces/a')).status).toBe(204)
    expect((await client.ask('HEAD', '/namespaces/a%1Fb')).status).toBe(404)
    const changes = { removals: ['x', 'y'], updates: { z: '2' } }
    expect(await client.ask('POST', '/namespaces/a/properties', changes)).toEqual({
      status: 200,
      body: { updated: ['z'], removed: ['x'], missing: ['y'] },
    })
    const both = await client.ask('POST', '/namespaces/a/properties', {
      removals: ['x'],
      updates: { x: '1' },
    })
    expect(both).toEqual(error(422, 'UnprocessableEntityException', /x is to be removed and to be set/))
    expect((await client.ask('DELETE', '/namespaces/a')).status).toBe(204)
    expect(await client.ask('GET', '/namespaces/a')).toEqual(error(404, 'NoSuchNamespaceException', /"a"/))
    expect(await client.ask('GET', '/namespaces/a/tables')).toEqual(
      error(404, 'NoSuchNamespaceException', /"a"/),
    )
    expect(await client.ask('POST', '/namespaces', { namespace: ['a', 'b'] })).toEqual(
      error(400, 'BadRequestException', /namespace: "a.b" is not/),
    )
    expect(await client.ask('POST', '/namespaces', { namespace: ['research'] })).toEqual(
      error(409, 'AlreadyExistsException', /research already/),
    )
  })

  test('keeps tables, and says in the words of Iceberg what is wrong', async () => {
    const made = await makeFeatures()
    expect(made).toMatchObject({ status: 200, body: { config: {}, metadata: { 'format-version': 2 } } })
    expect(await makeFeatures()).toEqual(error(409, 'AlreadyExistsException', /research.features already/))
    expect((await client.ask('GET', TABLE)).body).toEqual(made.body)
    expect((await client.ask('HEAD', TABLE)).status).toBe(204)
    expect(await client.ask('DELETE', '/namespaces/research')).toEqual(
      error(409, 'NamespaceNotEmptyException', /holds 1 tables/),
    )
    const renaming = {
      source: { namespace: ['research'], name: 'features' },
      destination: { namespace: ['research'], name: 'renamed' },
    }
    expect((await client.ask('POST', '/tables/rename', renaming)).status).toBe(204)
    expect(await client.ask('GET', TABLE)).toEqual(error(404, 'NoSuchTableException', /research.features/))
    const renamed = '/namespaces/research/tables/renamed'
    expect((await client.ask('DELETE', renamed)).status).toBe(204)
    const registration = { name: 'features', 'metadata-location': Object(made.body)['metadata-location'] }
    expect(await client.ask('POST', '/namespaces/research/register', registration)).toEqual(made)
    const metrics = () => client.ask('POST', `${TABLE}/metrics`, { 'report-type': 'scan-report' })
    expect((await metrics()).status).toBe(204)
    expect((await client.ask('DELETE', `${TABLE}?purgeRequested=true`)).status).toBe(204)
    expect(await metrics()).toEqual(error(404, 'NoSuchTableException', /research.features/))
  })

  test('commits what fits the table, and tells what does not apart by status', async () => {
    await makeFeatures()
    const set = (value: string, ...requirements: readonly Json[]) =>
      client.ask('POST', TABLE, {
        requirements,
        updates: [{ action: 'set-properties', updates: { x: value } }],
      })
    const { status, body } = await set('1', {
      type: 'assert-ref-snapshot-id',
      ref: 'main',
      'snapshot-id': null,
    })
    expect(status).toBe(200)
    expect(Object.keys(Object(body))).toEqual(['metadata-location', 'metadata'])
    expect(metadataIn(body).properties).toEqual({ x: '1' })
    expect(await set('2', { type: 'assert-current-schema-id', 'current-schema-id': 7 })).toEqual(
      error(409, 'CommitFailedException', /current schema is 0, not 7/),
    )
    expect(await set('2', { type: 'assert-nothing' })).toEqual(
      error(400, 'BadRequestException', /assert-nothing/),
    )
    const unknown = await client.ask('POST', TABLE, { requirements: [], updates: [{ action: 'explode' }] })
    expect(unknown).toEqual(error(400, 'BadRequestException', /explode/))
    expect(await client.ask('POST', TABLE, { requirements: [] })).toEqual(
      error(400, 'BadRequestException', /updates/),
    )
    const one = {
      identifier: { namespace: ['research'], name: 'features' },
      requirements: [],
      updates: [{ action: 'set-properties', updates: { x: '3' } }],
    }
    expect((await client.ask('POST', '/transactions/commit', { 'table-changes': [one] })).status).toBe(204)
    expect(await client.ask('POST', '/transactions/commit', { 'table-changes': [one, one] })).toEqual(
      error(406, 'UnsupportedOperationException', /of one table, not of 2/),
    )
    expect(metadataIn((await client.ask('GET', TABLE)).body).properties).toEqual({ x: '3' })
  })

  test('gives 64-bit snapshot ids as they came, and only those of refs when asked so', async () => {
    await makeFeatures()
    const ids = [2n ** 63n - 1n, 2n ** 62n + 1n]
    for (const [index, id] of ids.entries()) {
      const snapshot = {
        'snapshot-id': id,
        ...(index > 0 && { 'parent-snapshot-id': ids[index - 1]! }),
        'sequence-number': index + 1,
        'timestamp-ms': 1_700_000_000_000 + index,
        'manifest-list': 'memory:///none.avro',
        'schema-id': 0,
        summary: { operation: 'append' },
      }
      const main = { action: 'set-snapshot-ref', 'ref-name': 'main', type: 'branch', 'snapshot-id': id }
      const updates = [{ action: 'add-snapshot', snapshot }, main]
      expect((await client.ask('POST', TABLE, { requirements: [], updates })).status).toBe(200)
    }
    const idsOf = async (query: string) =>
      metadataIn((await client.ask('GET', TABLE + query)).body).snapshots.map(({ snapshotId }) => snapshotId)
    expect(await idsOf('')).toEqual(ids)
    expect(await idsOf('?snapshots=refs')).toEqual([ids[1]])
    expect((await client.ask('GET', `${TABLE}?snapshots=some`)).status).toBe(400)
  })

  test('lists in pages, each name once', async () => {
    const names = ['a', 'b', 'c', 'd', 'e']
    for (const name of names)
      await client.ask('POST', '/namespaces/research/tables', { name, schema: SCHEMA })
    const seen: string[] = []
    let token: string | null = ''
    for (let pages = 0; token !== null; pages++) {
      expect(pages).toBeLessThan(3)
      const { body } = await client.ask('GET', `/namespaces/research/tables?pageSize=2&pageToken=${token}`)
      const page: { identifiers: { name: string }[]; 'next-page-token': string | null } = Object(body)
      seen.push(...page.identifiers.map(({ name }) => name))
      token = page['next-page-token']
    }
    expect(seen).toEqual(names)
    expect((await client.ask('GET', '/namespaces?pageToken=&pageSize=0')).status).toBe(400)
  })

  test('does once what comes twice with one key', async () => {
    const key = { 'Idempotency-Key': 'k-1' }
    const [first, second] = await Promise.all([makeFeatures(key), makeFeatures(key)])
    expect(first.status).toBe(200)
    expect(second).toEqual(first)
    expect(await makeFeatures(key)).toEqual(first)
    const other = await client.ask('POST', '/namespaces', { namespace: ['other'] }, key)
    expect(other).toEqual(error(422, 'UnprocessableEntityException', /k-1 came with another request/))
    // What failed may be tried again.
    const late = { 'Idempotency-Key': 'k-2' }
    expect((await makeFeatures(late)).status).toBe(409)
    await client.ask('DELETE', TABLE)
    expect((await makeFeatures(late)).status).toBe(200)
  })

  test('refuses what it cannot read, what is not there, and methods that a path does not have', async () => {
    const text = await fetch(`${api.url}/iceberg/v1/namespaces`, { method: 'POST', body: '{"namespace": [' })
    expect(text.status).toBe(400)
    expect(await text.json()).toMatchObject({ error: { type: 'BadRequestException' } })
    expect(await client.ask('POST', '/namespaces', {})).toEqual(
      error(400, 'BadRequestException', /namespace/),
    )
    expect(await client.ask('GET', '/views')).toEqual(error(404, 'NotFoundException', /no GET/))
    expect(await client.ask('DELETE', '/namespaces')).toEqual(
      error(405, 'MethodNotAllowedException', /GET, POST/),
    )
    const foreign = await fetch(`${api.url}/iceberg/v1/config`, {
      headers: { origin: 'https://evil.example' },
    })
    expect(foreign.status).toBe(403)
    expect(await foreign.json()).toMatchObject({ error: { type: 'ForbiddenException', code: 403 } })
  })
})

test('a catalog that is read-only changes nothing, and tells of reading only', async () => {
  await open(true)
  const endpoints: readonly string[] = Object((await client.ask('GET', '/config')).body).endpoints
  expect(endpoints.filter((endpoint) => !/^(GET|HEAD) |\/metrics$/.test(endpoint))).toEqual([])
  expect(endpoints.length).toBeGreaterThan(5)
  const refused = error(403, 'ForbiddenException', /catalog.readOnly/)
  expect(await client.ask('POST', '/namespaces', { namespace: ['a'] })).toEqual(refused)
  expect(await client.ask('DELETE', '/namespaces/market_data/tables/trades')).toEqual(refused)
  expect(await client.ask('POST', '/namespaces/market_data/tables/trades', {})).toEqual(refused)
  expect((await client.ask('GET', '/namespaces')).body).toMatchObject({ namespaces: [['market_data']] })
})
