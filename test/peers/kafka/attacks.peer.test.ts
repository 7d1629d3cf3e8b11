import { randomBytes } from 'node:crypto'
import kafkajs from 'kafkajs'
import { afterEach, expect, test } from 'vitest'
import { type OffsetVector, QUARANTINE } from '#core'
import type { Log } from '../../../src/ingest/log/log.js'
import { readAll, record, valuesOf } from '../../support/log-reading.js'
import { GroupMember } from './group-member.js'
import { foreignAdmin, foreignProducer, kafkaOptions, startLog, stopAll, told } from './kafka-fixture.js'

afterEach(stopAll)

const TOPIC = 'market-data.trades'
const never = new AbortController().signal

function append(log: Log, ...values: string[]) {
  return log.append({ records: new Map([[TOPIC, values.map((value) => record('A', value))]]) })
}

/** Waits until reading from there ends, and gives the error. */
async function failureOf(log: Log, from: OffsetVector): Promise<unknown> {
  for (let position = from; ; ) {
    try {
      await log.appended(TOPIC, position, never)
      position = log.read(TOPIC, position, 1 << 20).next
    } catch (error) {
      return error
    }
  }
}

test('aborted transactions are passed over, from wherever one reads', async () => {
  const options = kafkaOptions()
  const topic = options.topicPrefix + TOPIC
  const log = await startLog(options)
  await log.createTopic(TOPIC, 1)
  const [one, two, three] = await Promise.all(
    ['one', 'two', 'three'].map((name) => foreignProducer(options, `${options.group}-${name}`)),
  )
  // Two that are aborted lie in each other, and a committed one in both.
  const outer = await one!.transaction()
  await outer.send({ topic, messages: [{ value: 'outer 1' }, { value: 'outer 2' }] })
  const inner = await two!.transaction()
  await inner.send({ topic, messages: [{ value: 'inner 1' }] })
  const kept = await three!.transaction()
  await kept.send({ topic, messages: [{ value: 'kept 1' }, { value: 'kept 2' }] })
  await kept.commit()
  await outer.send({ topic, messages: [{ value: 'outer 3' }, { key: '\0\0\0\0', value: 'no marker' }] })
  await inner.send({ topic, messages: [{ value: 'inner 2' }] })
  await outer.abort()
  await inner.send({ topic, messages: [{ value: 'inner 3' }] })
  await inner.abort()
  const last = await two!.transaction()
  await last.send({ topic, messages: [{ value: 'foreign' }] })
  await last.commit()

  await append(log, 'kept 3')
  const [all] = await readAll(log, TOPIC, [0])
  expect(all!.map(({ value }) => value)).toEqual(['kept 1', 'kept 2', 'foreign', 'kept 3'])
  const end = log.end(TOPIC)[0]!
  for (let from = 0; from <= end; from++)
    expect(await readAll(log, TOPIC, [from])).toEqual([all!.filter(({ offset }) => offset >= from)])
})

test('the position passes a transaction that was aborted although no record comes', async () => {
  const options = kafkaOptions()
  const log = await startLog(options)
  await log.createTopic(TOPIC, 1)
  const producer = await foreignProducer(options, `${options.group}-foreign`)
  const aborted = await producer.transaction()
  await aborted.send({ topic: options.topicPrefix + TOPIC, messages: [{ value: 'a' }, { value: 'b' }] })
  await aborted.abort()
  await log.appended(TOPIC, [0], never)
  expect(log.read(TOPIC, [0], 1)).toEqual({ batches: [], next: [3] })
  expect(log.end(TOPIC)).toEqual([3])
})

test('what a crashed process has left open is aborted at the next start, and fences it off', async () => {
  const options = kafkaOptions()
  const first = await startLog(options)
  await first.createTopic(TOPIC, 1)
  const crashed = await foreignProducer(options, options.group)
  const open = await crashed.transaction()
  await open.send({ topic: options.topicPrefix + TOPIC, messages: [{ value: 'lost' }] })

  const log = await startLog(options)
  await log.createTopic(TOPIC, 1)
  await append(log, 'kept')
  expect(valuesOf(await readAll(log, TOPIC, [0]))).toEqual([['kept']])
  await expect(open.commit()).rejects.toMatchObject({ type: 'INVALID_PRODUCER_EPOCH' })
  await expect(append(first, 'too late')).rejects.toMatchObject({
    code: 'unavailable',
    message: expect.stringContaining(`transactional id ${options.group}`),
  })
})

