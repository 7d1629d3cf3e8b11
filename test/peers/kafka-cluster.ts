import { freeAddresses } from './free-addresses.js'
import { QUICK_AND_SMALL } from './java.js'
import { KafkaNode, newClusterId } from './kafka-node.js'

const NODES = [1, 2, 3] as const
const JAVA_OPTIONS = [...QUICK_AND_SMALL, '-Xmx256m']

/** Three nodes of Apache Kafka on loopback, each broker and controller: every partition is on all, and outlives one. */
export class KafkaCluster {
  /** `host:port` of each, plain text. They stay the same over restarts. */
  readonly brokers: readonly string[]
  readonly #nodes: readonly KafkaNode[]

  private constructor(brokers: readonly string[], nodes: readonly KafkaNode[]) {
    this.brokers = brokers
    this.#nodes = nodes
  }

  /** A new, empty cluster. `home` is what `installKafka` gave. */
  static async start(home: string): Promise<KafkaCluster> {
    const addresses = await freeAddresses(2 * NODES.length)
    const brokers = addresses.slice(0, NODES.length)
    const controllers = addresses.slice(NODES.length)
    const voters = NODES.map((id) => `${id}@${controllers[id - 1]}`).join()
    const clusterId = newClusterId()
    const nodes = await Promise.all(
      NODES.map((id) => {
        const broker = `PLAINTEXT://${brokers[id - 1]}`
        const properties = {
          ...REPLICATED,
          'node.id': String(id),
          'controller.quorum.voters': voters,
          listeners: `${broker},CONTROLLER://${controllers[id - 1]}`,
          'advertised.listeners': broker,
        }
        return KafkaNode.create({ home, clusterId, properties, javaOptions: JAVA_OPTIONS })
      }),
    )
    const cluster = new KafkaCluster(brokers, nodes)
    const started = await Promise.allSettled(nodes.map((node) => node.restart()))
    const failed = started.find(({ status }) => status === 'rejected')
    if (failed?.status !== 'rejected') return cluster
    await cluster.stop()
    throw failed.reason
  }

  /** The node with this id, from 1 on. */
  node(id: number): KafkaNode {
    const node = this.#nodes[id - 1]
    if (!node) throw new Error(`there is no node ${id}`)
    return node
  }

  /** Stops all and removes their data. */
  async stop(): Promise<void> {
    // In order, one could not give up its partitions without the others.
    await Promise.all(this.#nodes.map((node) => node.kill()))
    await Promise.all(this.#nodes.map((node) => node.stop()))
  }
}

const REPLICATED = {
  'process.roles': 'broker,controller',
  'controller.listener.names': 'CONTROLLER',
  'listener.security.protocol.map': 'CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT',
  'default.replication.factor': '3',
  'min.insync.replicas': '2',
  'offsets.topic.replication.factor': '3',
  'transaction.state.log.replication.factor': '3',
  'transaction.state.log.min.isr': '2',
} as const
