// Loads the recorded Binance trades of 8 August 2024 without 1,000 of them and with 500 out of place: /v1/coverage names
// exactly those that are missing; then the thousand are loaded, and the gaps close, in sequence_gaps too.
import { readFileSync } from 'node:fs'
import { gunzipSync } from 'node:zlib'
import { loadWithoutSome } from '../test/support/removed-trades.js'
import { SeededRandom } from '../test/support/seeded-random.js'
import { AS_BUILT } from '../test/support/ticklake-process.js'
import { recording } from './shared-data.js'
import { withTemporaryFolder } from './temporary-folder.js'

const seed = Number(process.argv[2] ?? 20_240_808)
const STREAMS = [
  'cm_btcusd_perp',
  'cm_ethusd_perp',
  'spot_btcusdt',
  'spot_ethusdt',
  'usdm_btcusdt',
  'usdm_ethusdt',
]

console.log(`seed ${seed}`)
await withTemporaryFolder(async (folder) => {
  const files = new Map(
    STREAMS.map((stream) => {
      const path = recording(`binance-raw/${stream}_20240808.gz`)
      return [stream, gunzipSync(readFileSync(path)).toString('utf8').split('\n')]
    }),
  )
  const result = await loadWithoutSome({
    program: AS_BUILT,
    settings: { TICKLAKE_FLUSH_ROWS: '20000' },
    folder,
    files,
    random: new SeededRandom(seed),
    removeCount: 1_000,
    shuffleCount: 500,
  })
  const { tradeCount, neverRecorded, removed, after, derived } = result
  console.log(
    `${tradeCount} trades of ${STREAMS.length} streams; ${neverRecorded} ids between them were never recorded`,
  )
  const tell = (what: string, { unnamed, wronglyNamed, missingInMeta }: typeof after) =>
    console.log(
      `${what}: ${missingInMeta} ids missing in meta.gaps; /v1/coverage leaves out ${unnamed.length} of the missing and names ${wronglyNamed.length} others`,
    )
  tell(`${removed} taken out, 500 out of place`, result)
  tell('once those were loaded', after)
  console.log(
    `sequence_gaps at the end: ${derived.ended} gaps have ended, ${derived.missing} ids are missing`,
  )
  const isExact = [result, after].every(
    ({ unnamed, wronglyNamed }) => unnamed.length + wronglyNamed.length === 0,
  )
  const isNoted = result.missingInMeta === neverRecorded + removed && after.missingInMeta === neverRecorded
  const isDerived = derived.missing === neverRecorded && derived.ended > 0
  process.exitCode = isExact && isNoted && isDerived ? 0 : 1
})