test('a record larger than Kafka takes fails its own append, not those that share a transaction with it', async () => {
  const log = await startLog(kafkaOptions())
  await log.createTopic(TOPIC, 1)
  // Random, so that it is as large when it is compressed.
  const huge = { key: 'A', value: randomBytes(9 * 1024 * 1024) }
  const appends = [record('A', 'a'), record('A', 'b'), huge, record('A', 'c'), record('A', 'd')]
  // The first is written at once; the others wait for it, and go into the next transaction together.
  const written = await Promise.allSettled(
    appends.map((one) => log.append({ records: new Map([[TOPIC, [one]]]) })),
  )
  expect(written.map(({ status }) => status)).toEqual(
    appends.map((one) => (one === huge ? 'rejected' : 'fulfilled')),
  )
  expect(written[2]).toMatchObject({ reason: { code: 'too_large' } })
  expect(valuesOf(await readAll(log, TOPIC, [0]))).toEqual([['a', 'b', 'c', 'd']])
})

test('the quarantine takes what a topic of events takes, with what is said of it', async () => {
  const log = await startLog(kafkaOptions())
  for (const topic of [TOPIC, QUARANTINE.topic]) await log.createTopic(topic, 1)
  const long = { key: 'A', value: randomBytes(8 * 1024 * 1024 - 1_000) }
  const longer = { key: 'A', value: Buffer.concat([long.value, Buffer.alloc(10_000, randomBytes(10_000))]) }
  await log.append({ records: new Map([[TOPIC, [long]]]) })
  await expect(log.append({ records: new Map([[TOPIC, [longer]]]) })).rejects.toMatchObject({
    code: 'too_large',
  })
  await log.append({ records: new Map([[QUARANTINE.topic, [longer]]]) })
})

test('what other clients produce is read, however they compress it', async () => {
  const options = kafkaOptions()
  const log = await startLog(options)
  await log.createTopic(TOPIC, 2)
  const producer = await foreignProducer(options)
  for (const compression of [kafkajs.CompressionTypes.None, kafkajs.CompressionTypes.GZIP]) {
    const messages = ['K0', 'K1', 'K2', 'K3'].map((key) => ({ key, value: `${key} ${compression}` }))
    await producer.send({ topic: options.topicPrefix + TOPIC, compression, messages })
  }
  const ours = ['K0', 'K1', 'K2', 'K3'].map((key) => record(key, `${key} ours`))
  await log.append({ records: new Map([[TOPIC, ours]]) })
  // Other clients put a key where we put it.
  const read = valuesOf(await readAll(log, TOPIC, [0, 0]))
  for (const key of ['K0', 'K1', 'K2', 'K3']) {
    const holding = read.filter((values) => values.some((value) => value.startsWith(key)))
    expect(holding.map((values) => values.filter((value) => value.startsWith(key)))).toEqual([
      [`${key} 0`, `${key} 1`, `${key} ours`],
    ])
  }
})

