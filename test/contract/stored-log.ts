import { describe, expect, test } from 'vitest'
import type { OffsetVector } from '#core'
import type { Log } from '../../src/ingest/log/log.js'
import { partitionOf } from '../../src/ingest/log/partitioner.js'
import type { Retention } from '../../src/ingest/log/stored-log.js'
import { readAll, record } from '../support/log-reading.js'
import { ManualClock } from '../support/manual-clock.js'
import { SeededRandom } from '../support/seeded-random.js'
import { append, describeLog, type LogFixture, TOPIC } from './log.js'

/** Everything from a position on, by partition, as `offset:value`. */
async function shownAll(
  log: Log,
  topic: string,
  from: OffsetVector,
  maxBytes = 1 << 20,
): Promise<string[][]> {
  const read = await readAll(log, topic, from, maxBytes)
  return read.map((records) => records.map(({ offset, value }) => `${offset}:${value}`))
}

/**
 * What a log does that keeps its own batches: the contract of Log, and besides offsets without gaps, all of it readable
 * at once, times of the clock it was given, and retention by what is committed.
 */
export function describeStoredLog(
  name: string,
  open: (clock: ManualClock, retention?: Retention) => Promise<LogFixture>,
): void {
  describeLog(name, () => open(new ManualClock()))

  describe(`${name} keeps its own batches`, () => {
    const withTopic = async (partitions: number, retention?: Retention, clock = new ManualClock()) => {
      const fixture = await open(clock, retention)
      await fixture.log.createTopic(TOPIC, partitions)
      return { ...fixture, clock }
    }

    test('offsets count from 0 without a gap, and the end is the next one', async () => {
      const { log } = await withTopic(1)
      expect(log.end(TOPIC)).toEqual([0])
      await append(log, record('A', 'a'), record('B', 'b'))
      await append(log, record('A', 'c'))
      expect(log.end(TOPIC)).toEqual([3])
      expect(log.begin(TOPIC)).toEqual([0])
      expect(await shownAll(log, TOPIC, [0])).toEqual([['0:a', '1:b', '2:c']])
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
      expect(await shownAll(again, TOPIC, [4])).toEqual([['4:x', '5:y', '6:x', '7:y']])
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
          expect(await shownAll(log, TOPIC, from, random.below(3000)), said).toEqual(shown(from))
        }
        await log.stop()
      }
    })
    test('the checksum of a record depends on when it was taken', async () => {
      const { log, clock } = await withTopic(1)
      await append(log, record('A', 'a'))
      clock.advance(5)
      await append(log, record('A', 'a'))
      expect(await log.checksumAt(TOPIC, 0, 0)).not.toBe(await log.checksumAt(TOPIC, 0, 1))
    })
  })
}
