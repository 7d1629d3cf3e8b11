// Lives through the years of tables, seed by seed: appends, compactions, expiry, changes of schema and spec, crashes. After
// each step the newest version, three older ones and what readers have pinned are held against lists of rows, and the stamps
// of days against those of all versions before.
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
    /** The stamps of days forget what took rows away: the same. */
    'break-stamps': { type: 'boolean', default: false },
  },
})
const broken = values['break-holds'] ? 'holds' : values['break-stamps'] ? 'stamps' : null
const count = Number(values.seeds)
const from = values.from === 'random' ? randomInt(2 ** 31 - count) : Number(values.from)
console.log(`seeds ${from} to ${from + count - 1}, ${values.steps} steps each`)
let [steps, met, kept, lost] = [0, 0, 0, 0]
const lives = await liveThrough({
  seeds: Array.from({ length: count }, (_, index) => from + index),
  steps: Number(values.steps),
  broken,
  onLife: (life) => {
    steps += life.steps
    met += life.stamps.met
    kept += life.stamps.kept
    lost += life.stamps.lost
    if (life.problem !== null) console.log(describeLife(life))
    return broken === null || life.problem === null
  },
})
const violations = lives.filter(({ problem }) => problem !== null).length
console.log(`stamps of days: ${met} met again, ${kept} kept and ${lost} changed where only files changed`)
console.log(
  `${lives.length} lives, ${steps} steps, ${violations} violations; ${process.uptime().toFixed(0)} s`,
)
process.exitCode = violations > 0 === (broken !== null) ? 0 : 1
