import type { Admin } from 'kafkajs'
import { afterEach, expect, test } from 'vitest'
import { foreignAdmin, kafkaOptions, startLog, stopAll, told } from '../kafka/kafka-fixture.js'
import { SteadyLoad } from '../kafka/steady-load.js'
import { KafkaCluster } from '../kafka-cluster.js'
import type { KafkaNode } from '../kafka-node.js'

const TOPIC = 'market-data.trades'
const COORDINATORS = '__transaction_state'
const NODES = 3

let cluster: KafkaCluster

afterEach(async () => {
  await stopAll()
  await cluster.stop()
})

/** Of partition 0: the node that leads it, and those that have all of it. */
async function leaderOf(admin: Admin, topic: string): Promise<{ leader: number; insync: readonly number[] }> {
  for (;;) {
    const { topics } = await admin.fetchTopicMetadata({ topics: [topic] })
    const partition = topics[0]?.partitions[0]
    if (partition && partition.leader >= 0) return { leader: partition.leader, insync: partition.isr }
  }
}

/** How a node fails, and how it is there again. */
interface Failure {
  readonly begin: (node: KafkaNode) => Promise<void> | void
  readonly end: (node: KafkaNode) => Promise<void> | void
}

const killed: Failure = { begin: (node) => node.kill(), end: (node) => node.restart() }
const hung: Failure = { begin: (node) => node.suspend(), end: (node) => node.resume() }

/** Lets the leader fail until another one has led for some rounds, and waits until it has caught up. */
async function changeLeader(admin: Admin, topic: string, load: SteadyLoad, failure: Failure): Promise<void> {
  const { leader } = await leaderOf(admin, topic)
  const node = cluster.node(leader)
  await failure.begin(node)
  await load.advanced(5)
  await failure.end(node)
  expect((await leaderOf(admin, topic)).leader).not.toBe(leader)
  // With fewer, the next failure would stop it.
  while ((await leaderOf(admin, topic)).insync.length < NODES);
}

test('leaders and coordinators are killed or hang and others take their place: each record once, in its order', async () => {
  cluster = await KafkaCluster.start(told('TICKLAKE_TEST_KAFKA_HOME'))
  const options = kafkaOptions({ connection: { brokers: cluster.brokers, sasl: null, tls: null } })
  const load = await SteadyLoad.start(await startLog(options))
  const admin = await foreignAdmin(options)
  const events = options.topicPrefix + TOPIC
  for (const [topic, failure] of [
    [events, killed],
    [COORDINATORS, killed],
    [events, hung],
  ] as const) {
    await load.advanced(10)
    await changeLeader(admin, topic, load, failure)
  }
  await load.advanced(10)
  await load.expectExact()
}, 300_000)
