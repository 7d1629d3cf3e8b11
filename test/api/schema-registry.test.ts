import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { systemClock } from '#core'
import { ConfluentRegistry, EmbeddedRegistry } from '#ingest'
import { MemoryStore } from '../../src/ingest/log/memory-store.js'
import { describeRegistry } from '../contract/registry.js'
import { type ApiFixture, openApiFixture } from '../support/api-fixture.js'

const MEDIA_TYPE = 'application/vnd.schemaregistry.v1+json'
const TICK = '{"type": "record", "name": "Tick", "fields": [{"name": "n", "type": "int"}]}'
const WIDER = TICK.replace('"int"', '"long"')

const cleanups: (() => Promise<void>)[] = []

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup()
})

async function open(registry?: EmbeddedRegistry | string): Promise<ApiFixture> {
  const api = await openApiFixture(undefined, systemClock, registry)
  cleanups.push(() => api.close())
  return api
}

function clientOf(url: string): ConfluentRegistry {
  const client = new ConfluentRegistry({ url, user: '', password: '', timeoutMs: 60_000, clock: systemClock })
  cleanups.push(() => client.stop())
  return client
}

describeRegistry('ConfluentRegistry on the routes of the embedded registry', async () => {
  const store = new MemoryStore()
  const again = async () => clientOf(`${(await open(new EmbeddedRegistry(store))).url}/schema-registry/`)
  return { prefix: 'of "a/b" é-', registry: await again(), reopen: again }
})

