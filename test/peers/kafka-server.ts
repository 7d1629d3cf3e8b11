import { readdirSync } from 'node:fs'
import { freeAddresses } from './free-addresses.js'
import { installJars } from './java.js'
import type { KafkaCertificates } from './kafka-certificates.js'
import { KafkaNode, newClusterId } from './kafka-node.js'

/** Who may come in at `saslBrokers`, by PLAIN, SCRAM-SHA-256 and SCRAM-SHA-512. */
export const KAFKA_USER = { username: 'ticklake', password: 'not-secret' } as const

export interface KafkaServerOptions {
  /** Over the server's properties below. Default: none. */
  readonly properties?: Readonly<Record<string, string>>
  /** Of the server's Java. Default: QUICK_AND_SMALL. */
  readonly javaOptions?: readonly string[]
  /** Of `makeCertificates`: it listens with TLS too. Default: none. */
  readonly certificates?: KafkaCertificates
}

/** The folder of Apache Kafka's jars in the user's cache; installed when missing. */
export function installKafka(version: string): Promise<string> {
  // Kafka leaves the choice of a logger to whoever packs it.
  return installJars(`kafka-${version}`, [
    `org.apache.kafka:kafka_2.13:${version}`,
    'org.slf4j:slf4j-simple:1.7.36',
  ])
}

/** The version of what `installKafka` gave. */
export function kafkaVersion(home: string): string {
  const jar = readdirSync(home).find((name) => /^kafka_2\.13-[\d.]+\.jar$/.test(name))
  if (jar === undefined) throw new Error(`${home} holds no Apache Kafka: no kafka_2.13-*.jar`)
  return jar.replace(/^kafka_2\.13-|\.jar$/g, '')
}

/** Apache Kafka as one node, broker and controller at once, on loopback and with a data folder of its own. */
export class KafkaServer {
  readonly version: string
  /** `host:port`, plain text. It stays the same over a restart. */
  readonly brokers: string
  /** `host:port`, asking for the KAFKA_USER. */
  readonly saslBrokers: string
  /** As these two, with TLS; none without certificates. */
  readonly tlsBrokers: string | undefined
  readonly saslTlsBrokers: string | undefined
  readonly #node: KafkaNode

  private constructor(home: string, listeners: Listeners, node: KafkaNode) {
    this.version = kafkaVersion(home)
    this.brokers = listeners.PLAINTEXT
    this.saslBrokers = listeners.SASL_PLAINTEXT
    this.tlsBrokers = listeners.SSL
    this.saslTlsBrokers = listeners.SASL_SSL
    this.#node = node
  }

  /** A new, empty server. `home` is what `installKafka` gave. */
  static async start(
    home: string,
    { properties = {}, javaOptions, certificates }: KafkaServerOptions = {},
  ): Promise<KafkaServer> {
    const [controller, plain, sasl, tls, saslTls] = await freeAddresses(5)
    const listeners = {
      PLAINTEXT: plain!,
      SASL_PLAINTEXT: sasl!,
      ...(certificates && { SSL: tls!, SASL_SSL: saslTls! }),
    }
    const user = `[name=${KAFKA_USER.username},password=${KAFKA_USER.password}]`
    const node = await KafkaNode.create({
      home,
      clusterId: newClusterId(),
      properties: { ...propertiesOf(listeners, controller!), ...certificates?.properties, ...properties },
      format: ['SCRAM-SHA-256', 'SCRAM-SHA-512'].flatMap((kind) => ['--add-scram', `${kind}=${user}`]),
      ...(javaOptions && { javaOptions }),
    })
    const server = new KafkaServer(home, listeners, node)
    try {
      await server.restart()
    } catch (error) {
      await server.stop()
      throw error
    }
    return server
  }

  /** Starts it again, on the same data and ports, when it was killed; stops it before when it runs. */
  async restart(): Promise<void> {
    await this.#node.restart()
  }

  /** Ends it at once, as a crash would; its data stay. */
  async kill(): Promise<void> {
    await this.#node.kill()
  }

  /** Stops it in order and removes its data. */
  async stop(): Promise<void> {
    await this.#node.stop()
  }
}

/** `host:port` of each security protocol, by Kafka's name of it. */
type Listeners = Readonly<
  Record<'PLAINTEXT' | 'SASL_PLAINTEXT', string> & Partial<Record<'SSL' | 'SASL_SSL', string>>
>

function propertiesOf(listeners: Listeners, controller: string): Record<string, string> {
  const names = Object.keys(listeners)
  const reached = Object.entries(listeners).map(([protocol, address]) => `${protocol}://${address}`)
  const login = 'org.apache.kafka.common.security'
  const { username, password } = KAFKA_USER
  const plain = `${login}.plain.PlainLoginModule required user_${username}="${password}";`
  const scram = `${login}.scram.ScramLoginModule required;`
  const logins = names
    .filter((name) => name.startsWith('SASL_'))
    .map((name) => `listener.name.${name.toLowerCase()}`)
    .flatMap((name) => [
      [`${name}.plain.sasl.jaas.config`, plain],
      [`${name}.scram-sha-256.sasl.jaas.config`, scram],
      [`${name}.scram-sha-512.sasl.jaas.config`, scram],
    ])
  return {
    'process.roles': 'broker,controller',
    'node.id': '1',
    'controller.quorum.voters': `1@${controller}`,
    'controller.listener.names': 'CONTROLLER',
    listeners: [...reached, `CONTROLLER://${controller}`].join(),
    'advertised.listeners': reached.join(),
    'listener.security.protocol.map': [
      'CONTROLLER:PLAINTEXT',
      ...names.map((name) => `${name}:${name}`),
    ].join(),
    'sasl.enabled.mechanisms': 'PLAIN,SCRAM-SHA-256,SCRAM-SHA-512',
    ...Object.fromEntries(logins),
    // One node holds everything.
    'offsets.topic.replication.factor': '1',
    'transaction.state.log.replication.factor': '1',
    'transaction.state.log.min.isr': '1',
  }
}
