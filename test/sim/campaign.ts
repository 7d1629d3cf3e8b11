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

/** What came of some runs together. */
export class CampaignReport {
  readonly faults = new Map<FaultKind, number>(FAULT_KINDS.map((kind) => [kind, 0]))
  readonly violations: RunOutcome[] = []
  runs = 0
  steps = 0
  answers = 0

  add(outcome: RunOutcome): void {
    this.runs++
    this.steps += outcome.steps
    this.answers += outcome.answers
    for (const [kind, count] of outcome.faults) this.faults.set(kind, (this.faults.get(kind) ?? 0) + count)
    if (outcome.violation !== null) this.violations.push(outcome)
  }
}

/** One run a seed, on one engine at a time. */
export async function campaign({ seeds, breakage, onRun }: CampaignOptions): Promise<CampaignReport> {
  const directory = await mkdtemp(join(tmpdir(), 'ticklake-simulation-'))
  const report = new CampaignReport()
  let engine: Engine | null = null
  try {
    for (const seed of seeds) {
      if (report.runs % RUNS_PER_ENGINE === 0) {
        await engine?.close()
        engine = await openEngine(directory)
      }
      const outcome = await simulate({ seed, engine: engine!, directory, breakage: breakage ?? null })
      report.add(outcome)
      if (onRun && !onRun(outcome)) break
    }
  } finally {
    await engine?.close()
    await rm(directory, { recursive: true })
  }
  return report
}

function openEngine(directory: string): Promise<Engine> {
  return Engine.open({
    memoryLimit: '1GB',
    threads: 1,
    tempDirectory: directory,
    connections: 4,
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
