// Asks lakes that live through appends, late rows, corrections, foreign commits, flushes, compactions and expiry, seed by
// seed: the rows alone, the rollups, the cache in memory and a real Redis must give the same bytes, which are those that a
// plain model of the lake gives at the same version. Then 16 clients ask while the lake goes on.
import { randomInt } from 'node:crypto'
import { parseArgs } from 'node:util'
import { type AnswerOutcome, describeWrong, liveAndAsk } from '../test/answers/campaign.js'
import { installRedis, RedisServer } from '../test/peers/redis-server.js'

const { values } = parseArgs({
  options: {
    seeds: { type: 'string', default: '20' },
    /** The first one, or `random`. */
    from: { type: 'string', default: '1' },
    steps: { type: 'string', default: '25' },
    clients: { type: 'string', default: '16' },
    /** Keys of the caches forget which rows their days have: ends at the first seed that notices. */
    'break-stamps': { type: 'boolean', default: false },
  },
})
const isBroken = values['break-stamps']
const count = Number(values.seeds)
const steps = Number(values.steps)
const from = values.from === 'random' ? randomInt(2 ** 31 - count) : Number(values.from)
console.log(`seeds ${from} to ${from + count - 1}, ${steps} steps each`)

const redis = await installRedis().then(
  async ({ file, version }) => {
    console.log(`L1 is Redis ${version}`)
    return RedisServer.start(file)
  },
  (error: unknown) => {
    console.log(`there is no Redis to be had, so that L1 is not tried: ${error}`)
    return null
  },
)
const redisUrl = redis?.url ?? null
const total = { lives: 0, questions: 0, gone: 0, wrong: 0 }
const pages = { redis: 0, memory: 0, rollup: 0, rows: 0 }
function add(outcome: AnswerOutcome): void {
  total.lives++
  total.questions += outcome.questions
  total.gone += outcome.gone
  total.wrong += outcome.wrong.length
  for (const by of ['redis', 'memory', 'rollup', 'rows'] as const) pages[by] += outcome.pages[by]
  if (outcome.wrong.length > 0) console.log(describeWrong(outcome))
}
try {
  for (let seed = from; seed < from + count && !(isBroken && total.wrong > 0); seed++) {
    add(await liveAndAsk(seed, { steps, clients: 0, redisUrl, isBroken }))
    if (!isBroken) add(await liveAndAsk(seed, { steps, clients: Number(values.clients), redisUrl }))
  }
} finally {
  await redis?.stop()
}
const { redis: l1, memory: l2, rollup: l3, rows } = pages
console.log(`pages by L1 ${l1}, by L2 ${l2}, by L3 ${l3}, by rows ${rows}`)
console.log(
  `${total.lives} lives, ${total.questions} questions, ${total.gone} of what had expired, ${total.wrong} wrong answers; ` +
    `${process.uptime().toFixed(0)} s`,
)
process.exitCode = total.wrong > 0 === isBroken ? 0 : 1
