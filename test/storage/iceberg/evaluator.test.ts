import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { TRADES } from '#core'
import {
  type ColumnPredicate,
  fileMayMatch,
  manifestMayMatch,
} from '../../../src/storage/iceberg/evaluator.js'
import type { DataFile } from '../../../src/storage/iceberg/manifest.js'
import { type ManifestFile, summarisePartitions } from '../../../src/storage/iceberg/manifest-list.js'
import {
  type PartitionField,
  type PartitionSpec,
  parseTransform,
} from '../../../src/storage/iceberg/partition.js'
import { icebergSchema } from '../../../src/storage/iceberg/schema.js'
import { applyTransform, type Period, periodStart } from '../../../src/storage/iceberg/transform.js'
import type { Value } from '../../../src/storage/iceberg/values.js'
import { predicatesOf } from '../../../src/storage/predicates.js'
import type { RowFilter } from '../../../src/storage/table.js'
import { type PrunedRow, tradesFile } from '../../support/data-file.js'

const SEED = 20_261_126
const SCHEMA = icebergSchema(TRADES)
const HOUR = 3_600_000_000n
const DAY = 24n * HOUR
const NO_BOUNDS = new Map<number, never>()

const columnId = (name: string) => TRADES.columns.find((column) => column.name === name)!.id
const SYMBOL = columnId('symbol')
const EXCHANGE = columnId('exchange')
const TIME = columnId('exchange_timestamp')

function partitionField(sourceId: number, transform: string, index: number): PartitionField {
  return { sourceId, fieldId: 1000 + index, name: `p${index}`, transform, extra: {} }
}

const specOf = (...fields: readonly (readonly [sourceId: number, transform: string])[]): PartitionSpec => ({
  specId: 7,
  fields: fields.map(([sourceId, transform], index) => partitionField(sourceId, transform, index)),
  extra: {},
})

function partitionValue(row: PrunedRow, { sourceId, transform }: PartitionField): Value | null {
  const source =
    sourceId === SYMBOL ? row.symbol : sourceId === EXCHANGE ? (row.exchange ?? null) : row.micros
  const type = sourceId === TIME ? 'timestamptz' : 'string'
  // A transform that nobody knows: any value will do, and it must not be looked at.
  return applyTransform(parseTransform(transform), type, source) ?? (transform === 'fortnight' ? 3 : null)
}

interface StoredFile {
  readonly file: DataFile
  readonly rows: readonly PrunedRow[]
}

/** One file for each partition, without bounds: only the partition can tell. */
function filesOf(rows: readonly PrunedRow[], spec: PartitionSpec): readonly StoredFile[] {
  const partitions = new Map<string, { partition: (Value | null)[]; rows: PrunedRow[] }>()
  for (const row of rows) {
    const partition = spec.fields.map((field) => partitionValue(row, field))
    const key = JSON.stringify(partition, (_, value) => (typeof value === 'bigint' ? `${value}n` : value))
    const known = partitions.get(key)
    if (known) known.rows.push(row)
    else partitions.set(key, { partition, rows: [row] })
  }
  return Array.from(partitions.values(), ({ partition, rows }, index) => ({
    file: {
      ...tradesFile(`memory:///t/${index}`, rows),
      partition,
      lowerBounds: NO_BOUNDS,
      upperBounds: NO_BOUNDS,
      valueCounts: NO_BOUNDS,
      nullValueCounts: NO_BOUNDS,
    },
    rows,
  }))
}

function manifestOf(files: readonly StoredFile[], spec: PartitionSpec): ManifestFile {
  return {
    path: 'memory:///t/m',
    lengthBytes: 1,
    partitionSpecId: spec.specId,
    content: 'data',
    sequenceNumber: 1,
    minSequenceNumber: 1,
    addedSnapshotId: 1n,
    addedFiles: files.length,
    existingFiles: 0,
    deletedFiles: 0,
    addedRows: files.length,
    existingRows: 0,
    deletedRows: 0,
    partitions: summarisePartitions(
      SCHEMA,
      spec,
      files.map(({ file }) => file),
    ),
    keyMetadata: null,
  }
}

function matches(row: PrunedRow, { symbols, exchange, startMicros, endMicros }: RowFilter): boolean {
  const { symbol, micros } = row
  if (exchange !== undefined && row.exchange !== exchange) return false
  if (symbols && (symbol === null || !symbols.includes(symbol))) return false
  if (startMicros !== undefined && (micros === null || micros < startMicros)) return false
  return endMicros === undefined || (micros !== null && micros < endMicros)
}

const symbols = fc.constantFrom('BHP', 'BHQ', 'CBA', 'ANZ', '', '😀a', '😀b', '\uffff')
const exchanges = fc.constantFrom('ASX', 'NYSE', 'NYX')
// Around the turns of hours, days, months and years before and after 1970.
const micros = fc
  .record({
    start: fc.constantFrom(0n, -DAY, DAY, 31n * DAY, 59n * DAY, 365n * DAY, -31n * DAY, -365n * DAY),
    hour: fc.constantFrom(0n, 1n, 23n),
    off: fc.constantFrom(0n, 1n, HOUR / 2n, HOUR - 1n),
  })
  .map(({ start, hour, off }) => start + hour * HOUR + off)
