import { type ColumnType, parseDecimal, parseTimeNanos, QUOTES, TRADES } from '#core'
import type { Reading, Stranger } from '../../support/maintenance-kills.js'
import type { Row } from '../../support/row-batch.js'
import { FED_FIELDS, FED_TABLES, type FedRow, type FedTable } from '../../support/row-feed.js'
import { ask } from './ask.js'
import { differences, FACETS } from './compare.js'
import { expectedAnswer } from './expected.js'
import type { Answer, TableQuestion } from './question.js'
import { commandOf } from './reader-suite.js'
import type { Reader } from './readers.js'

const DEFINITIONS = { trades: TRADES, quotes: QUOTES }
const PRODUCTS = {
  trades: [['price', 'size']],
  quotes: [
    ['bid_price', 'bid_size'],
    ['ask_price', 'ask_size'],
  ],
} as const satisfies Readonly<Record<FedTable, TableQuestion['products']>>

/** A foreign reader, ready to be asked for what tables hold: counts, least and greatest values, exact sums. */
export async function strangerOf(reader: Reader): Promise<Stranger> {
  const command = await commandOf(reader)
  return async (paths) => {
    const tables = FED_TABLES.map((table) => questionOf(table, paths[table]))
    const answer = await ask(command, { tables }, new AbortController().signal)
    const [trades, quotes] = tables.map((question) => readingOf(question, answer))
    return { trades: trades!, quotes: quotes! }
  }
}

function questionOf(table: FedTable, path: string): TableQuestion {
  const columns = columnsOf(table)
  return {
    name: table,
    path,
    catalog: null,
    snapshotId: null,
    columns,
    dayColumn: 'exchange_timestamp',
    products: PRODUCTS[table],
    predicates: [
      { column: 'symbol', op: '=', values: ['S1'] },
      { column: 'exchange_timestamp', op: '<', values: ['1725050000000000'] },
    ],
  }
}

/** The columns that hold what is fed, in its order. */
function columnsOf(table: FedTable): readonly { readonly name: string; readonly type: ColumnType }[] {
  return FED_FIELDS[table].map((field) => {
    const name = field === 'ts' ? 'exchange_timestamp' : field
    return { name, type: DEFINITIONS[table].columns.find((column) => column.name === name)!.type }
  })
}

function readingOf(question: TableQuestion, { tables }: Answer): Reading {
  const answer = tables[question.name]
  return (rows) => {
    if (answer === undefined || 'error' in answer) return [`cannot be read: ${JSON.stringify(answer)}`]
    const expected = expectedAnswer(
      question,
      rows.map((row) => cellsOf(question, row)),
    )
    return FACETS.flatMap((facet) => differences(answer, expected, facet))
  }
}

function cellsOf({ columns }: TableQuestion, row: FedRow): Row {
  const cells = columns.map(({ name, type }) => {
    const text = row[name === 'exchange_timestamp' ? 'ts' : name]!
    if (type === 'timestamptz') return [name, parseTimeNanos(name, text) / 1000n]
    return [name, type === 'decimal' ? parseDecimal(name, text) : text]
  })
  return Object.fromEntries(cells)
}
