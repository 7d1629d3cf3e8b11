import { type ChildProcess, spawn } from 'node:child_process'
import { createInterface, type Interface } from 'node:readline'

/** Joins a group for a topic, and prints the partitions that it gets each time, as JSON. */
const PROGRAM = `
  import kafkajs from 'kafkajs'
  const [brokers, groupId, topic] = process.argv.slice(1)
  const member = new kafkajs.Kafka({ brokers: [brokers], logLevel: kafkajs.logLevel.NOTHING })
    .consumer({ groupId, sessionTimeout: 10_000, heartbeatInterval: 200 })
  member.on(member.events.GROUP_JOIN, ({ payload }) =>
    console.log(JSON.stringify(payload.memberAssignment[topic] ?? [])))
  await member.connect()
  await member.subscribe({ topics: [topic] })
  await member.run({ eachBatch: async () => {} })
`

/** A member of a consumer group, in a process of its own, so that it can be killed: then it never leaves the group. */
export class GroupMember {
  readonly #process: ChildProcess
  readonly #lines: AsyncIterator<string>

  private constructor(process: ChildProcess, lines: Interface) {
    this.#process = process
    this.#lines = lines[Symbol.asyncIterator]()
  }

  static start(brokers: string, group: string, topic: string): GroupMember {
    const args = ['--input-type=module', '-e', PROGRAM, brokers, group, topic]
    const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] })
    return new GroupMember(child, createInterface({ input: child.stdout }))
  }

  /** Waits until it has joined, or joined again; gives its partitions. */
  async joins(): Promise<readonly number[]> {
    const { value, done } = await this.#lines.next()
    if (done) throw new Error('the member of the group has ended')
    return JSON.parse(value)
  }

  kill(): void {
    this.#process.kill('SIGKILL')
  }
}
