import { type Engine, type SqlValue, sqlString } from '#engine'
import { parquetRelation } from '#storage'
import type { FixtureTable } from './fixtures.js'
import { isSummed, type Predicate, productName, type TableAnswer, type TableQuestion } from './question.js'

/** The answer along our own read path: the files of a pinned version, chosen by our metadata, read by our engine. */
export async function ownAnswer(
  engine: Engine,
  { pinned }: FixtureTable,
  question: TableQuestion,
): Promise<TableAnswer> {
  const { files } = await pinned.select({})
  const columns = question.columns.map((column) => column.name).join(', ')
  const parts = [
    ...(files.length > 0 ? [`SELECT ${columns} FROM ${parquetRelation(files, pinned.columns)}`] : []),
    ...pinned.tail.map((slice) => `SELECT ${columns} FROM ${slice.relation}`),
  ]
  if (parts.length === 0) return noRows(question)
  return answerFrom(engine, `(${parts.join(' UNION ALL ')})`, question)
}

async function answerFrom(engine: Engine, relation: string, question: TableQuestion): Promise<TableAnswer> {
  const facts = question.columns.flatMap(({ name, type }) => {
    const value = comparedBy(name, type)
    const scaled = (fact: string) =>
      type === 'decimal' ? `replace((${fact})::DECIMAL(38, 8)::VARCHAR, '.', '')::HUGEINT` : fact
    const sum = isSummed(type) ? scaled(`sum(${name})`) : 'NULL'
    return [scaled(`min(${value})`), scaled(`max(${value})`), `count(*) - count(${name})`, sum]
  })
  const sums = question.products.map(
    ([a, b]) => `replace(sum(${a}::DECIMAL(38, 8) * ${b}::DECIMAL(38, 8))::VARCHAR, '.', '')::HUGEINT`,
  )
  const conditions = question.predicates.map((predicate) => `count(*) FILTER (${sqlOf(predicate, question)})`)
  const list = ['count(*)', ...facts, ...sums, ...conditions].map((fact) => `(${fact})::VARCHAR`)
  const { columns } = await engine.query(`SELECT ${list.join(', ')} FROM ${relation}`)
  const cells = columns.map((column) => textOf(column[0]))
  const next = () => cells.shift() ?? null
  const days = await engine.query(
    `SELECT date_diff('day', DATE '1970-01-01', (${question.dayColumn} AT TIME ZONE 'UTC')::DATE)::VARCHAR,
      count(*)::VARCHAR FROM ${relation} GROUP BY 1`,
  )
  return {
    count: next() ?? '',
    columns: Object.fromEntries(
      question.columns.map(({ name }) => [
        name,
        { min: next(), max: next(), nulls: next() ?? '', sum: next() },
      ]),
    ),
    products: Object.fromEntries(question.products.map((pair) => [productName(pair), next()])),
    predicates: question.predicates.map(() => next() ?? ''),
    days: Object.fromEntries(
      (days.columns[0] ?? []).map((day, index) => [String(day), String(days.columns[1]?.[index])]),
    ),
  }
}

function textOf(value: SqlValue | undefined): string | null {
  return value === null || value === undefined ? null : String(value)
}

/** What a column is compared by: whole numbers, texts, bytes in hex, decimals. */
function comparedBy(name: string, type: string | undefined): string {
  switch (type) {
    case 'timestamptz':
      return `epoch_us(${name})`
    case 'date':
      return `date_diff('day', DATE '1970-01-01', ${name})`
    case 'binary':
      return `lower(hex(${name}))`
    default:
      return name
  }
}

function sqlOf({ column, op, values }: Predicate, question: TableQuestion): string {
  if (op === 'is null') return `${column} IS NULL`
  const type = question.columns.find(({ name }) => name === column)?.type
  const bounds = type === 'string' ? values.map(sqlString) : values
  const value = type === 'decimal' ? `${column}::DECIMAL(38, 8) * 100000000` : comparedBy(column, type)
  return `${value} ${op} ${op === 'in' ? `(${bounds.join(', ')})` : bounds[0]}`
}

function noRows(question: TableQuestion): TableAnswer {
  const none = { min: null, max: null, nulls: '0', sum: null }
  return {
    count: '0',
    columns: Object.fromEntries(question.columns.map(({ name }) => [name, none])),
    days: {},
    products: Object.fromEntries(question.products.map((pair) => [productName(pair), null])),
    predicates: question.predicates.map(() => '0'),
  }
}
