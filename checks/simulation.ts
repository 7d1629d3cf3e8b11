// Runs the write road in simulation: seed by seed, with everything that can go wrong, against a model.
import '../test/sim/untimed-compression.js'
import { parseArgs } from 'node:util'
import { BREAKAGES, isBreakage } from '../test/sim/breakage.js'
import { campaign, describeReport, describeViolation } from '../test/sim/campaign.js'

const { values } = parseArgs({
  options: {
    /** How many, from `--from` on. */
    seeds: { type: 'string', default: '1000' },
    from: { type: 'string', default: '1' },
    /** This one alone, with what happened last. */
    seed: { type: 'string' },
    /** A promise to break, to see that it is noticed; ends at the first seed that notices. */
    break: { type: 'string' },
  },
})
const breakage = values.break ?? null
if (breakage !== null && !isBreakage(breakage)) {
  const known = Object.entries(BREAKAGES).map(([name, what]) => `  ${name}: ${what}`)
  throw new Error(`--break ${breakage} is none of\n${known.join('\n')}`)
}
const from = Number(values.seed ?? values.from)
const count = values.seed === undefined ? Number(values.seeds) : 1
if (breakage !== null) console.log(`broken on purpose: ${BREAKAGES[breakage]}`)

let lastShownSecond = 0
const seconds = () => Math.floor(process.uptime())
const report = await campaign({
  seeds: Array.from({ length: count }, (_, index) => from + index),
  breakage,
  onRun: (outcome) => {
    if (outcome.violation !== null) console.log(describeViolation(outcome, breakage))
    if (values.seed !== undefined) console.log([...outcome.trace, `digest ${outcome.digest}`].join('\n'))
    if (seconds() >= lastShownSecond + 30) {
      lastShownSecond = seconds()
      console.log(`seed ${outcome.seed} after ${lastShownSecond} s`)
    }
    return breakage === null || outcome.violation === null
  },
})
console.log(`${describeReport(report)}\n  ${process.uptime().toFixed(0)} s`)
// Broken on purpose, the right outcome is that it is noticed.
process.exitCode = report.violations.length > 0 === (breakage !== null) ? 0 : 1
