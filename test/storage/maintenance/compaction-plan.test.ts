import { expect, test } from 'vitest'
import { TRADES } from '#core'
import {
  type CompactionPolicy,
  compactionGroups,
  piecesOf,
} from '../../../src/storage/maintenance/compaction-plan.js'
import type { LiveFile } from '../../../src/storage/prune.js'
import { tradesFile } from '../../support/data-file.js'

const DAY = 86_400_000_000n
const POLICY: CompactionPolicy = {
  targetBytes: 1000,
  minInputs: 3,
  patient: false,
  specId: 0,
  sortOrderId: 1,
  cutColumn: TRADES.columns.find(({ name }) => name === 'symbol')!.id,
}

function file(bytes: number, { day = 0, specId = 0, sortOrderId = 1, symbols = ['BHP'] } = {}): LiveFile {
  const made = tradesFile(
    `${bytes}`,
    symbols.map((symbol) => ({ symbol, micros: BigInt(day) * DAY })),
  )
  return { specId, file: { ...made, fileSizeBytes: bytes, sortOrderId } }
}

const sizes = (files: readonly LiveFile[], policy: Partial<CompactionPolicy> = {}) =>
  compactionGroups(files, { ...POLICY, ...policy }).map((group) =>
    group.files.map(({ fileSizeBytes }) => fileSizeBytes),
  )

test('small files of one partition become one; files of a good size stay', () => {
  expect(sizes([file(100), file(900), file(200), file(300)])).toEqual([[100, 200, 300]])
  expect(sizes([file(100), file(200, { day: 1 }), file(300, { day: 2 })])).toEqual([])
})

test('fewer than asked for are left alone', () => {
  expect(sizes([file(100), file(200)])).toEqual([])
  expect(sizes([file(100), file(200)], { minInputs: 2 })).toEqual([[100, 200]])
})

test('a file that is too large becomes several, one of another order or spec is written anew', () => {
  const large = file(3000, { symbols: ['BHP', 'CBA'] })
  const [group] = compactionGroups([large], POLICY)
  expect(sizes([large], { cutColumn: null })).toEqual([])
  expect(sizes([file(3000)]), 'of one symbol, which stays together').toEqual([])
  expect(piecesOf(group!, POLICY.targetBytes)).toBe(3)
  expect(sizes([file(900, { sortOrderId: 0 })])).toEqual([[900]])
  expect(sizes([file(900, { specId: 7 }), file(950)])).toEqual([[900]])
})

test('a group is no larger than memory allows, and what gains nothing is no group', () => {
  const many = Array.from({ length: 20 }, () => file(500))
  expect(sizes(many).map((group) => group.length)).toEqual([8, 8, 4])
  expect(sizes([file(700), file(700), file(700)])).toEqual([[700, 700, 700]])
  expect(sizes([file(740), file(740), file(740)].concat(file(740)))).toEqual([[740, 740, 740, 740]])
})

test('a patient one lets a file wait that is larger than all others together', () => {
  const day = [file(600), file(50), file(50), file(50)]
  expect(sizes(day)).toEqual([[600, 50, 50, 50]])
  expect(sizes(day, { patient: true })).toEqual([[50, 50, 50]])
  expect(sizes([file(100), file(50), file(50)], { patient: true })).toEqual([[100, 50, 50]])
})
