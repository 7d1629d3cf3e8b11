import { MICROS_PER_DAY } from '#core'
import type { DataFile } from './manifest.js'
import type { ManifestFile } from './manifest-list.js'
import { type PartitionSpec, parseTransform } from './partition.js'
import { compareValues, decodeValue } from './values.js'

/**
 * What the rows of interest have in one column; nulls never match. Serialised values, as in bounds.
 * `in`: one of these. `range`: at or above `from`, below `before`; null is open.
 */
export type ColumnPredicate =
  | {
      readonly kind: 'in'
      readonly fieldId: number
      readonly type: string
      readonly values: readonly Uint8Array[]
    }
  | {
      readonly kind: 'range'
      readonly fieldId: number
      readonly type: 'timestamptz'
      readonly from: Uint8Array | null
      readonly before: Uint8Array | null
    }

const DAY_MICROS = BigInt(MICROS_PER_DAY)

/**
 * False only if no row of the file can match all predicates. A bound or count that is missing, or that cannot be
 * understood, excludes nothing. Truncated bounds lie outside the values, so they exclude no file that could match.
 */
export function fileMayMatch(
  file: DataFile,
  spec: PartitionSpec,
  predicates: readonly ColumnPredicate[],
): boolean {
  return predicates.every(
    (predicate) =>
      hasValues(file, predicate.fieldId) &&
      spanMayMatch(
        predicate,
        file.lowerBounds.get(predicate.fieldId) ?? null,
        file.upperBounds.get(predicate.fieldId) ?? null,
      ) &&
      dayIndexes(spec, predicate).every((index) => {
        const day = file.partition[index]
        return typeof day === 'number' ? daysMayMatch(predicate, day, day) : day !== null
      }),
  )
}

/** False only if no file of the manifest can match, by the span of its partitions. */
export function manifestMayMatch(
  manifest: ManifestFile,
  spec: PartitionSpec | undefined,
  predicates: readonly ColumnPredicate[],
): boolean {
  if (!spec || !manifest.partitions) return true
  const summaries = manifest.partitions
  return predicates.every((predicate) =>
    dayIndexes(spec, predicate).every((index) => {
      const summary = summaries[index]
      const lower = summary?.lowerBound ? decodeValue('date', summary.lowerBound) : null
      const upper = summary?.upperBound ? decodeValue('date', summary.upperBound) : null
      return typeof lower !== 'number' || typeof upper !== 'number' || daysMayMatch(predicate, lower, upper)
    }),
  )
}

/** Positions, in the partition tuple, of the days of the predicate's column. Other transforms exclude nothing. */
function dayIndexes(spec: PartitionSpec, predicate: ColumnPredicate): readonly number[] {
  if (predicate.kind !== 'range') return []
  return spec.fields.flatMap((field, index) =>
    field.sourceId === predicate.fieldId && parseTransform(field.transform).kind === 'day' ? [index] : [],
  )
}

function hasValues(file: DataFile, fieldId: number): boolean {
  const values = file.valueCounts.get(fieldId)
  const nulls = file.nullValueCounts.get(fieldId)
  return values === undefined || nulls === undefined || nulls < values
}

function spanMayMatch(
  predicate: ColumnPredicate,
  lower: Uint8Array | null,
  upper: Uint8Array | null,
): boolean {
  const { type } = predicate
  switch (predicate.kind) {
    case 'in':
      return predicate.values.some((value) => !isBelow(type, value, lower) && !isBelow(type, upper, value))
    case 'range':
      return !isBelow(type, upper, predicate.from) && !isAtOrAbove(type, lower, predicate.before)
  }
}

/** Known to be below: false when either is missing or the two cannot be compared. */
function isBelow(type: string, a: Uint8Array | null, b: Uint8Array | null): boolean {
  const order = a === null || b === null ? null : compareValues(type, a, b)
  return order !== null && order < 0
}

function isAtOrAbove(type: string, a: Uint8Array | null, b: Uint8Array | null): boolean {
  const order = a === null || b === null ? null : compareValues(type, a, b)
  return order !== null && order >= 0
}

function daysMayMatch(predicate: ColumnPredicate, firstDay: number, lastDay: number): boolean {
  if (predicate.kind !== 'range') return true
  const from = micros(predicate.from)
  const before = micros(predicate.before)
  const startsTooLate = before !== null && BigInt(firstDay) * DAY_MICROS >= before
  const endsTooEarly = from !== null && (BigInt(lastDay) + 1n) * DAY_MICROS <= from
  return !startsTooLate && !endsTooEarly
}

function micros(bytes: Uint8Array | null): bigint | null {
  const value = bytes === null ? null : decodeValue('timestamptz', bytes)
  return typeof value === 'bigint' ? value : null
}
