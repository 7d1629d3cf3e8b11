import { mkdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as after } from 'node:timers/promises'
import { ArmedKill } from './armed-kill.js'
import { BorderChecker, TradesModel } from './border-checker.js'
import { tableFiles } from './crashed-folder.js'
import { aimAt, KILL_STAGES, type KillAim, type KillStage, struckStage } from './kill-stage.js'
import { beginLoad, type LakeRows, lacking, lakeRows, loadState } from './lake-rows.js'
import type { SeededRandom } from './seeded-random.js'
import { type ProcessOptions, TicklakeServer } from './ticklake-process.js'

const PARTITIONS = 4

export interface CrashMatrixOptions {
  readonly program: readonly string[]
  /** For the data folders. */
  readonly folder: string
  /** A file of trades, as writeTradesFile makes it. */
  readonly file: string
  readonly random: SeededRandom
  readonly killCount: number
  /** Rows of a flush. Every fourth folder is flushed only at the end: it has much to read again after a crash. */
  readonly flushRows: number
  /** Settings that put the log of a lake, by the lake's name, elsewhere; none: it is in the data folder. */
  readonly logSettings?: (lake: string) => Readonly<Record<string, string>>
  /** Called before each start after a kill, with the number of kills so far: what else may be killed. */
  readonly betweenKills?: (kills: number) => Promise<void>
  /** A line on what has happened. */
  readonly report: (line: string) => void
}

export interface CrashMatrixResult {
  readonly kills: ReadonlyMap<KillStage, number>
  readonly lakes: number
  /** Rows of the undisturbed table that a table lacks, and rows that a table has beyond it: of all lakes together. */
  readonly lost: number
  readonly duplicated: number
  /** Finished lakes whose rows are not those of the undisturbed one, one by one and in its order. */
  readonly different: readonly string[]
  /** Where a ledger and its table disagree. */
  readonly ledgerErrors: readonly string[]
  readonly border: { readonly answers: number; readonly violations: readonly string[] }
  readonly recoveries: readonly Recovery[]
  readonly rowCount: number
  /** Whether to load the finished file once more did nothing. */
  readonly isSecondLoadNoOp: boolean
}

/** A start after a kill. */
export interface Recovery {
  /** Rows that were in the log and in no snapshot. */
  readonly rows: number
  /** From the start of the process until it was ready. */
  readonly ms: number
}

/** What became of a server: it finished the load, or was killed in a stage. */
type Outcome = { readonly killedIn: KillStage } | 'loaded'

/**
 * Loads a file into lakes whose server is killed at seeded moments, in that stage of a row's way that was struck least
 * so far, and started again until the load is through. A reader asks all the while.
 */
export class CrashMatrix {
  readonly #options: CrashMatrixOptions
  readonly #model: TradesModel
  readonly #checker: BorderChecker
  readonly #bytes: Uint8Array
  readonly #kills = new Map<KillStage, number>(KILL_STAGES.map((stage) => [stage, 0]))
  /** A stage that is aimed at and not struck must not be aimed at for ever. */
  readonly #aims = new Map<KillStage, number>(KILL_STAGES.map((stage) => [stage, 0]))
  readonly #recoveries: Recovery[] = []
  /** Aims in a row that met nothing: the load had ended before. */
  #misses = 0

  private constructor(options: CrashMatrixOptions, bytes: Uint8Array) {
    this.#options = options
    this.#bytes = bytes
    this.#model = new TradesModel(options.file, PARTITIONS)
    this.#checker = new BorderChecker(this.#model, options.random, options.logSettings === undefined)
  }

  static async run(options: CrashMatrixOptions): Promise<CrashMatrixResult> {
    return new CrashMatrix(options, await readFile(options.file)).#run()
  }

