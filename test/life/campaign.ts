import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { systemClock } from '#core'
import { Engine } from '#engine'
import { SeededRandom } from '../support/seeded-random.js'
import type { Broken } from './lived-table.js'
import type { StampCounts } from './stamp-book.js'
import { TableLife } from './table-life.js'

export interface LifeCampaign {
  readonly seeds: Iterable<number>
  readonly steps: number
  readonly broken?: Broken | null
  /** Told after each life; false ends the campaign. */
  readonly onLife?: (outcome: LifeOutcome) => boolean
}

export interface LifeOutcome {
  readonly seed: number
  readonly steps: number
  /** What was wrong, and null when nothing was. */
  readonly problem: string | null
  /** What had been done until then. */
  readonly done: readonly string[]
  readonly stamps: StampCounts
}

/** A life of a table for each seed, on one engine. After each step all is compared. */
export async function liveThrough({
  seeds,
  steps,
  broken = null,
  onLife,
}: LifeCampaign): Promise<readonly LifeOutcome[]> {
  const directory = await mkdtemp(join(tmpdir(), 'ticklake-life-'))
  const engine = await Engine.open({
    memoryLimit: '1GB',
    threads: 1,
    tempDirectory: join(directory, 'temp'),
    connections: 2,
  })
  const outcomes: LifeOutcome[] = []
  try {
    for (const seed of seeds) {
      const own = join(directory, `seed-${seed}`)
      const outcome = await liveOnce(seed, steps, { engine, directory: own, broken })
      await rm(own, { recursive: true, force: true })
      outcomes.push(outcome)
      if (onLife && !onLife(outcome)) break
    }
  } finally {
    await engine.close()
    await rm(directory, { recursive: true })
  }
  return outcomes
}

async function liveOnce(
  seed: number,
  steps: number,
  options: { readonly engine: Engine; readonly directory: string; readonly broken: Broken | null },
): Promise<LifeOutcome> {
  const life = await TableLife.begin({ ...options, random: new SeededRandom(seed) }, systemClock.nowMs())
  try {
    for (let step = 0; step < steps; step++) {
      await life.step()
      const problem = await life.problem()
      if (problem !== null) return { seed, steps: step + 1, problem, done: life.done, stamps: life.stamps }
    }
    return { seed, steps, problem: null, done: life.done, stamps: life.stamps }
  } catch (error) {
    const problem = error instanceof Error ? `${error.stack}` : String(error)
    return { seed, steps: life.done.length, problem, done: life.done, stamps: life.stamps }
  } finally {
    life.end()
  }
}

export function describeLife({ seed, problem, done }: LifeOutcome): string {
  return `seed ${seed}, step ${done.length}: ${problem}\n  ${done.join('\n  ')}`
}
