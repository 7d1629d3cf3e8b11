import { describe, expect, test } from 'vitest'
import type { Appended, LoadProgress, Log, LogRecord } from '../../src/ingest/log/log.js'
import { partitionOf } from '../../src/ingest/log/partitioner.js'
import { type ReadRecord, readAll, readBatches, record, values, valuesOf } from '../support/log-reading.js'
import { SeededRandom } from '../support/seeded-random.js'

/** A started log without topics. `reopen` stops it and starts another one on what it has stored. */
export interface LogFixture {
  readonly log: Log
  reopen(): Promise<Log>
}

export const TOPIC = 'market-data.trades'

const PROGRESS: LoadProgress = {
  sourceId: 'abc',
  digest: 'ff',
  rowsDone: 3,
  accepted: 2,
  quarantined: 1,
  finished: false,
}

export function append(log: Log, ...records: LogRecord[]) {
  return log.append({ records: new Map([[TOPIC, records]]) })
}

/** What every log does. `open` gives an empty one. Offsets may have gaps: Kafka's markers of transactions take some. */
export function describeLog(name: string, open: () => Promise<LogFixture>): void {
  describe(`${name} keeps the contract of Log`, () => {
    const withTopic = async (partitions: number) => {
      const fixture = await open()
      await fixture.log.createTopic(TOPIC, partitions)
      return fixture
    }

    test('offsets count up, and the end is beyond all of them', async () => {
      const { log } = await withTopic(1)
      expect([log.begin(TOPIC), log.end(TOPIC)]).toEqual([[0], [0]])
      await append(log, record('A', 'a'), record('B', 'b'))
      await append(log, record('A', 'c'))
      expect(log.begin(TOPIC)).toEqual([0])
      const [read] = await readAll(log, TOPIC, [0])
      expect(read!.map(({ value }) => value)).toEqual(['a', 'b', 'c'])
      const offsets = read!.map(({ offset }) => offset)
      expect(offsets.slice(0, 2)).toEqual([0, 1])
      expect(offsets[2]).toBeGreaterThan(1)
      expect(log.end(TOPIC)[0]).toBeGreaterThan(offsets[2]!)
    })

    test('records of one key are in one partition, in the order in which they came', async () => {
      const { log } = await withTopic(4)
      const random = new SeededRandom(1)
      const expected: string[][] = [[], [], [], []]
      for (let round = 0; round < 20; round++) {
        const records = Array.from({ length: random.below(50) }, (_, index) => {
          const key = `K${random.below(30)}`
          return record(key, `${key} ${round}/${index}`)
        })
        for (const { key, value } of records)
          expected[partitionOf(key, 4)]!.push(Buffer.from(value).toString())
        await append(log, ...records)
      }
      expect(valuesOf(await readAll(log, TOPIC, [0, 0, 0, 0]))).toEqual(expected)
    })

    test('an append tells where its records are, also when several share a commit', async () => {
      const { log } = await withTopic(4)
      await log.createTopic('market-data.quarantine', 1)
      const keys = Array.from({ length: 12 }, (_, index) => `K${index}`)
      const appends = await Promise.all(
        [0, 1, 2].map((round) =>
          log.append({
            records: new Map([
              [TOPIC, keys.map((key) => record(key, `${key} ${round}`))],
              ['market-data.quarantine', round === 1 ? [record('A', 'bad')] : []],
            ]),
          }),
        ),
      )
      expect(appends.map((appended) => appended.get('market-data.quarantine'))).toEqual([
        [],
        [{ partition: 0, from: 0, to: 1 }],
        [],
      ])
      const read = await readAll(log, TOPIC, [0, 0, 0, 0])
      for (const [round, appended] of appends.entries()) {
        const found = appended
          .get(TOPIC)!
          .flatMap(({ partition, from, to }) =>
            read[partition]!.filter(({ offset }) => from <= offset && offset < to),
          )
        const told = found.map(({ value }) => value)
        expect(told.sort()).toEqual(keys.map((key) => `${key} ${round}`).sort())
      }
    })

    test('the checksum of a record tells it from every other, and outlives the process', async () => {
      const { log, reopen } = await withTopic(1)
      await append(log, record('A', 'a'), record('A', 'b'))
      await append(log, record('A', 'c'))
      const offsets = (await readAll(log, TOPIC, [0]))[0]!.map(({ offset }) => offset)
      const checksums = (of: Log) => Promise.all(offsets.map((offset) => of.checksumAt(TOPIC, 0, offset)))
      const found = await checksums(log)
      expect(new Set(found).size).toBe(3)
      for (const checksum of found) expect(checksum).toMatch(/^[0-9a-f]{8}$/)
      expect(await log.checksumAt(TOPIC, 0, log.end(TOPIC)[0]!)).toBeUndefined()
      const again = await reopen()
      await again.createTopic(TOPIC, 1)
      expect(await checksums(again)).toEqual(found)
    })

    test('records of several topics and the progress they make are appended together', async () => {
      const { log, reopen } = await withTopic(1)
      await log.createTopic('market-data.quarantine', 1)
      const records = new Map([
        [TOPIC, [record('A', 'a'), record('A', 'b')]],
        ['market-data.quarantine', [record('A', 'bad')]],
      ])
      expect(log.progress('abc')).toBeUndefined()
      await log.append({ records, progress: PROGRESS })
      const again = await reopen()
      await again.createTopic(TOPIC, 1)
      await again.createTopic('market-data.quarantine', 1)
      expect(valuesOf(await readAll(again, TOPIC, [0]))).toEqual([['a', 'b']])
      expect(valuesOf(await readAll(again, 'market-data.quarantine', [0]))).toEqual([['bad']])
      expect(again.progress('abc')).toEqual(PROGRESS)
      await again.append({ records: new Map(), progress: { ...PROGRESS, finished: true } })
      expect(again.progress('abc')).toEqual({ ...PROGRESS, finished: true })
    })

    test('progress may tell where the records are that it is appended with', async () => {
      const { log, reopen } = await withTopic(1)
      await append(log, record('A', 'before'))
      const records = new Map([[TOPIC, [record('A', 'a'), record('A', 'b')]]])
      const told = (number: number) => (appended: Appended) => ({
        ...PROGRESS,
        posted: { number, key: 'k', ranges: appended.get(TOPIC) ?? [] },
      })
      // Together: appends that wait at the same time may become one.
      const [, second] = await Promise.all(
        [1, 2].map((number) => log.append({ records, progress: told(number) })),
      )
      const posted = { number: 2, key: 'k', ranges: second?.get(TOPIC) }
      expect(posted.ranges).toHaveLength(1)
      expect(log.progress('abc')).toEqual({ ...PROGRESS, posted })
      expect((await reopen()).progress('abc')).toEqual({ ...PROGRESS, posted })
    })

    test('an append to a topic that is not there appends nothing', async () => {
      const { log } = await withTopic(1)
      const records = new Map([
        [TOPIC, [record('A', 'a')]],
        ['nowhere', [record('A', 'b')]],
      ])
      await expect(log.append({ records, progress: PROGRESS })).rejects.toMatchObject({ code: 'not_found' })
      expect(log.end(TOPIC)).toEqual([0])
      expect(log.progress('abc')).toBeUndefined()
    })

    test('appends that overlap all arrive, in the order of the calls', async () => {
      const { log } = await withTopic(1)
      await Promise.all(Array.from({ length: 50 }, (_, index) => append(log, record('A', `${index}`))))
      expect(valuesOf(await readAll(log, TOPIC, [0]))).toEqual([
        Array.from({ length: 50 }, (_, index) => `${index}`),
      ])
    })

    test('one append of many records is stored in several batches', async () => {
      const { log } = await withTopic(1)
      await append(log, ...Array.from({ length: 10_000 }, (_, index) => record('A', `${index}`)))
      const batches = await readBatches(log, TOPIC, [0])
      expect(batches.reduce((sum, { count }) => sum + count, 0)).toBe(10_000)
      expect(batches.length).toBeGreaterThan(2)
      expect(Math.max(...batches.map(({ count }) => count))).toBeLessThanOrEqual(4096)
      const end = log.end(TOPIC)
      const big = { key: 'A', value: new Uint8Array(700_000).fill(7) }
      await append(log, big, big, big)
      expect((await readBatches(log, TOPIC, end)).map(({ count }) => count)).toEqual([1, 1, 1])
    })

    test('a read from inside a batch gives the batch from its beginning', async () => {
      const { log } = await withTopic(1)
      await append(log, record('A', 'a'), record('A', 'b'), record('A', 'c'))
      await log.appended(TOPIC, [2], new AbortController().signal)
      const { batches, next } = log.read(TOPIC, [2], 1)
      expect(batches.map((batch) => [batch.baseOffset, values(batch)])).toEqual([[0, ['a', 'b', 'c']]])
      expect(next).toEqual(log.end(TOPIC))
    })

    test('a read of one byte gives one batch, and reading on gives them all', async () => {
      const { log } = await withTopic(2)
      for (let round = 0; round < 3; round++)
        await append(log, ...['A', 'B', 'C', 'D', 'E', 'F'].map((key) => record(key, `${key}${round}`)))
      let position = log.begin(TOPIC)
      let batchCount = 0
      while (position.some((offset, partition) => offset < log.end(TOPIC)[partition]!)) {
        await log.appended(TOPIC, position, new AbortController().signal)
        const { batches, next } = log.read(TOPIC, position, 1)
        expect(batches.length).toBeLessThanOrEqual(1)
        expect(next).not.toEqual(position)
        batchCount += batches.length
        position = next
      }
      expect(batchCount).toBe(6)
      expect(log.read(TOPIC, position, 10_000)).toEqual({ batches: [], next: position })
    })

    test('what was read stays as it is while more is read', async () => {
      const { log } = await withTopic(1)
      await append(log, record('A', 'first'))
      await append(log, record('A', 'other'))
      const read = await readBatches(log, TOPIC, [0])
      await readBatches(log, TOPIC, [1])
      expect(read.map((batch) => values(batch))).toEqual([['first'], ['other']])
    })

    test('a position beyond the end says what is missing', async () => {
      const { log } = await withTopic(2)
      expect(() => log.read(TOPIC, [0, 5], 1)).toThrow(
        expect.objectContaining({
          code: 'not_found',
          message: expect.stringMatching(
            /topic .*, partition 1: offsets 0 to 4 are missing; the log ends at 0/,
          ),
        }),
      )
      expect(() => log.read(TOPIC, [0], 1)).toThrow(expect.objectContaining({ code: 'invalid_input' }))
    })

    test('a topic keeps its partition count and its records over a restart', async () => {
      const { log, reopen } = await withTopic(3)
      await append(log, ...Array.from({ length: 20 }, (_, index) => record(`K${index}`, `${index}`)))
      const before = await readAll(log, TOPIC, [0, 0, 0])
      const again = await reopen()
      await again.createTopic(TOPIC, 3)
      expect(await readAll(again, TOPIC, [0, 0, 0])).toEqual(before)
      await expect(again.createTopic(TOPIC, 4)).rejects.toMatchObject({ code: 'conflict' })
      const end = again.end(TOPIC)
      await append(again, record('K0', 'next'))
      const expected: string[][] = [[], [], []]
      expected[partitionOf('K0', 3)]!.push('next')
      expect(valuesOf(await readAll(again, TOPIC, end))).toEqual(expected)
    })

    test('a waiter wakes when something is appended, at once if it already was', async () => {
      const { log } = await withTopic(2)
      const waiting = log.appended(TOPIC, [0, 0], new AbortController().signal)
      await append(log, record('A', 'a'))
      await waiting
      await log.appended(TOPIC, [0, 0], new AbortController().signal)
      expect(valuesOf(await readAll(log, TOPIC, [0, 0])).flat()).toEqual(['a'])
    })

    test('a waiter ends when its signal aborts, also before', async () => {
      const { log } = await withTopic(1)
      const abort = new AbortController()
      const waiting = log.appended(TOPIC, [0], abort.signal)
      abort.abort()
      await waiting
      await log.appended(TOPIC, [0], abort.signal)
    })

    test('a stopped log takes nothing, and stops twice', async () => {
      const { log } = await withTopic(1)
      await log.stop()
      await log.stop()
      await expect(append(log, record('A', 'a'))).rejects.toMatchObject({ code: 'unavailable' })
    })

    test('any mix of appends, reads from anywhere and restarts gives what an array gives', async () => {
      for (let seed = 1; seed <= 3; seed++) {
        const random = new SeededRandom(seed)
        const fixture = await withTopic(3)
        let { log } = fixture
        const model: ReadRecord[][] = [[], [], []]
        for (let step = 0; step < 15; step++) {
          const said = `seed ${seed}, step ${step}`
          if (random.oneIn(8)) {
            log = await fixture.reopen()
            await log.createTopic(TOPIC, 3)
          }
          const records = Array.from({ length: random.below(60) }, () =>
            record(`K${random.below(20)}`, `${step} ${'v'.repeat(random.below(40))}`),
          )
          const appended = await append(log, ...records)
          for (const { partition, from, to } of appended.get(TOPIC)!) {
            const own = records.filter(({ key }) => partitionOf(key, 3) === partition)
            expect(to - from, said).toBe(own.length)
            own.forEach(({ value }, index) => {
              model[partition]!.push({ offset: from + index, value: Buffer.from(value).toString() })
            })
          }
          const from = log.end(TOPIC).map((end) => random.below(end + 1))
          expect(await readAll(log, TOPIC, from, random.below(3000)), said).toEqual(
            model.map((list, partition) => list.filter(({ offset }) => offset >= from[partition]!)),
          )
        }
        await log.stop()
      }
    })
  })
}
