import fc from 'fast-check'
import { expect, test } from 'vitest'
import { Deduplicator, MAX_REMEMBERED_IDS } from '../../src/ingest/deduplicator.js'

/** Which of these ids are dropped; the others are accepted. */
function droppedOf(deduplicator: Deduplicator, ids: readonly string[], partition = 0): boolean[] {
  return ids.map((id) => {
    if (deduplicator.has(partition, id)) return true
    deduplicator.add(partition, id)
    return false
  })
}

test('an id that was accepted is known, in its partition', () => {
  const deduplicator = new Deduplicator(10)
  expect(droppedOf(deduplicator, ['a', 'b', 'a', 'A', ''])).toEqual([false, false, true, false, false])
  expect(droppedOf(deduplicator, ['a', 'a'], 1)).toEqual([false, true])
})

test('a look at an id does not accept it', () => {
  const deduplicator = new Deduplicator(10)
  expect(deduplicator.has(0, 'a')).toBe(false)
  expect(deduplicator.has(0, 'a')).toBe(false)
})

test('the oldest is forgotten, though it has just been seen again', () => {
  const deduplicator = new Deduplicator(2)
  expect(droppedOf(deduplicator, ['a', 'b', 'a', 'c', 'a'])).toEqual([false, false, true, false, false])
})

test('it remembers at least one id, and no more than fit', () => {
  expect(() => new Deduplicator(0)).toThrow('1 to 16000000')
  expect(() => new Deduplicator(MAX_REMEMBERED_IDS + 1)).toThrow('1 to 16000000')
})

test('it knows the newest ids and no others, whatever comes, also after a restart (a failure prints its seed) [inv 15]', () => {
  const ids = fc.array(fc.integer({ min: 0, max: 40 }).map(String), { maxLength: 400, size: 'max' })
  const property = fc.property(ids, fc.integer({ min: 1, max: 20 }), fc.nat(), (given, capacity, cut) => {
    let deduplicator = new Deduplicator(capacity)
    const accepted: string[] = []
    given.forEach((id, index) => {
      if (index === cut % given.length) {
        deduplicator = new Deduplicator(capacity)
        for (const newest of accepted.slice(-capacity)) deduplicator.add(0, newest)
      }
      const isKnown = accepted.slice(-capacity).includes(id)
      expect(droppedOf(deduplicator, [id])).toEqual([isKnown])
      if (!isKnown) accepted.push(id)
    })
  })
  fc.assert(property, { numRuns: 200, verbose: true })
})

test('what a table holds twice, from before duplicates were dropped, counts from its newest row', () => {
  const deduplicator = new Deduplicator(2)
  for (const id of ['a', 'b', 'a', 'c']) deduplicator.add(0, id)
  expect(droppedOf(deduplicator, ['a', 'c', 'b'])).toEqual([true, true, false])
})
