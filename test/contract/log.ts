import { describe, expect, test } from 'vitest'
import type { OffsetVector } from '#core'
import type { Appended, LoadProgress, Log, LogRecord, RecordBatch } from '../../src/ingest/log/log.js'
import { partitionOf } from '../../src/ingest/log/partitioner.js'
import type { Retention } from '../../src/ingest/log/stored-log.js'
import { ManualClock } from '../support/manual-clock.js'
import { SeededRandom } from '../support/seeded-random.js'

/** A started log and its clock. `reopen` stops it and starts another one on what it has stored. */
export interface LogFixture {
  readonly log: Log
  reopen(): Promise<Log>
}

const TOPIC = 'market-data.trades'

function record(key: string, text: string): LogRecord {
  return { key, value: Buffer.from(text) }
}

function values(batch: RecordBatch): string[] {
  return Array.from(batch.ends, (end, index) =>
    Buffer.from(batch.bytes.subarray(index === 0 ? 0 : batch.ends[index - 1]!, end)).toString(),
  )
}

/** Everything from a position on, by partition, as `offset:value`. */
function readAll(log: Log, topic: string, from: OffsetVector, maxBytes = 1 << 20): string[][] {
  const read: string[][] = from.map(() => [])
  for (let position = from; ; ) {
    const { batches, next } = log.read(topic, position, maxBytes)
    for (const batch of batches) {
      values(batch).forEach((value, index) => {
        const offset = batch.baseOffset + index
        if (offset >= position[batch.partition]!) read[batch.partition]!.push(`${offset}:${value}`)
      })
    }
    if (batches.length === 0) return read
    position = next
  }
}

const PROGRESS: LoadProgress = {
  sourceId: 'abc',
  digest: 'ff',
  rowsDone: 3,
  accepted: 2,
  quarantined: 1,
  finished: false,
}

