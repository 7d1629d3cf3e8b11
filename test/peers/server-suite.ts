import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { systemClock } from '#core'
import { signalGroup, spawnGuarded } from './guarded.js'
import type { Suite, SuiteRun } from './suite.js'

const root = fileURLToPath(new URL('../../', import.meta.url))
const vitest = join(root, 'node_modules', '.bin', 'vitest')

/** Of vitest's JSON report. */
interface Outcome {
  readonly numPassedTests: number
  readonly numFailedTests: number
}

/** A foreign server that runs. */
export interface Service {
  /** As it tells itself. */
  readonly version: string
  /** What its tests need to find it: TICKLAKE_TEST_*. */
  readonly env: Readonly<Record<string, string>>
  stop(): Promise<void>
}

export interface ServerSuiteOptions {
  readonly id: string
  readonly title: string
  /** See Suite. Absent: no. */
  readonly waits?: boolean
  /** The folder of its `*.peer.test.ts`, from the project's root. */
  readonly tests: string
  /** Installs what `start` needs and gives the way to start it. What it throws says why the peer can't be had. */
  readonly install: () => Promise<() => Promise<Service>>
}

/** Tests that vitest runs while a foreign server is there for them. */
export class ServerSuite implements Suite {
  readonly id: string
  readonly waits: boolean
  readonly #title: string
  readonly #tests: string
  readonly #install: ServerSuiteOptions['install']

  constructor({ id, title, waits = false, tests, install }: ServerSuiteOptions) {
    this.id = id
    this.waits = waits
    this.#title = title
    this.#tests = tests
    this.#install = install
  }

  async run(run: SuiteRun): Promise<void> {
    const start = await this.#install().catch((error: Error) => {
      run.report.cannotHave(this.#title, error.message)
      return null
    })
    if (start === null || run.signal.aborted) return
    const startedMs = systemClock.monotonicMs()
    const service = await start().catch((error: Error) => {
      run.report.fail(`${this.#title} does not start`, error.message.split('\n'))
      return null
    })
    if (service === null) return
    try {
      const seconds = ((systemClock.monotonicMs() - startedMs) / 1000).toFixed(1)
      run.report.say(`${this.#title}: ${service.version}, started in ${seconds} s`)
      await this.#test(run, service)
    } finally {
      await service.stop()
    }
  }

  async #test({ report, directory, signal }: SuiteRun, service: Service): Promise<void> {
    const output = join(directory, `${this.id}.json`)
    const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${output}`]
    const args = ['run', '--config', 'vitest.peers.config.ts', ...reporters, this.#tests]
    const child = await spawnGuarded(vitest, args, {
      cwd: root,
      // What its tests leave behind when they are ended goes with our own files.
      env: { ...process.env, ...service.env, TMPDIR: directory },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    for (const output of [child.stdout, child.stderr]) output?.setEncoding('utf8').on('data', report.write)
    const closed = once(child, 'close')
    const end = () => signalGroup(child, 'SIGTERM')
    signal.addEventListener('abort', end)
    if (signal.aborted) end()
    const [code, killedBy] = await closed
    signal.removeEventListener('abort', end)
    if (signal.aborted) return
    const line = `${this.#title} ${service.version}`
    // Without a report vitest did not get as far as to run a test.
    const outcome: Outcome | null = await readFile(output, 'utf8').then(JSON.parse, () => null)
    const passed = outcome?.numPassedTests ?? 0
    const failed = outcome?.numFailedTests ?? 0
    if (code === 0 && passed > 0) {
      report.pass(`${line}: ${passed} tests`, passed)
    } else {
      const reason = failed > 0 ? `${failed} tests failed` : `vitest ended with ${code ?? killedBy}`
      report.fail(`${line}: ${reason}`, [], failed || 1, passed)
    }
  }
}
