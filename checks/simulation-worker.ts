// One of the processes among which checks/simulation.ts shares its seeds out: sends it each outcome.
import '../test/sim/untimed-compression.js'
import { campaign } from '../test/sim/campaign.js'

// Given by checks/simulation.ts.
const seeds = JSON.parse(process.argv[2] ?? '[]') as number[]
await campaign({ seeds, onRun: (outcome) => process.send?.(outcome) ?? false })
process.disconnect()