const nullable = <T>(value: fc.Arbitrary<T>) => fc.option(value, { freq: 8 })
const manyRows = fc.array(
  fc.record({ symbol: nullable(symbols), exchange: nullable(exchanges), micros: nullable(micros) }),
  { minLength: 1, maxLength: 15 },
)
const filters: fc.Arbitrary<RowFilter> = fc.record(
  {
    symbols: fc.array(symbols, { maxLength: 3 }),
    exchange: exchanges,
    startMicros: micros,
    endMicros: micros,
  },
  { requiredKeys: [] },
)
const timeTransforms = fc.constantFrom(
  'year',
  'month',
  'day',
  'hour',
  'identity',
  'void',
  'fortnight',
  'bucket[4]',
)
const textTransforms = fc.constantFrom(
  'identity',
  'bucket[1]',
  'bucket[3]',
  'truncate[1]',
  'truncate[2]',
  'void',
)
const specs = fc
  .array(
    fc.oneof(
      fc.tuple(fc.constant(TIME), timeTransforms),
      fc.tuple(fc.constantFrom(SYMBOL, EXCHANGE), textTransforms),
    ),
    { maxLength: 4 },
  )
  .map((fields) => specOf(...fields))

describe('pruning by any partition spec', () => {
  test('never leaves out a file or a manifest with a row of the filter', () => {
    let kept = 0
    let left = 0
    fc.assert(
      fc.property(manyRows, specs, fc.array(filters, { minLength: 4, maxLength: 4 }), (rows, spec, asked) => {
        const files = filesOf(rows, spec)
        for (const filter of asked) {
          const predicates = predicatesOf(TRADES, filter)
          const chosen = new Set(files.filter(({ file }) => fileMayMatch(file, spec, predicates)))
          const needed = files.filter((file) => file.rows.some((row) => matches(row, filter)))
          expect(needed.filter((file) => !chosen.has(file))).toEqual([])
          if (!manifestMayMatch(manifestOf(files, spec), spec, predicates)) expect(needed).toEqual([])
          for (const one of needed) {
            expect(manifestMayMatch(manifestOf([one], spec), spec, predicates)).toBe(true)
          }
          kept += chosen.size
          left += files.length - chosen.size
        }
      }),
      { numRuns: 1000, seed: SEED },
    )
    expect(kept).toBeGreaterThan(1000)
    expect(left).toBeGreaterThan(1000)
  })

  test('leaves out every period that the range does not touch', () => {
    const periods = fc.constantFrom<Period>('year', 'month', 'day', 'hour')
    const ends = fc.record({ startMicros: micros, endMicros: micros }, { requiredKeys: [] })
    fc.assert(
      fc.property(periods, micros, ends, (period, time, filter) => {
        const spec = specOf([TIME, period])
        const [stored] = filesOf([{ symbol: 'BHP', micros: time }], spec)
        const number = Number(stored!.file.partition[0])
        const { startMicros, endMicros } = filter
        const isTouched =
          (startMicros === undefined || periodStart(period, number + 1) > startMicros) &&
          (endMicros === undefined || periodStart(period, number) < endMicros)
        const predicates = predicatesOf(TRADES, filter)
        expect(fileMayMatch(stored!.file, spec, predicates)).toBe(isTouched)
        expect(manifestMayMatch(manifestOf([stored!], spec), spec, predicates)).toBe(isTouched)
      }),
      { numRuns: 2000, seed: SEED },
    )
  })

  test.each(['identity', 'bucket[5]', 'truncate[1]', 'truncate[2]'])(
    'leaves out every other value of %s',
    (transform) => {
      fc.assert(
        fc.property(symbols, fc.array(symbols, { maxLength: 3 }), (symbol, asked) => {
          const spec = specOf([SYMBOL, transform])
          const [stored] = filesOf([{ symbol, micros: 0n }], spec)
          const partitionOf = (text: string) => applyTransform(parseTransform(transform), 'string', text)
          const isAsked = asked.some((text) => partitionOf(text) === partitionOf(symbol))
          const predicates = predicatesOf(TRADES, { symbols: asked })
          expect(fileMayMatch(stored!.file, spec, predicates)).toBe(isAsked)
          expect(manifestMayMatch(manifestOf([stored!], spec), spec, predicates)).toBe(isAsked)
        }),
        { numRuns: 300, seed: SEED },
      )
    },
  )

  test('leaves out partitions of nulls, unless void made them', () => {
    const [stored] = filesOf([{ symbol: null, micros: 0n }], specOf([SYMBOL, 'bucket[4]']))
    const predicates = predicatesOf(TRADES, { symbols: ['BHP'] })
    expect(fileMayMatch(stored!.file, specOf([SYMBOL, 'bucket[4]']), predicates)).toBe(false)
    expect(fileMayMatch(stored!.file, specOf([SYMBOL, 'void']), predicates)).toBe(true)
  })

  test('concludes nothing from partition values of a type that is not theirs', () => {
    const spec = specOf([TIME, 'hour'], [SYMBOL, 'identity'])
    const [stored] = filesOf([{ symbol: 'BHP', micros: 0n }], spec)
    const odd = { ...stored!.file, partition: [4_000_000_000, 7] }
    const predicates: readonly ColumnPredicate[] = predicatesOf(TRADES, {
      symbols: ['ANZ'],
      startMicros: 1n,
      endMicros: 2n,
    })
    expect(fileMayMatch(odd, spec, predicates)).toBe(true)
    expect(fileMayMatch({ ...odd, partition: [] }, spec, predicates)).toBe(true)
    expect(fileMayMatch(stored!.file, spec, predicates)).toBe(false)
  })
})
