import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Engine } from '#engine'
import type { Breakage } from './breakage.js'
import { FAULT_KINDS, type FaultKind } from './faults.js'
import { type RunOutcome, simulate } from './simulation.js'

/** A new engine after so many runs: DuckDB keeps a little of every table that was dropped. */
const RUNS_PER_ENGINE = 500

export interface CampaignOptions {
  readonly seeds: Iterable<number>
  readonly breakage?: Breakage | null
  /** Told after each run; false ends the campaign. */
  readonly onRun?: (outcome: RunOutcome) => boolean
}

export interface CampaignReport {
  readonly runs: number
  readonly steps: number
  readonly answers: number
  readonly faults: ReadonlyMap<FaultKind, number>
  readonly violations: readonly RunOutcome[]
}

/** One run a seed, on one engine at a time. */
export async function campaign({ seeds, breakage, onRun }: CampaignOptions): Promise<CampaignReport> {
  const directory = await mkdtemp(join(tmpdir(), 'ticklake-simulation-'))
  const faults = new Map<FaultKind, number>(FAULT_KINDS.map((kind) => [kind, 0]))
  const violations: RunOutcome[] = []
  let runs = 0
  let steps = 0
  let answers = 0
  let engine: Engine | null = null
  try {
    for (const seed of seeds) {
      if (runs % RUNS_PER_ENGINE === 0) {
        await engine?.close()
        engine = await openEngine(directory)
      }
      const outcome = await simulate({ seed, engine: engine!, directory, breakage: breakage ?? null })
      runs++
      steps += outcome.steps
      answers += outcome.answers
      for (const [kind, count] of outcome.faults) faults.set(kind, (faults.get(kind) ?? 0) + count)
      if (outcome.violation !== null) violations.push(outcome)
      if (onRun && !onRun(outcome)) break
    }
  } finally {
    await engine?.close()
    await rm(directory, { recursive: true })
  }
  return { runs, steps, answers, faults, violations }
}

function openEngine(directory: string): Promise<Engine> {
  return Engine.open({
    memoryLimit: '1GB',
    threads: 1,
    tempDirectory: directory,
    connections: 4,
    maxWaiting: 100,
  })
}

/** The command that runs a seed again. */
export function replayCommand(seed: number, breakage: Breakage | null = null): string {
  return `npm run check:simulation -- --seed ${seed}${breakage ? ` --break ${breakage}` : ''}`
}

/** What went wrong and how to see it again, for people. */
export function describeViolation({ seed, violation }: RunOutcome, breakage: Breakage | null = null): string {
  return `seed ${seed}: ${violation}\n  again: ${replayCommand(seed, breakage)}`
}

export function describeReport({ runs, steps, answers, faults, violations }: CampaignReport): string {
  const kinds = [...faults].map(([kind, count]) => `${kind} ${count}`).join(', ')
  return `${runs} seeds, ${steps} steps, ${answers} answers checked, ${violations.length} violations\n  ${kinds}`
}
