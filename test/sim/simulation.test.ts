import './untimed-compression.js'
import { randomInt } from 'node:crypto'
import { expect, test } from 'vitest'
import { BREAKAGES, type Breakage } from './breakage.js'
import { campaign, describeReport, describeViolation } from './campaign.js'
import { FAULT_KINDS } from './faults.js'

/** Few, since DuckDB is the real one: `npm run check:simulation` runs thousands, as .ci/run does. */
const NEW_SEEDS = 40
const KNOWN_SEEDS = 30
/** Each broken promise is noticed by one of the first seeds. */
const MAX_SEEDS_TO_NOTICE = 100

function range(from: number, count: number): number[] {
  return Array.from({ length: count }, (_, index) => from + index)
}

test('rows arrive exactly once, in order, and answers are right all along, whatever fails [inv 1]', async () => {
  const from = randomInt(2 ** 31 - NEW_SEEDS)
  console.log(`seeds from ${from}`)
  const report = await campaign({ seeds: range(from, NEW_SEEDS) })
  console.log(describeReport(report))
  expect(report.violations.map((outcome) => describeViolation(outcome))).toEqual([])
  expect(report.runs).toBe(NEW_SEEDS)
})

test('so they do in runs that are known, in which everything fails that can [inv 2]', async () => {
  const report = await campaign({ seeds: range(1, KNOWN_SEEDS) })
  console.log(describeReport(report))
  expect(report.violations.map((outcome) => describeViolation(outcome))).toEqual([])
  expect(FAULT_KINDS.filter((kind) => !report.faults.get(kind))).toEqual([])
  expect(report.answers).toBeGreaterThan(KNOWN_SEEDS)
})

test('a seed always goes the same way', async () => {
  const digests: string[] = []
  await campaign({
    seeds: [5, 6, 5, 6],
    onRun: ({ digest }) => {
      digests.push(digest)
      return true
    },
  })
  expect(digests.slice(2)).toEqual(digests.slice(0, 2))
  expect(digests[0]).not.toBe(digests[1])
})

// Object.keys gives strings; the object is closed.
test.each(Object.keys(BREAKAGES) as Breakage[])(
  'it is noticed when a promise is broken: %s',
  async (breakage) => {
    const { violations } = await campaign({
      seeds: range(1, MAX_SEEDS_TO_NOTICE),
      breakage,
      onRun: ({ violation }) => violation === null,
    })
    for (const outcome of violations) console.log(describeViolation(outcome, breakage))
    expect(violations).toHaveLength(1)
  },
)
