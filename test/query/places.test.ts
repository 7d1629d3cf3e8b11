import { describe, expect, test } from 'vitest'
import { type Capacity, type Claim, Places, RANKS, type Rank, reserved } from '../../src/query/places.js'
import { SeededRandom } from '../support/seeded-random.js'

const SHARES: Readonly<Record<Rank, Capacity>> = {
  small: { places: 5, waiting: 10, bytes: 1_000 },
  large: { places: 3, waiting: 6, bytes: 600 },
  streamed: { places: 2, waiting: 4, bytes: 400 },
}

/** Asks for places, and tells who has one. */
class Visitors {
  readonly places = new Places(SHARES)
  readonly inside: string[] = []
  readonly outcomes = new Map<string, string>()
  readonly #leaves = new Map<string, () => void>()

  ask(name: string, claim: Claim, signal?: AbortSignal): void {
    this.places.take(claim, signal).then(
      (leave) => {
        this.inside.push(name)
        this.#leaves.set(name, leave)
      },
      (error: { code?: string; message: string }) => this.outcomes.set(name, error.code ?? error.message),
    )
  }

  /** Those who were let in since, once all that was asked for has settled. */
  async entered(): Promise<readonly string[]> {
    for (let turn = 0; turn < 5; turn++) await null
    return this.inside.splice(0)
  }

  leave(name: string): void {
    this.#leaves.get(name)!()
    this.#leaves.delete(name)
  }
}

const small: Claim = { rank: 'small', bytes: 10 }
const large: Claim = { rank: 'large', bytes: 100 }
const streamed: Claim = { rank: 'streamed', bytes: 100 }

describe('places', () => {
  test('are left for small readings, however many large and streamed ones there are', async () => {
    const visitors = new Visitors()
    for (const name of ['s1', 's2', 's3']) visitors.ask(name, streamed)
    for (const name of ['l1', 'l2']) visitors.ask(name, large)
    for (const name of ['a', 'b', 'c']) visitors.ask(name, small)
    expect(await visitors.entered()).toEqual(['s1', 's2', 'l1', 'a', 'b'])
    visitors.leave('s1')
    // Who came first of those whom the place is for.
    expect(await visitors.entered()).toEqual(['s3'])
    visitors.leave('l1')
    expect(await visitors.entered()).toEqual(['l2'])
    visitors.leave('l2')
    expect(await visitors.entered()).toEqual(['c'])
  })

  test('are given in the order of coming: no small one that comes later takes the turn of a large one', async () => {
    const visitors = new Visitors()
    for (const name of ['a', 'b', 'c', 'd', 'e']) visitors.ask(name, small)
    visitors.ask('large', large)
    visitors.ask('f', small)
    expect(await visitors.entered()).toEqual(['a', 'b', 'c', 'd', 'e'])
    visitors.leave('a')
    visitors.ask('g', small)
    expect(await visitors.entered()).toEqual(['large'])
  })

  test('come with memory: one that needs more than is left waits, and so do those behind it that want the same', async () => {
    const visitors = new Visitors()
    visitors.ask('first', { rank: 'large', bytes: 300 })
    visitors.ask('too much', { rank: 'large', bytes: 500 })
    visitors.ask('behind it', streamed)
    visitors.ask('small', small)
    expect(await visitors.entered()).toEqual(['first', 'small'])
    visitors.leave('first')
    expect(await visitors.entered()).toEqual(['too much', 'behind it'])
    expect(reserved(visitors.places.running)).toBe(610)
  })

  test('have a line that is so long: one more is overloaded, and small ones still find a place in it [inv 13]', async () => {
    const visitors = new Visitors()
    for (let count = 0; count < 3 + 7; count++) visitors.ask(`large ${count}`, large)
    for (let count = 0; count < 2 + 5; count++) visitors.ask(`small ${count}`, small)
    await visitors.entered()
    expect([...visitors.outcomes]).toEqual([
      ['large 9', 'overloaded'],
      ['small 6', 'overloaded'],
    ])
    expect([visitors.places.running.length, visitors.places.waiting.length]).toEqual([5, 10])
  })

  test('in the line are free when somebody leaves it, with those whom it held back', async () => {
    const visitors = new Visitors()
    visitors.ask('first', { rank: 'large', bytes: 300 })
    const controller = new AbortController()
    visitors.ask('too much', { rank: 'large', bytes: 500 }, controller.signal)
    visitors.ask('behind it', large)
    await visitors.entered()
    controller.abort(new Error('left'))
    expect(await visitors.entered()).toEqual(['behind it'])
    expect([...visitors.outcomes]).toEqual([['too much', 'left']])
    visitors.ask('never there', small, AbortSignal.abort(new Error('left before')))
    expect(await visitors.entered()).toEqual([])
    expect(visitors.outcomes.get('never there')).toBe('left before')
  })
})

test.each([1, 2, 3, 4, 5])(
  'whatever comes and goes, no rank has more than its share, and everybody gets a turn (seed %i) [inv 13]',
  async (seed) => {
    const random = new SeededRandom(seed)
    const visitors = new Visitors()
    const inside: string[] = []
    const left = new Set<string>()
    const waiting = new Map<string, AbortController>()
    for (let step = 0; step < 2_000; step++) {
      const name = String(step)
      const rank = RANKS[random.below(3)]!
      if (random.below(2) === 0) {
        const controller = new AbortController()
        waiting.set(name, controller)
        visitors.ask(name, { rank, bytes: 1 + random.below(rank === 'small' ? 80 : 400) }, controller.signal)
      } else if (inside.length > 0 && random.below(3) > 0) {
        visitors.leave(inside.splice(random.below(inside.length), 1)[0]!)
      } else {
        const gone = [...waiting.keys()][random.below(waiting.size)]
        if (gone !== undefined) {
          left.add(gone)
          waiting.get(gone)?.abort(new Error('left'))
        }
      }
      const entered = await visitors.entered()
      inside.push(...entered)
      for (const done of [...entered, ...visitors.outcomes.keys()]) waiting.delete(done)
      for (const [index, part] of RANKS.entries()) {
        const upwards = (claims: readonly Claim[]) =>
          claims.filter((claim) => RANKS.indexOf(claim.rank) >= index)
        const running = upwards(visitors.places.running)
        expect(running.length).toBeLessThanOrEqual(SHARES[part].places)
        expect(reserved(running)).toBeLessThanOrEqual(SHARES[part].bytes)
        expect(upwards(visitors.places.waiting).length).toBeLessThanOrEqual(SHARES[part].waiting)
      }
    }
    while (inside.length > 0) {
      visitors.leave(inside.pop()!)
      const entered = await visitors.entered()
      inside.push(...entered)
      for (const name of entered) waiting.delete(name)
    }
    expect([visitors.places.running, visitors.places.waiting, [...waiting.keys()]]).toEqual([[], [], []])
    const ends = new Set([...visitors.outcomes.values()])
    expect([...ends].sort()).toEqual(['left', 'overloaded'])
    for (const [name, outcome] of visitors.outcomes) expect(left.has(name)).toBe(outcome === 'left')
  },
)
