import { execFile } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { JAVA, QUICK_AND_SMALL } from './java.js'
import { ServerProcess } from './server-process.js'

const run = promisify(execFile)

export interface KafkaNodeOptions {
  /** What `installKafka` gave. */
  readonly home: string
  /** The same for all nodes of a cluster: `newClusterId`. */
  readonly clusterId: string
  readonly properties: Readonly<Record<string, string>>
  /** Arguments of Kafka's `format`, such as users that are there from the beginning. Default: none. */
  readonly format?: readonly string[]
  /** Default: QUICK_AND_SMALL. */
  readonly javaOptions?: readonly string[]
}

/** One node of Apache Kafka in KRaft mode, with a data folder of its own. */
export class KafkaNode {
  readonly #home: string
  readonly #directory: string
  readonly #javaOptions: readonly string[]
  #process: ServerProcess | null = null

  private constructor(home: string, directory: string, javaOptions: readonly string[]) {
    this.#home = home
    this.#directory = directory
    this.#javaOptions = javaOptions
  }

  /** A new, empty node, which does not run yet. */
  static async create(options: KafkaNodeOptions): Promise<KafkaNode> {
    const { home, javaOptions = QUICK_AND_SMALL } = options
    const directory = await mkdtemp(join(tmpdir(), 'ticklake-kafka-'))
    const node = new KafkaNode(home, directory, javaOptions)
    try {
      await node.#format(options)
    } catch (error) {
      await rm(directory, { recursive: true, force: true })
      throw error
    }
    return node
  }

  /** Starts it, on the data that it has; stops it before when it runs. */
  async restart(): Promise<void> {
    await this.#process?.stop()
    this.#process = await ServerProcess.start({
      file: JAVA,
      args: [...this.#javaOptions, ...this.#program('kafka.Kafka', [PROPERTIES])],
      cwd: this.#directory,
      ready: /Kafka Server started/,
    })
  }

  /** Ends it at once, as a crash would; its data stay. */
  async kill(): Promise<void> {
    await this.#process?.kill()
    this.#process = null
  }

  /** It answers nothing any more, and its connections stay open: as behind a network that fails. */
  suspend(): void {
    this.#process?.suspend()
  }

  resume(): void {
    this.#process?.resume()
  }

  /** Stops it in order and removes its data. */
  async stop(): Promise<void> {
    await this.#process?.stop()
    this.#process = null
    await rm(this.#directory, { recursive: true, force: true })
  }

  /** What a KRaft node needs on its disk before its first start. */
  async #format({ clusterId, properties, format = [] }: KafkaNodeOptions): Promise<void> {
    const all = { ...QUICK, 'log.dirs': join(this.#directory, 'log'), ...properties }
    const lines = Object.entries(all).map(([name, value]) => `${name}=${value}\n`)
    await writeFile(join(this.#directory, PROPERTIES), lines.join(''))
    const args = ['format', `--cluster-id=${clusterId}`, '--config', PROPERTIES, ...format]
    const program = this.#program('kafka.tools.StorageTool', args)
    await run(JAVA, [...QUICK_AND_SMALL, ...program], { cwd: this.#directory })
  }

  #program(mainClass: string, args: readonly string[]): string[] {
    return [...LOGGING, '-cp', join(this.#home, '*'), mainClass, ...args]
  }
}

export function newClusterId(): string {
  return Buffer.from(randomUUID().replaceAll('-', ''), 'hex').toString('base64url')
}

const PROPERTIES = 'server.properties'

/** Warnings, and the one line that says that it is ready. */
const LOGGING = [
  '-Dorg.slf4j.simpleLogger.defaultLogLevel=warn',
  '-Dorg.slf4j.simpleLogger.log.kafka.server.KafkaRaftServer=info',
]

/** What goes without saying in a test. */
const QUICK = {
  'auto.create.topics.enable': 'false',
  // A broker that was killed is given up after so long, and may not come back before: by default 9 s.
  'broker.session.timeout.ms': '3000',
  'broker.heartbeat.interval.ms': '500',
  // A group of one need not wait for others.
  'group.initial.rebalance.delay.ms': '0',
  'offsets.topic.num.partitions': '1',
  'transaction.state.log.num.partitions': '1',
} as const
