import { execFile } from 'node:child_process'
import { randomInt, randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { readdirSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { type AddressInfo, createServer, type Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { installJars, JAVA, QUICK_AND_SMALL } from './java.js'
import { ServerProcess } from './server-process.js'

const run = promisify(execFile)

/** Who may come in at `saslBrokers`, by PLAIN, SCRAM-SHA-256 and SCRAM-SHA-512. */
export const KAFKA_USER = { username: 'ticklake', password: 'not-secret' } as const

export interface KafkaServerOptions {
  /** Over the server's properties below. Default: none. */
  readonly properties?: Readonly<Record<string, string>>
  /** Of the server's Java. Default: QUICK_AND_SMALL. */
  readonly javaOptions?: readonly string[]
}

/** The folder of Apache Kafka's jars in the user's cache; installed when missing. */
export function installKafka(version: string): Promise<string> {
  // Kafka leaves the choice of a logger to whoever packs it.
  return installJars(`kafka-${version}`, [
    `org.apache.kafka:kafka_2.13:${version}`,
    'org.slf4j:slf4j-simple:1.7.36',
  ])
}

/** One node of Apache Kafka, broker and controller at once (KRaft), on loopback and with a data folder of its own. */
export class KafkaServer {
  readonly version: string
  /** `host:port`, plain text. It stays the same over a restart. */
  readonly brokers: string
  /** `host:port`, asking for the KAFKA_USER. */
  readonly saslBrokers: string
  readonly #home: string
  readonly #directory: string
  readonly #javaOptions: readonly string[]
  #process: ServerProcess | null = null

  private constructor(
    home: string,
    directory: string,
    [port, saslPort]: readonly number[],
    javaOptions: readonly string[],
  ) {
    this.version = versionOf(home)
    this.brokers = `127.0.0.1:${port}`
    this.saslBrokers = `127.0.0.1:${saslPort}`
    this.#home = home
    this.#directory = directory
    this.#javaOptions = javaOptions
  }

  /** A new, empty server. `home` is what `installKafka` gave. */
  static async start(
    home: string,
    { properties = {}, javaOptions = QUICK_AND_SMALL }: KafkaServerOptions = {},
  ): Promise<KafkaServer> {
    const directory = await mkdtemp(join(tmpdir(), 'ticklake-kafka-'))
    const [controllerPort, ...ports] = await freePorts(3)
    const server = new KafkaServer(home, directory, ports, javaOptions)
    try {
      await server.#format(controllerPort!, properties)
      await server.restart()
    } catch (error) {
      await rm(directory, { recursive: true, force: true })
      throw error
    }
    return server
  }

  /** Starts it again, on the same data and ports, when it was killed; stops it before when it runs. */
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

  /** Stops it in order and removes its data. */
  async stop(): Promise<void> {
    await this.#process?.stop()
    this.#process = null
    await rm(this.#directory, { recursive: true, force: true })
  }

  /** What a KRaft node needs on its disk before its first start: the cluster's id and the user. */
  async #format(controllerPort: number, properties: Readonly<Record<string, string>>): Promise<void> {
    const own = propertiesOf(this.brokers, this.saslBrokers, controllerPort, join(this.#directory, 'log'))
    const lines = Object.entries({ ...own, ...properties }).map(([name, value]) => `${name}=${value}\n`)
    await writeFile(join(this.#directory, PROPERTIES), lines.join(''))
    const clusterId = Buffer.from(randomUUID().replaceAll('-', ''), 'hex').toString('base64url')
    const user = `[name=${KAFKA_USER.username},password=${KAFKA_USER.password}]`
    const scram = ['SCRAM-SHA-256', 'SCRAM-SHA-512'].flatMap((kind) => ['--add-scram', `${kind}=${user}`])
    const format = ['format', `--cluster-id=${clusterId}`, '--config', PROPERTIES, ...scram]
    const args = [...QUICK_AND_SMALL, ...this.#program('kafka.tools.StorageTool', format)]
    await run(JAVA, args, { cwd: this.#directory })
  }

  #program(mainClass: string, args: readonly string[]): string[] {
    return [...LOGGING, '-cp', join(this.#home, '*'), mainClass, ...args]
  }
}

const PROPERTIES = 'server.properties'

/** Warnings, and the one line that says that it is ready. */
const LOGGING = [
  '-Dorg.slf4j.simpleLogger.defaultLogLevel=warn',
  '-Dorg.slf4j.simpleLogger.log.kafka.server.KafkaRaftServer=info',
]

function propertiesOf(
  brokers: string,
  saslBrokers: string,
  controllerPort: number,
  logDirectory: string,
): Record<string, string> {
  const controller = `127.0.0.1:${controllerPort}`
  const login = 'org.apache.kafka.common.security'
  const { username, password } = KAFKA_USER
  return {
    'process.roles': 'broker,controller',
    'node.id': '1',
    'controller.quorum.voters': `1@${controller}`,
    'controller.listener.names': 'CONTROLLER',
    listeners: `PLAINTEXT://${brokers},SASL_PLAINTEXT://${saslBrokers},CONTROLLER://${controller}`,
    'advertised.listeners': `PLAINTEXT://${brokers},SASL_PLAINTEXT://${saslBrokers}`,
    'listener.security.protocol.map':
      'CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,SASL_PLAINTEXT:SASL_PLAINTEXT',
    'sasl.enabled.mechanisms': 'PLAIN,SCRAM-SHA-256,SCRAM-SHA-512',
    'listener.name.sasl_plaintext.plain.sasl.jaas.config': `${login}.plain.PlainLoginModule required user_${username}="${password}";`,
    'listener.name.sasl_plaintext.scram-sha-256.sasl.jaas.config': `${login}.scram.ScramLoginModule required;`,
    'listener.name.sasl_plaintext.scram-sha-512.sasl.jaas.config': `${login}.scram.ScramLoginModule required;`,
    'log.dirs': logDirectory,
    'auto.create.topics.enable': 'false',
    // One node holds everything.
    'offsets.topic.replication.factor': '1',
    'offsets.topic.num.partitions': '1',
    'transaction.state.log.replication.factor': '1',
    'transaction.state.log.min.isr': '1',
    'transaction.state.log.num.partitions': '1',
    // Killed and started again, it waits until its former self has been given up: by default 9 s.
    'broker.session.timeout.ms': '3000',
    'broker.heartbeat.interval.ms': '500',
    // A group of one need not wait for others.
    'group.initial.rebalance.delay.ms': '0',
  }
}

function versionOf(home: string): string {
  const jar = readdirSync(home).find((name) => /^kafka_2\.13-[\d.]+\.jar$/.test(name))
  if (jar === undefined) throw new Error(`${home} holds no Apache Kafka: no kafka_2.13-*.jar`)
  return jar.replace(/^kafka_2\.13-|\.jar$/g, '')
}

/**
 * Below the ports that systems give to outgoing connections: one of those could take the place of a broker that is
 * down, even the very connection that a client tries to it.
 */
const PORTS = [20_000, 30_000] as const

/** Ports that nobody listens on now. Kafka has to be told its own, since it tells clients. */
async function freePorts(count: number): Promise<number[]> {
  const held: Server[] = []
  while (held.length < count) {
    const listener = createServer().listen(randomInt(...PORTS), '127.0.0.1')
    await once(listener, 'listening').then(
      () => held.push(listener),
      (error: NodeJS.ErrnoException) => {
        if (error.code !== 'EADDRINUSE') throw error
      },
    )
  }
  // A listening socket has an address of this form.
  const ports = held.map((listener) => (listener.address() as AddressInfo).port)
  await Promise.all(held.map((listener) => once(listener.close(), 'close')))
  return ports
}
