import { SeededRandom } from '../support/seeded-random.js'
import { changeColumns, changeOrder, changePartitions, widen } from './evolution-steps.js'
import type { LivedTable } from './lived-table.js'
import { append, appendLate, correct, correctTwice } from './log-steps.js'
import { clearOrphans, compactFiles, expire, rewriteAllManifests, verifyFiles } from './maintenance-steps.js'

/** One thing that may happen to a table, in a way that chance decides. */
export type Step = (table: LivedTable, random: SeededRandom) => Promise<void>

const foreignAppend: Step = (table) => table.foreign.append(table)
const deletePositions: Step = (table) => table.foreign.deletePositions(table)
const deleteValues: Step = (table) => table.foreign.deleteValues(table)
const upsert: Step = (table) => table.foreign.upsert(table)
const takeBack: Step = (table) => table.foreign.takeBack(table)
const beginToRead: Step = async ({ readers, head }) => readers.begin(head)
const endReading: Step = async ({ readers }) => readers.end()

/** Of those that may happen at once. Schemas, specs and orders are changed by one at a time. */
const RACERS: readonly (readonly Step[])[] = [
  [append, appendLate],
  [correct],
  [compactFiles],
  [rewriteAllManifests, expire, verifyFiles],
  [changeColumns, changePartitions],
  [foreignAppend, deletePositions, deleteValues, upsert],
]

/** Two to four of them. All end before anything else begins; the first failure is what is heard of. */
async function race(table: LivedTable, random: SeededRandom): Promise<void> {
  const chosen = Array.from({ length: 2 + random.below(3) }, () => random.pick(RACERS))
  const steps = [...new Set(chosen)].map((racers) => random.pick(racers))
  table.note(`(${steps.map(({ name }) => name).join(', ')})`)
  // Chance of its own for each, whatever order they come to draw in.
  const work = steps.map((step) => step(table, new SeededRandom(random.uint32())))
  for (const outcome of await Promise.allSettled(work)) {
    if (outcome.status === 'rejected') throw outcome.reason
  }
}

/** As often as they are named. */
export const STEPS: readonly Step[] = [
  append,
  append,
  append,
  appendLate,
  correct,
  correct,
  correctTwice,
  compactFiles,
  compactFiles,
  rewriteAllManifests,
  expire,
  expire,
  clearOrphans,
  verifyFiles,
  changeColumns,
  changeColumns,
  widen,
  changePartitions,
  changeOrder,
  foreignAppend,
  foreignAppend,
  deletePositions,
  deleteValues,
  upsert,
  takeBack,
  race,
  race,
  race,
  race,
  beginToRead,
  beginToRead,
  beginToRead,
  endReading,
]
