import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { Breaker, TicklakeError } from '#core'

// opossum takes its time from timers: the test moves them.
let breaker: Breaker
beforeEach(() => {
  vi.useFakeTimers()
  breaker = new Breaker({ name: 'schema registry', timeoutMs: 1_000, resetMs: 5_000 })
})
afterEach(() => {
  breaker.stop()
  vi.useRealTimers()
})

const refused = new Error('connect ECONNREFUSED')

/** Work that fails, and how often it was begun. */
function failing(error: Error = refused) {
  const work = vi.fn(async (): Promise<string> => {
    throw error
  })
  return work
}

async function failTimes(count: number, work = failing()): Promise<void> {
  for (let call = 0; call < count; call++) await expect(breaker.run(work)).rejects.toThrow()
}

describe('a closed breaker', () => {
  test('gives what the work gives, its errors too', async () => {
    expect(await breaker.run(async () => 42)).toBe(42)
    await expect(breaker.run(failing())).rejects.toBe(refused)
    expect(breaker.state).toBe('closed')
  })

  test('is not opened by a service that refuses for good reason', async () => {
    const work = failing(new TicklakeError('not_found', 'there is no subject a'))
    for (let call = 0; call < 20; call++)
      await expect(breaker.run(work)).rejects.toMatchObject({ code: 'not_found' })
    expect(work).toHaveBeenCalledTimes(20)
    expect(breaker.state).toBe('closed')
  })

  test('tells why the newest call failed, until one is answered', async () => {
    expect(breaker.failure).toBeNull()
    await failTimes(1)
    expect(breaker.failure).toBe(refused.message)
    await failTimes(1, failing(new TicklakeError('not_found', 'there is no subject a')))
    expect(breaker.failure).toBeNull()
    await breaker.run(async () => 1)
    await failTimes(1)
    expect(breaker.failure).toBe(refused.message)
    await breaker.run(async () => 1)
    expect(breaker.failure).toBeNull()
  })

  test('is not opened by few failures among many answers', async () => {
    for (let call = 0; call < 10; call++) await breaker.run(async () => call)
    await failTimes(5)
    expect(breaker.state).toBe('closed')
  })

  test('waits for work so long and no longer', async () => {
    const never = breaker.run(() => new Promise(() => {}))
    const told = expect(never).rejects.toMatchObject({
      code: 'unavailable',
      message: 'schema registry does not answer: try again later',
    })
    await vi.advanceTimersByTimeAsync(1_000)
    await told
  })
})

describe('an open breaker', () => {
  test('opens after three failures, and then asks nothing and says so at once', async () => {
    await failTimes(2)
    expect(breaker.state).toBe('closed')
    await failTimes(1)
    expect(breaker.state).toBe('open')
    const work = failing()
    await expect(breaker.run(work)).rejects.toMatchObject({
      name: 'TicklakeError',
      code: 'unavailable',
      message:
        'schema registry has failed repeatedly (last: connect ECONNREFUSED) and is tried again within 5000 ms: try again later',
    })
    expect(work).not.toHaveBeenCalled()
  })

  test('is opened by a service that does not answer', async () => {
    const calls = [1, 2, 3].map(() =>
      expect(breaker.run(() => new Promise(() => {}))).rejects.toThrow('does not answer'),
    )
    await vi.advanceTimersByTimeAsync(1_000)
    await Promise.all(calls)
    expect(breaker.state).toBe('open')
    await expect(breaker.run(failing())).rejects.toThrow('(last: schema registry does not answer)')
  })

  test('is opened by ten failures in a row, however much was answered right before', async () => {
    for (let call = 0; call < 1_000; call++) await breaker.run(async () => call)
    await failTimes(9)
    await breaker.run(async () => 1)
    await failTimes(9)
    expect(breaker.state).toBe('closed')
    await failTimes(1)
    expect(breaker.state).toBe('open')
    await vi.advanceTimersByTimeAsync(5_000)
    expect(breaker.state).toBe('half-open')
    await breaker.run(async () => 1)
    await failTimes(9)
    expect(breaker.state).toBe('closed')
  })
})

describe('a half-open breaker', () => {
  beforeEach(async () => {
    await failTimes(3)
    await vi.advanceTimersByTimeAsync(4_999)
    expect(breaker.state).toBe('open')
    await vi.advanceTimersByTimeAsync(1)
    expect(breaker.state).toBe('half-open')
  })

  test('lets one call try, refuses others meanwhile, and closes when it succeeds', async () => {
    let answer: (value: string) => void = () => {}
    const probe = breaker.run(
      () =>
        new Promise<string>((resolve) => {
          answer = resolve
        }),
    )
    const other = failing()
    await expect(breaker.run(other)).rejects.toMatchObject({ code: 'unavailable' })
    expect(other).not.toHaveBeenCalled()
    answer('here again')
    expect(await probe).toBe('here again')
    expect(breaker.state).toBe('closed')
    expect(await breaker.run(async () => 1)).toBe(1)
  })

  test('closes on an answer that is a refusal: the service works', async () => {
    await failTimes(1, failing(new TicklakeError('conflict', 'the schema is not compatible')))
    expect(breaker.state).toBe('closed')
  })

  test('opens again when that call fails, for as long as before', async () => {
    await failTimes(1)
    expect(breaker.state).toBe('open')
    await vi.advanceTimersByTimeAsync(4_999)
    expect(breaker.state).toBe('open')
    await vi.advanceTimersByTimeAsync(1)
    expect(breaker.state).toBe('half-open')
  })
})

test('a stopped breaker has no timer left and refuses', async () => {
  await failTimes(3)
  breaker.stop()
  expect(vi.getTimerCount()).toBe(0)
  await expect(breaker.run(async () => 1)).rejects.toMatchObject({
    code: 'unavailable',
    message: 'schema registry is not asked any more, since the lake is being closed: try again later',
  })
})