describe('the routes of the schema registry', () => {
  let api: ApiFixture

  beforeEach(async () => {
    api = await open()
  })

  async function ask(method: string, path: string, body?: object | string): Promise<[number, unknown]> {
    const response = await fetch(`${api.url}/schema-registry${path}`, {
      method,
      headers: { 'Content-Type': MEDIA_TYPE },
      ...(body !== undefined && { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    })
    expect(response.headers.get('content-type')).toMatch(MEDIA_TYPE)
    return [response.status, await response.json()]
  }

  test('answer as Confluent registry does, with the schema as it was registered', async () => {
    expect(await ask('POST', '/subjects/a-value/versions', { schema: TICK })).toEqual([200, { id: 1 }])
    expect(await ask('POST', '/subjects/a-value/versions?normalize=false', { schema: TICK })).toEqual([
      200,
      { id: 1 },
    ])
    expect(
      await ask('POST', '/subjects/a-value/versions', { schema: WIDER, schemaType: 'AVRO', references: [] }),
    ).toEqual([200, { id: 2 }])
    const first = { subject: 'a-value', version: 1, id: 1, schema: TICK }
    const second = { subject: 'a-value', version: 2, id: 2, schema: WIDER }
    expect(await ask('GET', '/schemas/ids/1?fetchMaxId=false&subject=a-value')).toEqual([
      200,
      { schema: TICK },
    ])
    expect(await ask('GET', '/schemas/ids/2/versions')).toEqual([200, [{ subject: 'a-value', version: 2 }]])
    expect(await ask('GET', '/schemas/types')).toEqual([200, ['AVRO']])
    expect(await ask('GET', '/subjects')).toEqual([200, ['a-value']])
    expect(await ask('GET', '/subjects/a-value/versions')).toEqual([200, [1, 2]])
    expect(await ask('GET', '/subjects/a-value/versions/1')).toEqual([200, first])
    expect(await ask('GET', '/subjects/a-value/versions/latest')).toEqual([200, second])
    expect(await ask('GET', '/subjects/a-value/versions/-1')).toEqual([200, second])
    expect(await ask('POST', '/subjects/a-value', { schema: TICK })).toEqual([200, first])
  })

  test('tell whether a schema could be registered', async () => {
    await ask('POST', '/subjects/a-value/versions', { schema: TICK })
    const route = '/compatibility/subjects/a-value/versions/latest'
    expect(await ask('POST', route, { schema: WIDER })).toEqual([200, { is_compatible: true, messages: [] }])
    expect(await ask('POST', route, { schema: TICK.replace('"int"', '"string"') })).toEqual([
      200,
      { is_compatible: false, messages: [expect.stringContaining('field n')] },
    ])
    expect(await ask('GET', '/subjects/a-value/versions')).toEqual([200, [1]])
  })

  test('keep BACKWARD and take nothing else', async () => {
    await ask('POST', '/subjects/a-value/versions', { schema: TICK })
    for (const path of ['/config', '/config/a-value']) {
      expect(await ask('GET', path)).toEqual([200, { compatibilityLevel: 'BACKWARD' }])
      expect(await ask('PUT', path, { compatibility: 'BACKWARD' })).toEqual([
        200,
        { compatibility: 'BACKWARD' },
      ])
      expect(await ask('PUT', path, { compatibility: 'NONE' })).toEqual([
        422,
        { error_code: 42203, message: expect.stringMatching(/^compatibility is not BACKWARD/) },
      ])
    }
  })

  test.each([
    ['GET', '/subjects/b-value/versions', undefined, 404, 40401],
    ['GET', '/subjects/b-value/versions/latest', undefined, 404, 40401],
    ['GET', '/config/b-value', undefined, 404, 40401],
    ['POST', '/subjects/b-value', { schema: TICK }, 404, 40401],
    ['POST', '/compatibility/subjects/b-value/versions/latest', { schema: TICK }, 404, 40401],
    ['GET', '/subjects/a-value/versions/2', undefined, 404, 40402],
    ['POST', '/compatibility/subjects/a-value/versions/2', { schema: TICK }, 404, 40402],
    ['GET', '/schemas/ids/2', undefined, 404, 40403],
    ['GET', '/schemas/ids/x', undefined, 404, 40403],
    ['GET', '/schemas/ids/2/versions', undefined, 404, 40403],
    ['POST', '/subjects/a-value', { schema: WIDER }, 404, 40403],
    ['GET', '/subjects/a-value/versions/0', undefined, 422, 42202],
    ['GET', '/subjects/a-value/versions/newest', undefined, 422, 42202],
    ['POST', '/subjects/a-value/versions', { schema: '{"type":"recrod"}' }, 422, 42201],
    ['POST', '/subjects/a-value/versions', { schema: JSON.parse(TICK) }, 422, 42201],
    ['POST', '/subjects/a-value/versions', { schema: TICK, schemaType: 'PROTOBUF' }, 422, 42201],
    ['POST', '/subjects/a-value/versions', { schema: TICK, references: [{ name: 'b' }] }, 422, 42201],
    ['POST', '/subjects/a-value/versions', { schema: TICK, ruleSet: {} }, 422, 42201],
    ['POST', '/subjects/a-value/versions', {}, 422, 42201],
    ['POST', '/subjects/a-value/versions', { schema: TICK.replace('"int"', '"string"') }, 409, 409],
    ['POST', '/subjects/a-value/versions', '{"schema":', 400, 400],
    ['POST', '/subjects/a-value/versions', ' '.repeat(1024 * 1024 + 1), 413, 413],
    ['DELETE', '/subjects/a-value', undefined, 405, 405],
    ['GET', '/contexts', undefined, 404, 404],
  ])('refuse %s %s %s with %i and %i', async (method, path, body, status, errorCode) => {
    await ask('POST', '/subjects/a-value/versions', { schema: TICK })
    const refused = { error_code: errorCode, message: expect.stringMatching(/\w/) }
    expect(await ask(method, path, body)).toEqual([status, refused])
    expect(await ask('GET', '/subjects/a-value/versions')).toEqual([200, [1]])
  })

  test('are there before the tables have caught up: records may wait for their schemas', async () => {
    api.setReady(false)
    expect(await ask('POST', '/subjects/a-value/versions', { schema: TICK })).toEqual([200, { id: 1 }])
    expect((await fetch(`${api.url}/v1/trades`)).status).toBe(503)
  })

  test('say where the registry is when another one is used', async () => {
    api = await open('http://registry.example:8081')
    const expected = [
      404,
      { error_code: 404, message: expect.stringContaining('http://registry.example:8081') },
    ]
    expect(await ask('GET', '/subjects')).toEqual(expected)
    expect(await ask('POST', '/subjects/a-value/versions', { schema: TICK })).toEqual(expected)
  })
})
