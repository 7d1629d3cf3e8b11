import type { DataFile } from './manifest.js'
import type { ManifestFile } from './manifest-list.js'
import { type PartitionSpec, parseTransform } from './partition.js'
import { applyTransform, periodOfMicros } from './transform.js'
import { compareValues, decodeValue, encodeValue, type Value } from './values.js'

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

/** The same of values that are in no column: those of a partition. */
type ValueTest =
  | { readonly kind: 'in'; readonly type: string; readonly values: readonly Uint8Array[] }
  | {
      readonly kind: 'range'
      readonly type: string
      readonly from: Uint8Array | null
      readonly before: Uint8Array | null
    }

const MAX_INT = 2 ** 31 - 1

/** What a predicate says of partition values, by transform: worked out once, and then asked for each file. */
const projections = new WeakMap<ColumnPredicate, Map<string, ValueTest | null>>()

/**
 * False only if no row of the file can match all predicates: by its partition, whatever the spec, and by its columns. A
 * bound or count that is missing, or that cannot be understood, excludes nothing. Truncated bounds lie outside the
 * values, so they exclude no file that could match.
 */
export function fileMayMatch(
  file: DataFile,
  spec: PartitionSpec,
  predicates: readonly ColumnPredicate[],
): boolean {
  return predicates.every(
    (predicate) =>
      hasValues(file, predicate.fieldId) &&
      mayMatch(
        predicate,
        file.lowerBounds.get(predicate.fieldId) ?? null,
        file.upperBounds.get(predicate.fieldId) ?? null,
      ) &&
      spec.fields.every(({ sourceId, transform }, index) => {
        const test = sourceId === predicate.fieldId ? projection(predicate, transform) : null
        if (test === null) return true
        const value = file.partition[index]
        // A row whose value is not null has no null partition under a transform that projects.
        if (value === null) return false
        const bytes = value === undefined ? null : serialised(test.type, value)
        return mayMatch(test, bytes, bytes)
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
    spec.fields.every(({ sourceId, transform }, index) => {
      const test = sourceId === predicate.fieldId ? projection(predicate, transform) : null
      const summary = summaries[index]
      return test === null || !summary || mayMatch(test, summary.lowerBound, summary.upperBound)
    }),
  )
}

/** What the predicate says of the partition values of its column; null: nothing. */
function projection(predicate: ColumnPredicate, transform: string): ValueTest | null {
  const known = projections.get(predicate) ?? new Map<string, ValueTest | null>()
  projections.set(predicate, known)
  const test = known.get(transform) ?? project(predicate, transform)
  known.set(transform, test)
  return test
}

function project(predicate: ColumnPredicate, transformText: string): ValueTest | null {
  const transform = parseTransform(transformText)
  switch (transform.kind) {
    case 'identity':
      return predicate
    case 'year':
    case 'month':
    case 'day':
    case 'hour': {
      if (predicate.kind !== 'range') return null
      const from = micros(predicate.from)
      const before = micros(predicate.before)
      return {
        kind: 'range',
        type: 'int',
        from: from === null ? null : serialised('int', periodOfMicros(transform.kind, from)),
        // The last period that matters is that of the last µs, and it is wanted too.
        before: before === null ? null : serialised('int', periodOfMicros(transform.kind, before - 1n) + 1),
      }
    }
    case 'bucket':
    case 'truncate': {
      if (predicate.kind !== 'in') return null
      const type = transform.kind === 'bucket' ? 'int' : predicate.type
      const values: Uint8Array[] = []
      for (const bytes of predicate.values) {
        const value = applyTransform(transform, predicate.type, decodeValue(predicate.type, bytes))
        const projected = value === undefined || value === null ? null : serialised(type, value)
        if (projected === null) return null
        values.push(projected)
      }
      return { kind: 'in', type, values }
    }
    case 'void':
    case 'unknown':
      return null
  }
}

/** Null: the value is none of the type, so that nothing may be concluded from it. */
function serialised(type: string, value: Value): Uint8Array | null {
  switch (type) {
    case 'int':
      return typeof value === 'number' && Math.abs(value) <= MAX_INT ? encodeValue(type, value) : null
    case 'string':
      return typeof value === 'string' ? encodeValue(type, value) : null
    case 'timestamptz':
      return typeof value === 'bigint' ? encodeValue(type, value) : null
    default:
      return null
  }
}

/** False only if the column is known to have nothing but nulls. */
export function hasValues(file: DataFile, fieldId: number): boolean {
  const values = file.valueCounts.get(fieldId)
  const nulls = file.nullValueCounts.get(fieldId)
  return values === undefined || nulls === undefined || nulls < values
}

/** False only if no value from `lower` to `upper` passes the test; null is not known. */
function mayMatch(test: ValueTest, lower: Uint8Array | null, upper: Uint8Array | null): boolean {
  const { type } = test
  switch (test.kind) {
    case 'in':
      return test.values.some((value) => !isBelow(type, value, lower) && !isBelow(type, upper, value))
    case 'range':
      return !isBelow(type, upper, test.from) && !isAtOrAbove(type, lower, test.before)
  }
}

/** Known to be below: false when either is missing or the two cannot be compared. */
export function isBelow(type: string, a: Uint8Array | null, b: Uint8Array | null): boolean {
  const order = a === null || b === null ? null : compareValues(type, a, b)
  return order !== null && order < 0
}

function isAtOrAbove(type: string, a: Uint8Array | null, b: Uint8Array | null): boolean {
  const order = a === null || b === null ? null : compareValues(type, a, b)
  return order !== null && order >= 0
}

function micros(bytes: Uint8Array | null): bigint | null {
  const value = bytes === null ? null : decodeValue('timestamptz', bytes)
  return typeof value === 'bigint' ? value : null
}