test('offsets that Kafka has dropped stop the reader, until they are accepted as lost', async () => {
  const options = kafkaOptions()
  const topic = options.topicPrefix + TOPIC
  const log = await startLog(options)
  await log.createTopic(TOPIC, 1)
  await append(log, 'a', 'b', 'c')
  await append(log, 'd')
  const admin = await foreignAdmin(options)
  // kafkajs knows only topics that it was asked for before.
  await admin.fetchTopicOffsets(topic)
  await admin.deleteTopicRecords({ topic, partitions: [{ partition: 0, offset: '3' }] })

  // This log has not heard of it; the next one has.
  const error = expect.objectContaining({
    code: 'gone',
    message: `topic ${topic}, partition 0: offsets 0 to 2 are no longer kept; the log begins at 3. To go on without them, start with kafka.acceptLost set to ${topic}/0:0-2`,
  })
  expect(await failureOf(log, [0])).toEqual(error)
  await log.stop()
  const again = await startLog(options)
  await again.createTopic(TOPIC, 1)
  expect(again.begin(TOPIC)).toEqual([3])
  expect(() => again.read(TOPIC, [0], 1)).toThrow(error)
  await again.stop()

  for (const acceptLost of [`${topic}/0:0-1`, `${topic}/0:1-9`, `${topic}/1:0-2`]) {
    const refused = await startLog({ ...options, acceptLost })
    await refused.createTopic(TOPIC, 1)
    expect(() => refused.read(TOPIC, [0], 1)).toThrow(error)
    await refused.stop()
  }
  const accepting = await startLog({ ...options, acceptLost: `${topic}/0:0-2` })
  await accepting.createTopic(TOPIC, 1)
  expect(valuesOf(await readAll(accepting, TOPIC, [0]))).toEqual([['d']])
})

test('a topic that was made anew is recognised: by its end, or by the checksum of a record', async () => {
  const options = kafkaOptions()
  const topic = options.topicPrefix + TOPIC
  const log = await startLog(options)
  await log.createTopic(TOPIC, 1)
  await append(log, 'a', 'b', 'c')
  const position = log.end(TOPIC)
  const checksum = await log.checksumAt(TOPIC, 0, 2)
  expect(valuesOf(await readAll(log, TOPIC, [0]))).toEqual([['a', 'b', 'c']])
  const admin = await foreignAdmin(options)
  await admin.deleteTopics({ topics: [topic] })
  await admin.createTopics({ topics: [{ topic, numPartitions: 1 }], waitForLeaders: true })

  // While it is being read.
  expect(await failureOf(log, position)).toMatchObject({
    code: 'not_found',
    message: expect.stringContaining('partition 0: offsets 0 to 3 are missing; the log ends at 0'),
  })
  await log.stop()
  await admin.deleteTopics({ topics: [topic] })

  // At a start.
  const again = await startLog(options)
  await again.createTopic(TOPIC, 1)
  expect(() => again.read(TOPIC, position, 1)).toThrow(expect.objectContaining({ code: 'not_found' }))
  await append(again, 'a', 'b', 'c')
  expect(again.end(TOPIC)).toEqual(position)
  expect(await again.checksumAt(TOPIC, 0, 2)).not.toBe(checksum)
  expect(await again.checksumAt(TOPIC, 0, 3), 'the marker of the transaction').toBeUndefined()
})

test('a topic that is deleted and stays away stops the reader', async () => {
  const options = kafkaOptions()
  const log = await startLog(options)
  await log.createTopic(TOPIC, 1)
  await append(log, 'a')
  const failed = failureOf(log, [0])
  const admin = await foreignAdmin(options)
  await admin.deleteTopics({ topics: [options.topicPrefix + TOPIC] })
  expect(await failed).toMatchObject({ code: 'gone', message: expect.stringContaining('was deleted') })
})

test('two readers in one group: whoever has not all partitions stops', async () => {
  const options = kafkaOptions()
  const first = await startLog(options)
  await first.createTopic(TOPIC, 2)
  const failed = failureOf(first, [0, 0])
  const second = await startLog(options)
  await second.createTopic(TOPIC, 2)
  const conflict = {
    code: 'conflict',
    message: expect.stringContaining(`another member of the consumer group ${options.group}`),
  }
  expect(await failureOf(second, [0, 0])).toMatchObject(conflict)
  expect(await failed).toMatchObject(conflict)
})

