import { tmpdir } from 'node:os'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { Engine } from '#engine'

let engine: Engine
beforeEach(async () => {
  engine = await Engine.open({
    memoryLimit: '256MB',
    threads: 1,
    tempDirectory: tmpdir(),
    connections: 1,
    maxWaiting: 2,
  })
})
afterEach(() => engine.close())

/** Asks in one turn: the first takes the connection, the next ones wait, before any can have ended. */
function ask(count: number, signal?: AbortSignal) {
  return Array.from({ length: count }, (_, index) => engine.query(`SELECT ${index} AS value`, {}, signal))
}

describe('queries that wait for a connection', () => {
  test('are so many and no more: one more is overloaded, and later ones are taken again [inv 13]', async () => {
    const [refused, ...others] = await Promise.allSettled(ask(4).toReversed())
    expect(refused).toMatchObject({ status: 'rejected', reason: { code: 'overloaded' } })
    expect(others.map(({ status }) => status)).toEqual(['fulfilled', 'fulfilled', 'fulfilled'])
    expect((await Promise.all(ask(3))).map(({ columns }) => columns[0]?.[0])).toEqual([0, 1, 2])
  })

  test('leave their place when they are given up', async () => {
    const running = ask(1)
    const controller = new AbortController()
    const waiting = Promise.allSettled(ask(2, controller.signal))
    controller.abort(new Error('left'))
    const next = ask(2)
    expect(await waiting).toMatchObject([{ status: 'rejected' }, { status: 'rejected' }])
    await Promise.all([...running, ...next])
  })

  test('do not hold up statements on their side', async () => {
    const queries = ask(3)
    await engine.run('CREATE TABLE aside (value INTEGER)')
    await Promise.all(queries)
  })
})
