import { setTimeout as after } from 'node:timers/promises'
import type { TicklakeServer } from './ticklake-process.js'

export interface CountWatch {
  readonly polls: number
  /** "17 after 18" */
  readonly falls: readonly string[]
  /** Routes that answered, with their numbers of answers. */
  readonly routes: Readonly<Record<string, number>>
  readonly last: number
}

/** Asks for the count of a symbol's trades, over and over, until `until` has resolved, and once more then. */
export async function watchCount(
  server: TicklakeServer,
  symbol: string,
  everyMs: number,
  until: Promise<unknown>,
): Promise<CountWatch> {
  let isOver = false
  const over = until.finally(() => {
    isOver = true
  })
  const falls: string[] = []
  const routes: Record<string, number> = {}
  let polls = 0
  let last = 0
  for (let isLast = false; !isLast; polls++) {
    isLast = isOver
    const askedMs = performance.now()
    const { body } = await server.get('/v1/trades/count', { symbols: symbol })
    const { data, meta } = JSON.parse(body)
    if (data.count < last) falls.push(`${data.count} after ${last}`)
    last = data.count
    routes[meta.route] = (routes[meta.route] ?? 0) + 1
    const waitMs = askedMs + everyMs - performance.now()
    if (waitMs > 0) await after(waitMs)
  }
  await over
  return { polls, falls, routes, last }
}
