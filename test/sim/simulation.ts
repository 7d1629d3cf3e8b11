import { mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { TRADES } from '#core'
import type { Engine } from '#engine'
import { StoredLog } from '../../src/ingest/log/stored-log.js'
import { Answers } from './answers.js'
import type { Breakage } from './breakage.js'
import type { FaultKind } from './faults.js'
import { isUnavailable, SimulatedProcess } from './process.js'
import { Life } from './scheduler.js'
import { verdict } from './verdict.js'
import { World } from './world.js'

/** Steps in which things go wrong, at most, and at most after the last row was appended. */
const STORMY_STEPS = 400
const STORMY_STEPS_AFTER_ALL = 60
/** Steps after which a run that has not come to its end never will. */
const MAX_STEPS = 6_000
const IDLE_ADVANCES_MS = [1, 15, 600, 5_000, 40_000]
const BUSY_ADVANCES_MS = [1, 15, 600]
const MAX_ANSWERS_AT_A_TIME = 2
/** An answer costs as much as all else between two of them. */
const ANSWER_ONE_IN = 16

export interface RunOptions {
  readonly seed: number
  /** Serves all runs; it is left without tables. */
  readonly engine: Engine
  /** Where the run may make a folder. */
  readonly directory: string
  readonly breakage?: Breakage | null
}

export interface RunOutcome {
  readonly seed: number
  /** The promise that did not hold; null when all held. */
  readonly violation: string | null
  readonly faults: ReadonlyMap<FaultKind, number>
  readonly steps: number
  /** Answers that were held against the model. */
  readonly answers: number
  /** Of everything that happened: the same for the same seed. */
  readonly digest: string
  /** The last things that happened. */
  readonly trace: readonly string[]
}

/** Runs the write road through one seed's weather. */
export async function simulate({
  seed,
  engine,
  directory,
  breakage = null,
}: RunOptions): Promise<RunOutcome> {
  const own = join(directory, `seed-${seed}`)
  await mkdir(own, { recursive: true })
  const world = new World({ seed, engine, directory: own, breakage })
  const simulation = new Simulation(world)
  try {
    const violation = await simulation.run()
    const { scheduler, faults } = world
    return {
      seed,
      violation,
      faults: faults.counts,
      steps: scheduler.steps,
      answers: simulation.answers,
      digest: scheduler.digest(),
      trace: scheduler.trace,
    }
  } finally {
    await rm(own, { recursive: true })
  }
}

class Simulation {
  readonly #world: World
  readonly #answers: Answers
  #process: SimulatedProcess
  #lives = 1
  /** Whether the process was started and is neither ending nor handing its partitions over. */
  #isUp = false
  #endsInOrder = false
  #beganInCalm = false
  #allProducedAt: number | null = null
  #asking: Promise<void>[] = []
  #askingCount = 0
  #violation: string | null = null
  #isOver = false

  constructor(world: World) {
    this.#world = world
    this.#answers = new Answers(world.model)
    this.#process = this.#begin()
  }

  get answers(): number {
    return this.#answers.asked
  }

  async run(): Promise<string | null> {
    const { scheduler, clock, random, faults } = this.#world
    while (!this.#isOver && this.#violation === null) {
      if (this.#process.hasProducedAll) this.#allProducedAt ??= scheduler.steps
      const allProducedAt = this.#allProducedAt ?? STORMY_STEPS
      if (scheduler.steps > Math.min(STORMY_STEPS, allProducedAt + STORMY_STEPS_AFTER_ALL)) faults.calm()
      if (scheduler.steps > MAX_STEPS) this.#violation = `no end after ${MAX_STEPS} steps`
      if (!this.#process.life.isAlive) {
        await this.#bury()
        this.#process = this.#begin()
      }
      this.#interfere()
      const moved = await scheduler.step()
      if (!moved) clock.advance(random.pick(IDLE_ADVANCES_MS))
      else if (random.oneIn(8)) clock.advance(random.pick(BUSY_ADVANCES_MS))
      await scheduler.quiet()
    }
    this.#process.life.die()
    await this.#bury()
    return this.#violation ?? (await verdict(this.#world, await this.#logEnd()).catch(textOf))
  }

  #begin(): SimulatedProcess {
    const process = new SimulatedProcess(this.#world, new Life(this.#lives++))
    this.#isUp = false
    this.#endsInOrder = false
    this.#beganInCalm = this.#world.faults.isCalm
    this.#asking = []
    this.#askingCount = 0
    this.#act(async () => {
      await process.start()
      this.#isUp = true
      for (const source of this.#world.sources) this.#act(() => process.produce(source), process)
    }, process)
    return process
  }

  /** Drops what a process leaves behind when it ends, and what a crash takes with it. */
  async #bury(): Promise<void> {
    const { disk, random } = this.#world
    await this.#process.engine.forget()
    if (!this.#endsInOrder) await disk.loseUnsynced(random)
  }

  /** What is done to the process, and asked of it, from outside. */
  #interfere(): void {
    const process = this.#process
    const { random, faults, clock } = this.#world
    if (!this.#isUp || !process.life.isAlive) return
    const { failure, table } = process
    if (failure !== null && !isUnavailable(failure)) {
      this.#violation = `reading has stopped: ${failure.message}`
      return
    }
    // A log that failed in the storm may not know its end: the last process has not seen any.
    if (process.isStuck || (faults.isCalm && !this.#beganInCalm)) this.#restart()
    if (table === null || !this.#isUp) return
    if (random.oneIn(ANSWER_ONE_IN) && this.#askingCount < MAX_ANSWERS_AT_A_TIME) this.#ask()
    if (random.oneIn(40)) this.#act(() => table.flush().catch(requireUnavailable))
    const fault = faults.draw(['rebalance', 'restart', 'clock set back'], 12)
    if (fault === 'clock set back') clock.setWall(clock.nowMs() - random.below(10_000))
    if (fault === 'rebalance') this.#rebalance()
    if (fault === 'restart') this.#restart()
    if (fault === null && faults.isCalm && process.hasProducedAll && process.isCaughtUp) this.#finish()
  }

  #ask(): void {
    const { table, engine } = this.#process
    const { random, scheduler } = this.#world
    if (table === null) return
    const { life } = this.#process
    const pause = () => scheduler.gate(life, 'an answer goes on', () => {})
    const earlier = random.oneIn(2) ? this.#answers.earlier((bound) => random.below(bound)) : null
    this.#askingCount++
    this.#asking.push(
      this.#act(async () => {
        try {
          this.#violation ??= await this.#answers.ask(table, engine, earlier, pause).catch((error) => {
            requireUnavailable(error)
            return null
          })
        } finally {
          this.#askingCount--
        }
      }),
    )
  }

  #rebalance(): void {
    this.#isUp = false
    const process = this.#process
    this.#act(async () => {
      // Readers of the table hold what the next one would make anew.
      await Promise.all(this.#asking)
      await process.stopReader()
      await process.startReader()
      this.#isUp = true
    })
  }

  #restart(): void {
    this.#isUp = false
    const process = this.#process
    this.#act(async () => {
      await Promise.all(this.#asking)
      await process.stop()
      this.#endsInOrder = true
      process.life.die()
    })
  }

  /** Everything is in the log and visible: what is left is to commit it. */
  #finish(): void {
    this.#isUp = false
    const process = this.#process
    this.#act(async () => {
      await Promise.all(this.#asking)
      await process.stop()
      this.#endsInOrder = true
      this.#isOver = true
    })
  }

  /** Something that the process does beside others. That it is refused may end the process, and nothing else. */
  async #act(work: () => Promise<void>, process = this.#process): Promise<void> {
    const { scheduler } = this.#world
    try {
      await work()
    } catch (error) {
      if (!process.life.isAlive) return
      if (!isUnavailable(error)) this.#violation ??= textOf(error)
      scheduler.note(`run ${process.life.number} ends: ${String(error)}`)
      process.life.die()
    }
  }

  async #logEnd() {
    const log = new StoredLog(this.#world.store, this.#world.clock)
    await log.start()
    return log.end(TRADES.topic)
  }
}

function textOf(error: unknown): string {
  return error instanceof Error ? `${error.stack}` : String(error)
}

function requireUnavailable(error: unknown): void {
  if (!isUnavailable(error)) throw error
}
