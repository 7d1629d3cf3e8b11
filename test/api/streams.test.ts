import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import { type AddressInfo, connect, type Socket } from 'node:net'
import { setImmediate as turn } from 'node:timers/promises'
import express from 'express'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { type Answer, RowData } from '#query'
import { sendAnswer } from '../../src/api/response.js'
import { type ApiFixture, openApiFixture } from '../support/api-fixture.js'
import { eventRows } from '../support/event-rows.js'
import { ManualClock } from '../support/manual-clock.js'
import { NOTHING_READ } from '../support/nothing-read.js'
import { SeededRandom } from '../support/seeded-random.js'

const CHUNK = Buffer.alloc(65_536)
/** What sockets and streams may hold on the way; far below what an answer without backpressure would pile up. */
const BOUND_BYTES = 64 * 1024 * 1024

/** A server whose one answer never ends. It counts what it makes. */
class EndlessAnswer {
  madeBytes = 0
  readonly clock = new ManualClock()
  readonly closed: Promise<void>
  readonly #data: RowData
  #sent: Promise<void> = Promise.resolve()
  #server: Server | null = null

  constructor() {
    let close: () => void = () => {}
    this.closed = new Promise((resolve) => {
      close = resolve
    })
    this.#data = RowData.streamed(this.#chunks(), async () => close())
  }

  async *#chunks(): AsyncGenerator<Uint8Array> {
    for (;;) {
      if (this.madeBytes > 8 * BOUND_BYTES) throw new Error('nothing holds the answer back')
      this.madeBytes += CHUNK.length
      yield CHUNK
      await turn()
    }
  }

  /** A client that has asked and does not read. */
  async asked(): Promise<Socket> {
    const rest = {
      fields: [],
      columns: null,
      single: false,
      complete: true,
      nextPageToken: null,
      meta: NOTHING_READ,
    }
    const answer: Answer = { encoding: 'ndjson', data: this.#data, ...rest }
    const app = express()
    app.get('/', (_request, response) => {
      const controller = new AbortController()
      response.once('close', () => controller.abort(new Error('left')))
      this.#sent = sendAnswer(response, answer, controller.signal, this.clock)
      this.#sent.catch(() => response.destroy())
    })
    const server = createServer(app).listen(0, '127.0.0.1')
    this.#server = server
    await once(server, 'listening')
    // A server that listens on a port has an address with one.
    const client = connect((server.address() as AddressInfo).port, '127.0.0.1')
    client.pause()
    client.write('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n')
    return client
  }

  /** How the sending of the answer ended. */
  get sent(): Promise<void> {
    return this.#sent
  }

  stop(): void {
    this.#server?.close()
  }
}

describe('a reader that does not read', () => {
  let endless: EndlessAnswer
  let client: Socket
  beforeEach(async () => {
    endless = new EndlessAnswer()
    client = await endless.asked()
  })
  afterEach(() => {
    client.destroy()
    endless.stop()
  })
  const settled = () => settledCount(() => endless.madeBytes)

  test('is waited for: of an endless answer a bounded part is made, more as it reads, none once it has left [inv 13]', async () => {
    const made = await settled()
    expect(made).toBeGreaterThan(0)
    expect(made).toBeLessThan(BOUND_BYTES)
    client.resume()
    while (endless.madeBytes < made + 2 * BOUND_BYTES) await once(client, 'data')
    client.destroy()
    await expect(endless.sent).rejects.toThrow()
    await endless.closed
    const left = endless.madeBytes
    expect(await settled()).toBe(left)
  })

  test('is left after a minute: its place and its version are for others [inv 13]', async () => {
    await settled()
    endless.clock.advance(59_000)
    const made = await settled()
    endless.clock.advance(1_000)
    await expect(endless.sent).rejects.toMatchObject({ code: 'timeout' })
    await endless.closed
    expect(endless.madeBytes).toBe(made)
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