test('a reader that is killed while it has partitions harms its successor not', async () => {
  const options = kafkaOptions()
  const topic = options.topicPrefix + TOPIC
  const admin = await foreignAdmin(options)
  const log = await startLog(options)
  await log.createTopic(TOPIC, 2)
  await append(log, 'a')
  // Whoever reads joins.
  expect(valuesOf(await readAll(log, TOPIC, [0, 0])).flat()).toEqual(['a'])
  const member = GroupMember.start(options.connection.brokers[0]!, options.group, topic)
  try {
    // Until both are in the group.
    while ((await member.joins()).length !== 1);
  } finally {
    member.kill()
  }
  for (let told = ''; told !== '7'; ) {
    await log.committed(TOPIC, [7, 0])
    const [offsets] = await admin.fetchOffsets({ groupId: options.group, topics: [topic] })
    told = offsets!.partitions.find(({ partition }) => partition === 0)!.offset
  }
  await append(log, 'b')
  expect(valuesOf(await readAll(log, TOPIC, [0, 0])).flat()).toEqual(['a', 'b'])
})

test('the group is joined again when a topic is added, and reading goes on; it is told what is committed', async () => {
  const options = kafkaOptions()
  const log = await startLog(options)
  const admin = await foreignAdmin(options)
  for (const [index, topic] of [TOPIC, 'market-data.quotes'].entries()) {
    await log.createTopic(topic, 2)
    await append(log, `${index}`)
    await log.append({ records: new Map([[topic, [record('A', 'x')]]]) })
    expect(valuesOf(await readAll(log, topic, [0, 0])).flat()).toContain('x')
    for (let told: readonly string[] = []; !told.includes('7'); ) {
      // Not a member yet, or not any more, it tells nothing: only Kafka's tools would miss it.
      await log.committed(topic, [7, 0])
      const [offsets] = await admin.fetchOffsets({
        groupId: options.group,
        topics: [options.topicPrefix + topic],
      })
      told = offsets!.partitions.map(({ offset }) => offset)
    }
  }
  expect(valuesOf(await readAll(log, TOPIC, [0, 0])).flat()).toEqual(['0', 'x', '1'])
})

test('added partitions are refused', async () => {
  const options = kafkaOptions()
  const topic = options.topicPrefix + TOPIC
  const log = await startLog(options)
  await log.createTopic(TOPIC, 2)
  const admin = await foreignAdmin(options)
  await admin.createPartitions({ topicPartitions: [{ topic, count: 3 }] })
  await expect(log.createTopic(TOPIC, 2)).rejects.toMatchObject({
    code: 'conflict',
    message: expect.stringMatching(
      /has 3 partitions, not 2: .* log\.partitions set to 3 and log\.acceptAddedPartitions to true/,
    ),
  })
})

test('a topic in which a log cannot be is refused', async () => {
  const options = kafkaOptions()
  const log = await startLog(options)
  const admin = await foreignAdmin(options)
  const made = async (name: string, ...configEntries: { name: string; value: string }[]) => {
    await admin.createTopics({
      topics: [{ topic: options.topicPrefix + name, numPartitions: 1, configEntries }],
      waitForLeaders: true,
    })
    return expect(log.createTopic(name, 1)).rejects
  }
  const appendTime = { name: 'message.timestamp.type', value: 'LogAppendTime' }
  await (await made('client-times')).toMatchObject({
    code: 'conflict',
    message: expect.stringContaining('message.timestamp.type=CreateTime'),
  })
  await (await made('compacted', appendTime, { name: 'cleanup.policy', value: 'compact' })).toMatchObject({
    code: 'conflict',
    message: expect.stringContaining('cleanup.policy=compact'),
  })
})

test.each(['plain', 'scram-sha-256', 'scram-sha-512'] as const)('it logs in by %s', async (mechanism) => {
  const sasl = { mechanism, username: 'ticklake', password: 'not-secret' }
  const connection = { brokers: [told('TICKLAKE_TEST_KAFKA_SASL_BROKERS')], sasl, tls: null }
  const log = await startLog(kafkaOptions({ connection }))
  await log.createTopic(TOPIC, 1)
  await append(log, 'a')
  expect(valuesOf(await readAll(log, TOPIC, [0]))).toEqual([['a']])
  const wrong = { ...connection, sasl: { ...sasl, password: 'wrong' } }
  await expect(startLog(kafkaOptions({ connection: wrong }))).rejects.toMatchObject({ code: 'unavailable' })
})
