import { dayOfMicros } from '#core'
import { type CellValue, long, type Row } from '../../support/row-batch.js'
import type { FixtureTable } from './fixtures.js'
import {
  type ColumnAnswer,
  isSummed,
  type Predicate,
  productName,
  type TableAnswer,
  type TableQuestion,
} from './question.js'

/** The pairs of a table that a notional is made of. */
const PRODUCTS: Readonly<Record<string, TableQuestion['products']>> = {
  trades: [['price', 'size']],
  quotes: [
    ['bid_price', 'bid_size'],
    ['ask_price', 'ask_size'],
  ],
}

/** Asks for everything there is, with predicates at and around the values where file statistics may mislead. */
export function questionOf(
  { name, path, snapshotId, definition, rows }: FixtureTable,
  swept: readonly string[] | null,
): TableQuestion {
  return {
    name,
    path,
    catalog: null,
    snapshotId: snapshotId === null ? null : String(snapshotId),
    columns: definition.columns.map((column) => ({ name: column.name, type: column.type })),
    dayColumn: definition.partitionColumn,
    products: PRODUCTS[definition.name] ?? [],
    predicates: definition.columns
      // Not every reader compares binary values.
      .filter((column) => column.type !== 'binary' && (swept?.includes(column.name) ?? true))
      .flatMap((column) => predicatesOf(column.name, rows)),
  }
}

/** At the ends, where bounds are cut short or rounded, and in the middle, where files are left out. */
function predicatesOf(column: string, rows: readonly Row[]): Predicate[] {
  const values = [...new Set(rows.map((row) => row[column] ?? null))].filter((value) => value !== null)
  const sorted = values.sort(compareCells)
  const ask = (op: Predicate['op'], ...compared: readonly Present[]): Predicate => ({
    column,
    op,
    values: compared.map(cellText),
  })
  const [min, middle, max] = [sorted[0], sorted[Math.floor(sorted.length / 2)], sorted.at(-1)]
  if (min === undefined || middle === undefined || max === undefined) return [ask('is null')]
  return [
    ask('=', min),
    ask('=', max),
    ask('<', middle),
    ask('<=', min),
    ask('<=', middle),
    ask('>=', middle),
    ask('>=', max),
    ask('in', min, middle, max),
    ask('is null'),
  ]
}

/** The answer by brute force over the generated rows: bigint only, and nothing of the code under test but its days. */
export function expectedAnswer(question: TableQuestion, rows: readonly Row[]): TableAnswer {
  const days = new Map<number, number>()
  for (const row of rows) {
    const day = dayOfMicros(long(row[question.dayColumn]))
    days.set(day, (days.get(day) ?? 0) + 1)
  }
  return {
    count: String(rows.length),
    columns: Object.fromEntries(question.columns.map((column) => [column.name, columnAnswer(column, rows)])),
    days: Object.fromEntries([...days].map(([day, count]) => [String(day), String(count)])),
    products: Object.fromEntries(
      question.products.map((pair) => [productName(pair), sumOfProducts(pair, rows)]),
    ),
    predicates: question.predicates.map((predicate) =>
      String(rows.filter((row) => meets(row[predicate.column] ?? null, predicate)).length),
    ),
  }
}

function columnAnswer({ name, type }: TableQuestion['columns'][number], rows: readonly Row[]): ColumnAnswer {
  const values = rows.map((row) => row[name] ?? null).filter((value) => value !== null)
  const [first] = values
  if (first === undefined) return { min: null, max: null, nulls: String(rows.length), sum: null }
  const min = values.reduce((a, b) => (compareCells(a, b) <= 0 ? a : b))
  const max = values.reduce((a, b) => (compareCells(a, b) >= 0 ? a : b))
  const sum = isSummed(type)
    ? String(values.reduce<bigint>((total, value) => total + BigInt(cellText(value)), 0n))
    : null
  return { min: cellText(min), max: cellText(max), nulls: String(rows.length - values.length), sum }
}

function sumOfProducts([a, b]: readonly [string, string], rows: readonly Row[]): string | null {
  const both = rows.filter((row) => (row[a] ?? null) !== null && (row[b] ?? null) !== null)
  if (both.length === 0) return null
  return String(both.reduce((sum, row) => sum + long(row[a]) * long(row[b]), 0n))
}

function meets(value: CellValue, { op, values }: Predicate): boolean {
  if (op === 'is null') return value === null
  if (value === null) return false
  return values.some((bound) => isMet(op, compareCells(value, parseCell(bound, value))))
}

/** By how a value compares with the bound. */
function isMet(op: Exclude<Predicate['op'], 'is null'>, order: number): boolean {
  switch (op) {
    case '=':
    case 'in':
      return order === 0
    case '<':
      return order < 0
    case '<=':
      return order <= 0
    case '>=':
      return order >= 0
  }
}

/** A bound as a value of the same type as the cell that it is compared with. */
function parseCell(text: string, like: CellValue): string | number | bigint {
  if (typeof like === 'bigint') return BigInt(text)
  return typeof like === 'number' ? Number(text) : text
}

type Present = Exclude<CellValue, null>

/** Both are values of one column, and so of one type. */
function compareCells(a: Present, b: Present): number {
  if (typeof a === 'bigint' || typeof a === 'number') return a < (b as typeof a) ? -1 : a === b ? 0 : 1
  return Buffer.compare(bytesOf(a), bytesOf(b))
}

function bytesOf(value: Present): Buffer {
  return value instanceof Uint8Array ? Buffer.from(value) : Buffer.from(String(value))
}

/** The text of a value in questions and answers. */
export function cellText(value: Present): string {
  return value instanceof Uint8Array ? Buffer.from(value).toString('hex') : String(value)
}
