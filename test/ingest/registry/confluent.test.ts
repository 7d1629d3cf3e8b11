import { once } from 'node:events'
import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, expect, test } from 'vitest'
import { systemClock } from '#core'
import { ConfluentRegistry } from '../../../src/ingest/registry/confluent.js'
import { ManualClock } from '../../support/manual-clock.js'

const cleanups: (() => Promise<void>)[] = []

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup()
})

/** A client of a server that answers so. */
async function clientOf(answer: RequestListener, options: object = {}): Promise<ConfluentRegistry> {
  const server = createServer(answer)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  cleanups.push(async () => {
    server.closeAllConnections()
    server.close()
    await once(server, 'close')
  })
  // A server that listens on a port has an address with a port.
  const { port } = server.address() as AddressInfo
  return open(`http://127.0.0.1:${port}/base/`, options)
}

function open(url: string, options: object = {}): ConfluentRegistry {
  const registry = new ConfluentRegistry({
    url,
    user: '',
    password: '',
    timeoutMs: 60_000,
    clock: systemClock,
    ...options,
  })
  cleanups.push(() => registry.stop())
  return registry
}

test('who asks says who he is, and for what', async () => {
  const asked: unknown[] = []
  const registry = await clientOf(
    ({ method, url, headers }, response) => {
      asked.push([method, url, headers.authorization])
      response.end('{"schema":"\\"string\\""}')
    },
    { user: 'me', password: 'a:b é' },
  )
  expect(await registry.byId(7)).toBe('"string"')
  expect(await registry.byId(7)).toBe('"string"')
  expect(asked).toEqual([
    ['GET', '/base/schemas/ids/7', `Basic ${Buffer.from('me:a:b é').toString('base64')}`],
  ])
})

test.each([
  ['a page that is no registry', 404, '<html>not here</html>', 'Check registry.url'],
  ['JSON that is no registry', 404, '{"detail":"Not Found"}', 'Check registry.url'],
  ['an answer without JSON', 200, 'ok', 'with 200'],
  ['an answer of another shape', 200, '{"schemas":[]}', 'Check registry.url'],
  [
    'a refusal of our password',
    401,
    '{"error_code":401,"message":"Unauthorized"}',
    'Check registry.user and registry.password',
  ],
  ['a failure of its own', 500, '{"error_code":50001,"message":"store failed"}', 'store failed'],
  ['another place', 302, '', 'cannot be reached'],
  ['an endless answer', 200, ' '.repeat(9 * 1024 * 1024), 'longer than'],
])('%s is no answer about a schema', async (_, status, body, told) => {
  const registry = await clientOf((_request, response) => {
    response.writeHead(status, { location: '/elsewhere' }).end(body)
  })
  await expect(registry.byId(1)).rejects.toMatchObject({
    code: 'unavailable',
    message: expect.stringContaining(told),
  })
})

test.each([
  [404, 40403, 'not_found'],
  [409, 409, 'conflict'],
  [422, 42201, 'invalid_input'],
])('%i with the code %i is %s', async (status, errorCode, code) => {
  const registry = await clientOf((_request, response) => {
    response.writeHead(status).end(JSON.stringify({ error_code: errorCode, message: 'because' }))
  })
  await expect(registry.byId(1)).rejects.toMatchObject({ code, message: expect.stringContaining('because') })
  expect(registry.breaker.state).toBe('closed')
})

test('a registry that is not there, or does not answer in time, is unavailable', async () => {
  const closed = createServer().listen(0, '127.0.0.1')
  await once(closed, 'listening')
  const { port } = closed.address() as AddressInfo // as above
  closed.close()
  const absent = open(`http://127.0.0.1:${port}`)
  await expect(absent.byId(1)).rejects.toMatchObject({
    code: 'unavailable',
    message: expect.stringContaining('ECONNREFUSED'),
  })
  const silent = await clientOf(() => {}, { timeoutMs: 20 })
  await expect(silent.byId(1)).rejects.toMatchObject({
    code: 'unavailable',
    message: expect.stringMatching(/^schema registry http:\S+ does not answer/),
  })
})

test('one that has failed repeatedly is left alone for a while', async () => {
  let asked = 0
  const registry = await clientOf((_request, response) => {
    asked++
    response.writeHead(503).end('{}')
  })
  for (let time = 0; time < 10; time++)
    await expect(registry.byId(1)).rejects.toMatchObject({ code: 'unavailable' })
  expect(registry.breaker.state).toBe('open')
  expect(asked).toBeLessThan(10)
  await expect(registry.byId(1)).rejects.toThrow(
    /failed repeatedly \(last: schema registry http:\S+ answered GET \S+ with 503\)/,
  )
})

test('a registration that failed is tried again', async () => {
  let isDown = true
  const registry = await clientOf((request, response) => {
    if (isDown) response.writeHead(503).end('{}')
    else if (request.url?.startsWith('/base/config/')) response.end('{"compatibilityLevel":"FULL"}')
    else response.end('{"subject":"a-value","id":3,"version":1,"schema":"\\"string\\""}')
  })
  await expect(registry.register('a-value', '"string"')).rejects.toMatchObject({ code: 'unavailable' })
  isDown = false
  expect(await registry.register('a-value', '"string"')).toMatchObject({ id: 3 })
})

test('an outage is known before somebody needs the registry, and its end too', async () => {
  let isDown = true
  const clock = new ManualClock()
  const registry = await clientOf(
    (_request, response) => {
      response.writeHead(isDown ? 503 : 200).end('{"compatibilityLevel":"BACKWARD"}')
    },
    { clock },
  )
  await registry.start()
  await expect.poll(() => registry.breaker.failure).toContain('/base answered GET /config with 503')
  isDown = false
  await expect
    .poll(() => {
      clock.advance(10_000)
      return registry.breaker.failure
    })
    .toBeNull()
  expect(registry.breaker.state).toBe('closed')
})
