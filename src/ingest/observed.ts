import { batchColumn, type ColumnBatch, MICROS_PER_DAY, type StringColumn, type TableDefinition } from '#core'
import type { LogRows } from '#storage'
import { cellText, sameCell } from './string-cells.js'

/** What a table wants to know of rows beside the rows: partitions to write and how far their feeds have come. */
type Observed = Pick<LogRows, 'days' | 'watermarks'>

/** Looks once through a batch. Neighbouring rows mostly share day and exchange, so only changes cost anything. */
export function observe(batch: ColumnBatch): Observed {
  const times = batchColumn(batch, batch.definition.partitionColumn, 'long').values
  return {
    days: daysOf(times),
    watermarks: hasExchange(batch.definition)
      ? watermarksOf(batchColumn(batch, 'exchange', 'string'), times)
      : new Map(),
  }
}

function hasExchange(definition: TableDefinition): boolean {
  return definition.columns.some((column) => column.name === 'exchange')
}

const TWO_TO_32 = 2 ** 32

function daysOf(times: BigInt64Array): Set<number> {
  const halves = new Int32Array(times.buffer, times.byteOffset, times.length * 2)
  const days = new Set<number>()
  let dayStart = Number.NaN
  for (let row = 0; row < times.length; row++) {
    // Exact: event times lie within ±2^53 µs.
    const micros = halves[row * 2 + 1]! * TWO_TO_32 + (halves[row * 2]! >>> 0)
    if (micros >= dayStart && micros < dayStart + MICROS_PER_DAY) continue
    const day = Math.floor(micros / MICROS_PER_DAY)
    days.add(day)
    dayStart = day * MICROS_PER_DAY
  }
  return days
}

function watermarksOf(exchange: StringColumn, times: BigInt64Array): Map<string, bigint> {
  const halves = new Int32Array(times.buffer, times.byteOffset, times.length * 2)
  const watermarks = new Map<string, bigint>()
  let runStart = 0
  let newest = 0
  const endRun = () => {
    const name = cellText(exchange, runStart)
    const before = watermarks.get(name)
    if (before === undefined || times[newest]! > before) watermarks.set(name, times[newest]!)
  }
  for (let row = 1; row < times.length; row++) {
    if (!sameCell(exchange, row, runStart)) {
      endRun()
      runStart = row
      newest = row
    } else if (isLater(halves, row, newest)) newest = row
  }
  if (times.length > 0) endRun()
  return watermarks
}

function isLater(halves: Int32Array, row: number, than: number): boolean {
  const high = halves[row * 2 + 1]!
  const otherHigh = halves[than * 2 + 1]!
  return high === otherHigh ? halves[row * 2]! >>> 0 > halves[than * 2]! >>> 0 : high > otherHigh
}
