import type { LayoutColumn } from '#core'

/**
 * What a peer is asked, as JSON on its standard input; the answer is JSON on its standard output.
 * Values travel as text that every language can write alike: strings as they are, binary in hex, whole numbers in
 * decimal, dates as days and timestamptz as µs since 1970, decimals scaled by 10^8.
 */
export interface Question {
  readonly tables: readonly TableQuestion[]
}

export interface TableQuestion {
  readonly name: string
  /** Local path of the table's folder. */
  readonly path: string
  /** The REST catalog that is to be asked for `market_data.trades`; null: the table is read by its path. */
  readonly catalog: string | null
  /** The state that is asked for, 63 bits; null: the newest. */
  readonly snapshotId: string | null
  readonly columns: readonly { readonly name: string; readonly type: LayoutColumn['type'] }[]
  /** The timestamptz column whose UTC days are counted. */
  readonly dayColumn: string
  /** Pairs of decimal columns whose product is summed over the rows that have both. */
  readonly products: readonly (readonly [string, string])[]
  readonly predicates: readonly Predicate[]
}

export interface Predicate {
  readonly column: string
  readonly op: '=' | '<' | '<=' | '>=' | 'in' | 'is null'
  /** What the column is compared with: of `in` any number, of `is null` none, else one. */
  readonly values: readonly string[]
}

export interface Answer {
  /** Names and versions of what answered. */
  readonly version: string
  readonly tables: Readonly<Record<string, TableAnswer>>
}

export interface TableAnswer {
  readonly count: string
  readonly columns: Readonly<Record<string, ColumnAnswer>>
  /** Rows by day, counted from 1970-01-01. */
  readonly days: Readonly<Record<string, string>>
  /** Sums of products by `a*b`, scaled by 10^16; null when there is nothing to sum. */
  readonly products: Readonly<Record<string, string | null>>
  /** Rows that meet each predicate, in the order of the question. */
  readonly predicates: readonly string[]
}

/** Strings and binary are ordered by their bytes. Null when no row has a value. */
export interface ColumnAnswer {
  readonly min: string | null
  readonly max: string | null
  readonly nulls: string
  /** Exact; null for what is no number, too. */
  readonly sum: string | null
}

const NUMBERS: ReadonlySet<string> = new Set(['int', 'long', 'decimal'])

/** Whether the values of a type are added up. */
export function isSummed(type: string): boolean {
  return NUMBERS.has(type)
}

export function productName([a, b]: readonly [string, string]): string {
  return `${a}*${b}`
}
