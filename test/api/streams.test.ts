import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import { connect, type Socket } from 'node:net'
import { setImmediate as turn } from 'node:timers/promises'
import express from 'express'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { type Answer, RowData } from '#query'
import { sendAnswer } from '../../src/api/response.js'
import { type ApiFixture, openApiFixture } from '../support/api-fixture.js'
import { eventRows } from '../support/event-rows.js'
import { SeededRandom } from '../support/seeded-random.js'

const CHUNK = Buffer.alloc(65_536)
/** What sockets and streams may hold on the way; far below what an answer without backpressure would pile up. */
const BOUND_BYTES = 64 * 1024 * 1024

describe('a reader that does not read', () => {
  let server: Server
  let client: Socket
  afterEach(() => {
    client.destroy()
    server.close()
  })

  test('is waited for: of an endless answer a bounded part is made, more as it reads, none once it has left [inv 13]', async () => {
    let madeBytes = 0
    let isClosed: () => void = () => {}
    const closed = new Promise<void>((resolve) => {
      isClosed = resolve
    })
    async function* endless(): AsyncGenerator<Uint8Array> {
      for (;;) {
        if (madeBytes > 4 * BOUND_BYTES) throw new Error('nothing holds the answer back')
        madeBytes += CHUNK.length
        yield CHUNK
        await turn()
      }
    }
    const data = RowData.streamed(endless(), async () => isClosed())
    const answer: Answer = {
      encoding: 'ndjson',
      fields: [],
      columns: null,
      data,
      single: false,
      complete: true,
      nextPageToken: null,
      meta: {
        route: 'historical',
        receipt: 'r',
        snapshotId: null,
        engine: 'duckdb',
        cache: 'none',
        filesTotal: 0,
        filesRead: 0,
        rowsScanned: 0,
        bytesRead: 0,
        elapsedMs: 0,
        gaps: null,
      },
    }
    const app = express()
    const controller = new AbortController()
    const sent: Promise<void>[] = []
    app.get('/', (_request, response) => {
      response.once('close', () => controller.abort(new Error('left')))
      sent.push(sendAnswer(response, answer, controller.signal))
      sent[0]?.catch(() => undefined)
    })
    server = createServer(app).listen(0, '127.0.0.1')
    await once(server, 'listening')
    const address = server.address()
    client = connect(typeof address === 'object' && address ? address.port : 0, '127.0.0.1')
    client.pause()
    client.write('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n')
    const settled = await settledCount(() => madeBytes)
    expect(settled).toBeGreaterThan(0)
    expect(settled).toBeLessThan(BOUND_BYTES)
    client.resume()
    while (madeBytes < settled + 2 * BOUND_BYTES) await once(client, 'data')
    client.destroy()
    await expect(sent[0]).rejects.toThrow()
    await closed
    const left = madeBytes
    expect(await settledCount(() => madeBytes)).toBe(left)
  })
})

describe('a list that is streamed', () => {
  let api: ApiFixture
  beforeEach(async () => {
    api = await openApiFixture()
    await api.lake.trades.add(eventRows(new SeededRandom(5), 400, 0, 'trades'))
  })
  afterEach(() => api.close())

  test.each(['arrow', 'ndjson', 'csv', 'json'])(
    'lets go of its version and its place when its reader is killed, as %s',
    async (format) => {
      // One more than may be streamed at a time.
      for (let reader = 0; reader < 5; reader++) {
        const controller = new AbortController()
        const response = await fetch(`${api.url}/v1/trades?limit=all&format=${format}`, {
          signal: controller.signal,
        })
        expect(response.status).toBe(200)
        expect(response.headers.get('x-next-page-token')).toBeNull()
        await response.body?.getReader().read()
        controller.abort()
        await api.lake.trades.unpinned()
      }
    },
  )

  test('is whole, and its version is let go at its end', async () => {
    const response = await fetch(`${api.url}/v1/trades?limit=all`)
    const {
      data,
      complete,
      next_page_token: token,
    } = (await response.json()) as {
      data: readonly unknown[]
      complete: boolean
      next_page_token: string | null
    }
    expect([data.length, complete, token]).toEqual([400, true, null])
    expect(api.lake.trades.pinCount).toBe(0)
  })

  test('has no body for HEAD, and reads no more than its beginning', async () => {
    const response = await fetch(`${api.url}/v1/trades?limit=all&format=arrow`, { method: 'HEAD' })
    expect(response.headers.get('content-type')).toBe('application/vnd.apache.arrow.stream')
    expect(api.lake.trades.pinCount).toBe(0)
  })
})

/** The count once it has stayed the same for many turns of the event loop. */
async function settledCount(count: () => number): Promise<number> {
  for (let last = count(), same = 0; ; ) {
    await turn()
    const now = count()
    same = now === last && now > 0 ? same + 1 : 0
    last = now
    if (same > 2_000) return now
  }
}
