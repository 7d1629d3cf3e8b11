import { sqlName, sqlString } from '#engine'
import type { Statement } from './answer.js'
import { Bindings } from './bindings.js'

/** A value of a row that was not read from tables; a list or an object is JSON text in formats that have types. */
export type KnownValue = string | number | boolean | null | object

export type KnownTypes<Name extends string> = Readonly<Record<Name, 'VARCHAR' | 'BIGINT' | 'BOOLEAN'>>

/** Rows that are known without reading tables, as a statement of (row, key) for formats that have types. */
export function knownRowsStatement<Name extends string>(
  rows: readonly Readonly<Record<Name, KnownValue>>[],
  types: KnownTypes<Name>,
): Statement {
  const bindings = new Bindings()
  const entries = Object.entries<string>(types)
  const structure = JSON.stringify([Object.fromEntries(entries)])
  const members = entries.map(([name]) => `${sqlString(name)}: known.${sqlName(name)}`)
  const list = `from_json(${bindings.bind(JSON.stringify(rows.map(flat)))}, ${sqlString(structure)})`
  return {
    sql: `SELECT {${members.join(', ')}} AS row, '[]' AS key FROM (SELECT unnest(${list}) AS known)`,
    parameters: bindings.values,
  }
}

function flat(row: Readonly<Record<string, KnownValue>>): Record<string, KnownValue> {
  const cells = Object.entries(row).map(([name, value]) => [
    name,
    typeof value === 'object' && value !== null ? JSON.stringify(value) : value,
  ])
  return Object.fromEntries(cells)
}
