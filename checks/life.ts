// Lives through the years of tables, seed by seed: appends, compactions, expiry, changes of schema and spec, crashes. After
// each step the newest version, three older ones and what readers have pinned are held against lists of rows.
import { randomInt } from 'node:crypto'
import { parseArgs } from 'node:util'
import { describeLife, liveThrough } from '../test/life/campaign.js'

const { values } = parseArgs({
  options: {
    seeds: { type: 'string', default: '100' },
    /** The first one, or `random`. */
    from: { type: 'string', default: '1' },
    steps: { type: 'string', default: '40' },
    /** Expiry does not hear of readers: ends at the first seed that notices. */
    'break-holds': { type: 'boolean', default: false },
  },
})
const isBroken = values['break-holds']
const count = Number(values.seeds)
const from = values.from === 'random' ? randomInt(2 ** 31 - count) : Number(values.from)
console.log(`seeds ${from} to ${from + count - 1}, ${values.steps} steps each`)
let steps = 0
const lives = await liveThrough({
  seeds: Array.from({ length: count }, (_, index) => from + index),
  steps: Number(values.steps),
  isHoldBroken: isBroken,
  onLife: (life) => {
    steps += life.steps
    if (life.problem !== null) console.log(describeLife(life))
    return !isBroken || life.problem === null
  },
})
const violations = lives.filter(({ problem }) => problem !== null).length
console.log(
  `${lives.length} lives, ${steps} steps, ${violations} violations; ${process.uptime().toFixed(0)} s`,
)
process.exitCode = violations > 0 === isBroken ? 0 : 1