  async #run(): Promise<CrashMatrixResult> {
    const { killCount, report } = this.#options
    await this.#load('whole', false)
    const { rows: expected, ledgerErrors } = await this.#rows('whole')
    const different: string[] = []
    let [lost, duplicated, lakes] = [0, 0, 0]
    for (; this.#killCount < killCount; lakes++) {
      const lake = `killed-${lakes}`
      await this.#load(lake, true)
      const found = await this.#rows(lake)
      ledgerErrors.push(...found.ledgerErrors)
      const isSame =
        found.rows.length === expected.length && found.rows.every((row, at) => row === expected[at])
      if (!isSame) different.push(lake)
      lost += lacking(found.rows, expected)
      duplicated += lacking(expected, found.rows)
      report(
        `${this.#killCount} kills so far; lake ${lakes}: ${found.rows.length} rows, ${isSame ? 'the same' : 'DIFFERENT'}`,
      )
    }
    const { answers, violations } = this.#checker
    await this.#load('whole', false)
    const again = await this.#rows('whole')
    return {
      kills: this.#kills,
      lakes,
      lost,
      duplicated,
      different,
      ledgerErrors,
      border: { answers, violations },
      recoveries: this.#recoveries,
      rowCount: expected.length,
      isSecondLoadNoOp: again.rows.length === expected.length,
    }
  }

  get #killCount(): number {
    return [...this.#kills.values()].reduce((sum, count) => sum + count, 0)
  }

  /** Loads the file into a lake, again and again until no kill comes in between. */
  async #load(lake: string, isKilled: boolean): Promise<void> {
    const { random, killCount, flushRows, report } = this.#options
    const data = join(this.#options.folder, lake)
    await mkdir(data, { recursive: true })
    this.#checker.begin()
    const isFlushedLate = isKilled && random.oneIn(4)
    const process = this.#process(lake, isFlushedLate ? 10 * this.#model.rowCount : flushRows)
    for (let starts = 0; ; starts++) {
      const mayKill = isKilled && this.#killCount < killCount
      const aim = mayKill ? this.#aim(isFlushedLate ? LOG_STAGES : KILL_STAGES) : null
      const outcome = await this.#serve(data, process, aim, starts > 0)
      if (outcome === 'loaded') {
        if (mayKill) this.#misses++
        return
      }
      this.#misses = 0
      this.#kills.set(outcome.killedIn, this.#kills.get(outcome.killedIn)! + 1)
      report(`  aimed at ${aim?.stage}, struck ${outcome.killedIn}`)
      await this.#options.betweenKills?.(this.#killCount)
    }
  }

  /** One life of a server: it catches up, goes on with the load, and is killed or gets to its end. */
  async #serve(
    data: string,
    process: ProcessOptions,
    aim: KillAim | null,
    isRestart: boolean,
  ): Promise<Outcome> {
    const before = tableFiles(data)
    const startedMs = performance.now()
    const server = await TicklakeServer.launch(data, process)
    const words = { isReady: false, rowsRead: null as number | null, isAllRead: false }
    const kill = new ArmedKill(server, data, aim?.stage === 'consume' ? null : aim)
    try {
      // A reader of the log has the more to read, the sooner it is killed.
      const soon = aim?.stage === 'consume' && isRestart ? setTimeout(() => server.kill(), aim.delayMs) : null
      await server.ready()
      if (soon) clearTimeout(soon)
      words.isReady = true
      if (isRestart) {
        this.#recoveries.push({ rows: await rowsTaken(server), ms: performance.now() - startedMs })
      }
      this.#checker.start(server.url)
      const id = await beginLoad(server, this.#bytes)
      for (;;) {
        const { state, rows_read: rowsRead, error } = await loadState(server, id)
        if (state === 'failed') throw new Error(`the load failed: ${JSON.stringify(error)}`)
        if (state === 'done') break
        words.rowsRead = rowsRead
        words.isAllRead = rowsRead === this.#model.rowCount
        if (words.isAllRead && aim?.stage === 'consume') server.kill()
        await after(2)
      }
      kill.disarm()
      await this.#checker.stop()
      await server.stop()
      return 'loaded'
    } catch (error) {
      // Asked in vain, because it has been killed; anything else is none of our doing.
      if (!(error instanceof TypeError)) throw error
      await server.ended
      if (aim === null || !server.wasKilled)
        throw new Error(`the server has ended: ${server.said.join('\n')}`)
      return { killedIn: struckStage(data, before, words, this.#options.logSettings === undefined) }
    } finally {
      await this.#checker.stop()
      kill.disarm()
      server.kill()
    }
  }

  #rows(lake: string): Promise<LakeRows> {
    return lakeRows(join(this.#options.folder, lake), this.#process(lake, this.#options.flushRows))
  }

  #process(lake: string, flushRows: number): ProcessOptions {
    const { program, logSettings } = this.#options
    const settings = {
      TICKLAKE_FLUSH_ROWS: String(flushRows),
      // What is committed is dropped from the embedded log at once: a crash then strikes its dropping, too. Kafka would
      // drop what is not committed.
      ...(logSettings?.(lake) ?? { TICKLAKE_LOG_MAX_PARTITION_BYTES: '0' }),
    }
    return { program, settings }
  }

  /** At the stage among these that was struck and aimed at least so far. */
  #aim(among: readonly KillStage[]): KillAim {
    const turns = (stage: KillStage) => this.#kills.get(stage)! + this.#aims.get(stage)!
    const rarest = among.reduce((a, b) => (turns(b) < turns(a) ? b : a))
    this.#aims.set(rarest, this.#aims.get(rarest)! + 1)
    return aimAt(rarest, this.#misses, this.#options.random)
  }
}

/** Where a lake that does not flush can be struck. */
const LOG_STAGES: readonly KillStage[] = ['consume', 'load', 'produce']

/** Rows that this process took from the log: before any load, those that were in no snapshot. */
async function rowsTaken(server: TicklakeServer): Promise<number> {
  const { body } = await server.get('/metrics')
  return Number(/^ticklake_rows_total\{table="trades"\} (\d+)$/m.exec(body)?.[1])
}