/** What every log does. `open` gives an empty one. */
export function describeLog(
  name: string,
  open: (clock: ManualClock, retention?: Retention) => Promise<LogFixture>,
): void {
  describe(`${name} keeps the contract of Log`, () => {
    const withTopic = async (partitions: number, retention?: Retention, clock = new ManualClock()) => {
      const fixture = await open(clock, retention)
      await fixture.log.createTopic(TOPIC, partitions)
      return { ...fixture, clock }
    }
    const append = (log: Log, ...records: LogRecord[]) => log.append({ records: new Map([[TOPIC, records]]) })

    test('offsets count from 0 without a gap, and the end is the next one', async () => {
      const { log } = await withTopic(1)
      expect(log.end(TOPIC)).toEqual([0])
      await append(log, record('A', 'a'), record('B', 'b'))
      await append(log, record('A', 'c'))
      expect(log.end(TOPIC)).toEqual([3])
      expect(log.begin(TOPIC)).toEqual([0])
      expect(readAll(log, TOPIC, [0])).toEqual([['0:a', '1:b', '2:c']])
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
      const read = readAll(log, TOPIC, [0, 0, 0, 0])
      expect(read).toEqual(expected.map((list) => list.map((value, offset) => `${offset}:${value}`)))
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
      const read = readAll(log, TOPIC, [0, 0, 0, 0])
      for (const [round, appended] of appends.entries()) {
        const found = appended
          .get(TOPIC)!
          .flatMap(({ partition, from, to }) => read[partition]!.slice(from, to))
        const told = found.map((text) => text.slice(text.indexOf(':') + 1))
        expect(told.sort()).toEqual(keys.map((key) => `${key} ${round}`).sort())
      }
    })

    test('the checksum of a record tells it from every other, and outlives the process', async () => {
      const clock = new ManualClock()
      const { log, reopen } = await withTopic(1, undefined, clock)
      await append(log, record('A', 'a'), record('A', 'b'))
      clock.advance(5)
      await append(log, record('A', 'a'))
      const found = await Promise.all([0, 1, 2].map((offset) => log.checksumAt(TOPIC, 0, offset)))
      expect(new Set(found).size).toBe(3)
      for (const checksum of found) expect(checksum).toMatch(/^[0-9a-f]{8}$/)
      expect(await log.checksumAt(TOPIC, 0, 3)).toBeUndefined()
      const again = await reopen()
      expect(await Promise.all([0, 1, 2].map((offset) => again.checksumAt(TOPIC, 0, offset)))).toEqual(found)
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
      expect(again.end(TOPIC)).toEqual([2])
      expect(again.end('market-data.quarantine')).toEqual([1])
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
      await Promise.all([1, 2].map((number) => log.append({ records, progress: told(number) })))
      const posted = { number: 2, key: 'k', ranges: [{ partition: 0, from: 3, to: 5 }] }
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
      expect(readAll(log, TOPIC, [0])).toEqual([
        Array.from({ length: 50 }, (_, index) => `${index}:${index}`),
      ])
    })

    test('one append of many records is stored in several batches', async () => {
      const { log } = await withTopic(1)
      await append(log, ...Array.from({ length: 10_000 }, (_, index) => record('A', `${index}`)))
      const { batches, next } = log.read(TOPIC, [0], Number.MAX_SAFE_INTEGER)
      expect(next).toEqual([10_000])
      expect(batches.length).toBeGreaterThan(2)
      expect(Math.max(...batches.map(({ count }) => count))).toBeLessThanOrEqual(4096)
      const big = { key: 'A', value: new Uint8Array(700_000).fill(7) }
      await append(log, big, big, big)
      expect(log.read(TOPIC, [10_000], Number.MAX_SAFE_INTEGER).batches.map(({ count }) => count)).toEqual([
        1, 1, 1,
      ])
    })

    test('a read from inside a batch gives the batch from its beginning', async () => {
      const { log } = await withTopic(1)
      await append(log, record('A', 'a'), record('A', 'b'), record('A', 'c'))
      const { batches, next } = log.read(TOPIC, [2], 1)
      expect(batches.map((batch) => [batch.baseOffset, values(batch)])).toEqual([[0, ['a', 'b', 'c']]])
      expect(next).toEqual([3])
    })

    test('a read is bounded, makes progress, and takes from the partitions in turn', async () => {
      const { log } = await withTopic(2)
      const [left, right] = [0, 1].map(
        (wanted) => ['A', 'B', 'C', 'D', 'E', 'F'].find((key) => partitionOf(key, 2) === wanted)!,
      )
      for (let round = 0; round < 3; round++)
        await append(log, record(left!, 'x'.repeat(100)), record(right!, 'y'.repeat(100)))
      const partitions = (maxBytes: number) =>
        log.read(TOPIC, [0, 0], maxBytes).batches.map(({ partition }) => partition)
      expect(partitions(1)).toEqual([0])
      expect(partitions(150)).toEqual([0, 1])
      expect(partitions(450)).toEqual([0, 1, 0, 1, 0])
      expect(partitions(10_000)).toEqual([0, 1, 0, 1, 0, 1])
      expect(log.read(TOPIC, [3, 3], 10_000)).toEqual({ batches: [], next: [3, 3] })
    })

    test('what was read stays as it is while more is read', async () => {
      const { log } = await withTopic(1)
      await append(log, record('A', 'first'))
      await append(log, record('A', 'other'))
      const { batches } = log.read(TOPIC, [0], 1)
      log.read(TOPIC, [1], 1)
      expect(values(batches[0]!)).toEqual(['first'])
    })

    test('a position beyond the end says what is missing', async () => {
      const { log } = await withTopic(2)
      expect(() => log.read(TOPIC, [0, 5], 1)).toThrow(
        expect.objectContaining({
          code: 'not_found',
          message: `topic ${TOPIC}, partition 1: offsets 0 to 4 are missing; the log ends at 0`,
        }),
      )
      expect(() => log.read(TOPIC, [0], 1)).toThrow(expect.objectContaining({ code: 'invalid_input' }))
    })

    test('a topic keeps its partition count and its records over a restart', async () => {
      const { log, reopen } = await withTopic(3)
      await append(log, ...Array.from({ length: 20 }, (_, index) => record(`K${index}`, `${index}`)))
      const before = readAll(log, TOPIC, [0, 0, 0])
      const again = await reopen()
      await again.createTopic(TOPIC, 3)
      expect(readAll(again, TOPIC, [0, 0, 0])).toEqual(before)
      await expect(again.createTopic(TOPIC, 4)).rejects.toMatchObject({ code: 'conflict' })
      await append(again, record('K0', 'next'))
      expect(
        readAll(
          again,
          TOPIC,
          before.map((list) => list.length),
        ).flat(),
      ).toEqual([`${before[partitionOf('K0', 3)]!.length}:next`])
    })

    test('a waiter wakes when something is appended, at once if it already was', async () => {
      const { log } = await withTopic(2)
      const waiting = log.appended(TOPIC, [0, 0], new AbortController().signal)
      await append(log, record('A', 'a'))
      await waiting
      await log.appended(TOPIC, [0, 0], new AbortController().signal)
      expect(log.end(TOPIC).reduce((sum, offset) => sum + offset)).toBe(1)
    })

    test('a waiter ends when its signal aborts, also before', async () => {
      const { log } = await withTopic(1)
      const abort = new AbortController()
      const waiting = log.appended(TOPIC, [0], abort.signal)
      abort.abort()
      await waiting
      await log.appended(TOPIC, [0], abort.signal)
    })

    test('the time of an append never goes back within a partition, not over a restart either', async () => {
      const { log, clock, reopen } = await withTopic(1)
      const [start] = [clock.nowMs()]
      await append(log, record('A', 'a'))
      clock.setWall(start - 60_000)
      await append(log, record('A', 'b'))
      const again = await reopen()
      await append(again, record('A', 'c'))
      clock.setWall(start + 1)
      await append(again, record('A', 'd'))
      const micros = BigInt(start) * 1000n
      expect(again.read(TOPIC, [0], 1 << 20).batches.map((batch) => batch.appendedAtMicros)).toEqual([
        micros,
        micros,
        micros,
        micros + 1000n,
      ])
    })

    test('retention by age drops whole batches below what is committed, and no others', async () => {
      const { log, clock, reopen } = await withTopic(1, { maxAgeMs: 1000 })
      for (let round = 0; round < 4; round++) await append(log, record('A', 'x'), record('A', 'y'))
      await log.committed(TOPIC, [8])
      expect(log.begin(TOPIC)).toEqual([0])
      clock.advance(2000)
      await log.committed(TOPIC, [5])
      expect(log.begin(TOPIC)).toEqual([4])
      expect(() => log.read(TOPIC, [3], 1)).toThrow(
        expect.objectContaining({
          code: 'gone',
          message: `topic ${TOPIC}, partition 0: offsets 3 to 3 are no longer kept; the log begins at 4`,
        }),
      )
      const again = await reopen()
      expect(again.begin(TOPIC)).toEqual([4])
      expect(readAll(again, TOPIC, [4])).toEqual([['4:x', '5:y', '6:x', '7:y']])
    })

    test('retention by size keeps the newest batches, the last one always', async () => {
      const { log, reopen } = await withTopic(1, { maxPartitionBytes: 5000 })
      for (let round = 0; round < 10; round++) await append(log, { key: 'A', value: new Uint8Array(1000) })
      await log.committed(TOPIC, [2])
      expect(log.begin(TOPIC)).toEqual([2])
      await log.committed(TOPIC, [10])
      expect(log.begin(TOPIC)).toEqual([6])
      const again = await reopen()
      await append(again, { key: 'A', value: new Uint8Array(9000) })
      await again.committed(TOPIC, [11])
      expect([again.begin(TOPIC), again.end(TOPIC)]).toEqual([[10], [11]])
      const oncemore = await reopen()
      expect([oncemore.begin(TOPIC), oncemore.end(TOPIC)]).toEqual([[10], [11]])
    })

    test('without retention nothing is dropped', async () => {
      const { log, clock } = await withTopic(1)
      for (let round = 0; round < 3; round++) await append(log, record('A', 'x'))
      clock.advance(1e12)
      await log.committed(TOPIC, [3])
      expect(log.begin(TOPIC)).toEqual([0])
    })

    test('a stopped log takes nothing, and stops twice', async () => {
      const { log } = await withTopic(1)
      await log.stop()
      await log.stop()
      await expect(append(log, record('A', 'a'))).rejects.toMatchObject({ code: 'unavailable' })
    })

    test('any mix of appends, reads, trims and restarts gives what an array gives', async () => {
      for (let seed = 1; seed <= 10; seed++) {
        const random = new SeededRandom(seed)
        const fixture = await withTopic(3, { maxPartitionBytes: 4000 })
        let { log } = fixture
        const model: string[][] = [[], [], []]
        const shown = (from: OffsetVector) =>
          model.map((list, partition) =>
            list.map((value, offset) => `${offset}:${value}`).slice(from[partition]),
          )
        for (let step = 0; step < 40; step++) {
          const said = `seed ${seed}, step ${step}`
          if (random.oneIn(8)) log = await fixture.reopen()
          if (random.oneIn(6))
            await log.committed(
              TOPIC,
              model.map((list) => random.below(list.length + 1)),
            )
          const records = Array.from({ length: random.below(60) }, () =>
            record(`K${random.below(20)}`, `${step} ${'v'.repeat(random.below(40))}`),
          )
          for (const { key, value } of records)
            model[partitionOf(key, 3)]!.push(Buffer.from(value).toString())
          await append(log, ...records)
          expect(log.end(TOPIC), said).toEqual(model.map((list) => list.length))
          const from = model.map((list, partition) => {
            const begin = log.begin(TOPIC)[partition]!
            return begin + random.below(list.length - begin + 1)
          })
          expect(readAll(log, TOPIC, from, random.below(3000)), said).toEqual(shown(from))
        }
        await log.stop()
      }
    })
  })
}
