import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer, type IncomingMessage, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { LakeClient } from '../../src/cli/lake-client.js'

const signal = new AbortController().signal
let server: Server
let client: LakeClient
let folder: string

/** Answers /problem as a refused request, anything else with what was asked. */
async function answer(request: IncomingMessage): Promise<{ status: number; body: string }> {
  if (request.url?.startsWith('/problem')) {
    return {
      status: 400,
      body: JSON.stringify({ title: 'wrong', detail: 'limit: "0" is not right', field: 'limit', value: '0' }),
    }
  }
  if (request.url?.startsWith('/broken')) return { status: 502, body: '<html>' }
  return {
    status: 200,
    body: `${request.method} ${request.url} ${request.headers.accept} ${await text(request)}`,
  }
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'ticklake-client-'))
  server = createServer((request, response) => {
    void answer(request).then(({ status, body }) => response.writeHead(status).end(body))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  client = new LakeClient(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`)
})

afterAll(async () => {
  server.close()
  await rm(folder, { recursive: true })
})

test('parameters are encoded, absent ones left out', async () => {
  const response = await client.get(
    '/v1/trades',
    { symbols: 'A&B,C', end: undefined, limit: '1' },
    'text/csv',
    signal,
  )
  expect(await response.text()).toBe('GET /v1/trades?symbols=A%26B%2CC&limit=1 text/csv ')
})

test('a file is sent as the body', async () => {
  const file = join(folder, 'a.csv')
  await writeFile(file, 'time,price\n')
  const response = await client.postFile('/v1/loads', { format: 'csv-trades' }, file, signal)
  expect(await response.text()).toBe('POST /v1/loads?format=csv-trades application/json time,price\n')
})

test('a problem is told in the words of the server', async () => {
  await expect(client.get('/problem', {}, 'text/csv', signal)).rejects.toMatchObject({
    code: 'invalid_input',
    detail: { field: 'limit', value: '0' },
    message: 'limit: "0" is not right',
  })
  await expect(client.get('/broken', {}, 'text/csv', signal)).rejects.toThrow('502 Bad Gateway: <html>')
})

test('an address where nobody answers is named', async () => {
  const closed = createServer()
  await new Promise<void>((resolve) => closed.listen(0, '127.0.0.1', resolve))
  const nobody = new LakeClient(`http://127.0.0.1:${(closed.address() as AddressInfo).port}`)
  await new Promise((resolve) => closed.close(resolve))
  expect(await nobody.isThere()).toBe(false)
  expect(await client.isThere()).toBe(true)
  await expect(nobody.get('/v1/trades', {}, 'text/csv', signal)).rejects.toMatchObject({
    code: 'unavailable',
    message: expect.stringContaining(`${nobody.url} does not answer: connect ECONNREFUSED`),
  })
})
