// Runs the write road in simulation: seed by seed, with everything that can go wrong, against a model. Seeds are shared
// out to as many processes as there are cores; one seed, or a promise that is broken on purpose, takes one.
import '../test/sim/untimed-compression.js'
import { fork } from 'node:child_process'
import { randomInt } from 'node:crypto'
import { once } from 'node:events'
import { availableParallelism } from 'node:os'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { BREAKAGES, type Breakage, isBreakage } from '../test/sim/breakage.js'
import { CampaignReport, campaign, describeReport, describeViolation } from '../test/sim/campaign.js'
import type { RunOutcome } from '../test/sim/simulation.js'

const { values } = parseArgs({
  options: {
    /** How many, from `--from` on. */
    seeds: { type: 'string', default: '1000' },
    /** The first one, or `random`. */
    from: { type: 'string', default: '1' },
    /** This one alone, with what happened last. */
    seed: { type: 'string' },
    /** A promise to break, to see that it is noticed; ends at the first seed that notices. */
    break: { type: 'string' },
  },
})
const breakage = values.break === undefined ? null : breakageOf(values.break)
const count = Number(values.seeds)
const from = values.from === 'random' ? randomInt(2 ** 31 - count) : Number(values.from)
const seeds = values.seed === undefined ? range(from, count) : [Number(values.seed)]
console.log(seeds.length === 1 ? `seed ${seeds[0]}` : `seeds ${from} to ${from + count - 1}`)
if (breakage !== null) console.log(`broken on purpose: ${BREAKAGES[breakage]}`)

let lastShownSecond = 0
function show(outcome: RunOutcome): void {
  if (outcome.violation !== null) console.log(describeViolation(outcome, breakage))
  if (values.seed !== undefined) console.log([...outcome.trace, `digest ${outcome.digest}`].join('\n'))
  const second = Math.floor(process.uptime())
  if (second < lastShownSecond + 30) return
  lastShownSecond = second
  console.log(`seed ${outcome.seed} after ${second} s`)
}

/** Every n-th seed is one process's. */
async function inProcesses(processes: number): Promise<CampaignReport> {
  const report = new CampaignReport()
  const script = fileURLToPath(new URL('simulation-worker.ts', import.meta.url))
  const workers = range(0, processes).map(async (index) => {
    const own = seeds.filter((_, at) => at % processes === index)
    const worker = fork(script, [JSON.stringify(own)], { serialization: 'advanced' })
    worker.on('message', (outcome: RunOutcome) => {
      report.add(outcome)
      show(outcome)
    })
    const [code] = await once(worker, 'exit')
    if (code !== 0) throw new Error(`a process of the simulation ended with ${code}`)
  })
  await Promise.all(workers)
  return report
}

function inThisProcess(): Promise<CampaignReport> {
  return campaign({
    seeds,
    breakage,
    onRun: (outcome) => {
      show(outcome)
      return breakage === null || outcome.violation === null
    },
  })
}

function breakageOf(name: string): Breakage {
  if (isBreakage(name)) return name
  const known = Object.entries(BREAKAGES).map(([key, what]) => `  ${key}: ${what}`)
  throw new Error(`--break ${name} is none of\n${known.join('\n')}`)
}

function range(first: number, length: number): number[] {
  return Array.from({ length }, (_, index) => first + index)
}

const isOne = seeds.length === 1 || breakage !== null
const report = isOne ? await inThisProcess() : await inProcesses(availableParallelism())
console.log(`${describeReport(report)}\n  ${process.uptime().toFixed(0)} s`)
// All seeds came to an end; broken on purpose, the right outcome is that it is noticed.
const isComplete = report.runs === seeds.length || breakage !== null
process.exitCode = isComplete && report.violations.length > 0 === (breakage !== null) ? 0 : 1
