import { describe, expect, test } from 'vitest'
import { estimateOf, memoryBytes } from '../../src/query/estimate.js'
import { NOTHING, type Scan } from '../../src/query/scan.js'
import { tradesFile } from '../support/data-file.js'

const MILLION = 1_000_000

function scanOf(fileRows: readonly number[], tailRows = 0, symbolShare = 1): Scan {
  const files = fileRows.map((recordCount, index) => ({
    ...tradesFile(`file:///${index}`, []),
    recordCount,
    fileSizeBytes: recordCount * 25,
  }))
  const tail =
    tailRows === 0
      ? []
      : [{ relation: 'tail', columns: new Set<string>(), days: new Set<number>(), rowCount: tailRows }]
  return { ...NOTHING, files, tail, symbolShare }
}

describe('an estimate', () => {
  test('counts files, bytes and rows exactly', () => {
    expect(estimateOf(scanOf([MILLION, 3 * MILLION], 500))).toMatchObject({
      files: 2,
      bytes: 100 * MILLION,
      rows: 4_000_500,
      rowsRead: 4_000_500,
      rowsOfSymbols: 4_000_500,
    })
  })

  test('takes of sorted files the row groups of the symbols, and of the tail every row', () => {
    const { rows, rowsRead, rowsOfSymbols } = estimateOf(scanOf([MILLION, 1_000], 5_000, 1 / 500))
    expect([rows, rowsRead, rowsOfSymbols]).toEqual([1_006_000, 122_880 + 1_000 + 5_000, 2_012])
    expect(estimateOf(scanOf([MILLION], 0, 0.5)).rowsRead).toBe(MILLION / 2)
  })

  test('of several scans is that of one statement over them', () => {
    const [one, other] = [scanOf([MILLION], 7, 0.5), scanOf([2 * MILLION])]
    const [a, b, both] = [estimateOf(one), estimateOf(other), estimateOf(one, other)]
    for (const part of ['files', 'bytes', 'rows', 'rowsRead', 'rowsOfSymbols'] as const) {
      expect(both[part]).toBe(a[part] + b[part])
    }
    expect(both.predictedMs).toBeCloseTo(a.predictedMs + b.predictedMs - estimateOf().predictedMs)
  })

  test('of nothing to read is that of a statement', () => {
    const nothing = estimateOf(NOTHING)
    expect(nothing).toMatchObject({ files: 0, rows: 0 })
    expect(nothing.predictedMs).toBeGreaterThan(0)
    expect(nothing.predictedMs).toBeLessThan(10)
  })

  test('of memory grows with what is held, never beyond what is read', () => {
    const estimate = estimateOf(scanOf([MILLION]))
    const page = memoryBytes(estimate, 1_000)
    expect(page - memoryBytes(estimate, 0)).toBe(300_000)
    expect(memoryBytes(estimate, Number.POSITIVE_INFINITY) - memoryBytes(estimate, 0)).toBe(300 * MILLION)
  })
})
