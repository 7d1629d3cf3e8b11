import { isDeepStrictEqual } from 'node:util'
import type { JsonObject } from './json.js'
import { currentSchema, type TableMetadata } from './metadata.js'
import { refused } from './refusal.js'
import type { Schema } from './schema.js'
import {
  type Column,
  columnsOf,
  everyColumn,
  isWidening,
  sameType,
  singleColumns,
  typeName,
} from './types.js'

/** Above are the ids that Iceberg reserves for its own columns. */
export const MAX_FIELD_ID = 2_147_483_447
const IDENTIFIERS = 'identifier-field-ids'
/** What a value is where a file has none: version 3 alone knows that. */
const DEFAULTS = ['initial-default', 'write-default']

/** Refuses what is no schema of format version 2, whoever's it is. */
export function checkColumns({ extra }: Schema, columns: readonly Column[]): void {
  const ids = new Set<number>()
  if (columns.length === 0) throw refused('the schema has no column')
  for (const { id, name, extra: more } of everyColumn(columns)) {
    if (!(id >= 1 && id <= MAX_FIELD_ID)) throw refused(`the column ${name} has the id ${id}, which is none`)
    if (ids.has(id)) throw refused(`the id ${id} of the column ${name} is that of another one as well`)
    ids.add(id)
    const novel = DEFAULTS.find((key) => more[key] !== undefined && more[key] !== null)
    if (novel)
      throw refused(`the column ${name} has a default (${novel}), which format version 2 does not know`)
  }
  checkNames(columns)
  for (const id of identifiersOf(extra)) checkIdentifier(id, columns)
}

/** Refuses columns whose ids the table has given to others that are gone: their values are still in files. */
export function checkIdsAreNew(table: TableMetadata, columns: readonly Column[]): void {
  const known = new Set(
    table.schemas.flatMap((schema) => [...everyColumn(columnsOf(schema, 'schema'))].map(({ id }) => id)),
  )
  for (const { id, name } of everyColumn(columns)) {
    if (id > table.lastColumnId || known.has(id)) continue
    const message = `the column ${name} has the id ${id}, which was that of a column that is gone`
    throw refused(`${message}: take one above ${table.lastColumnId}`)
  }
}

/**
 * Refuses a schema in which rows that the table has could not be read: a type that is not wider, a column that is
 * required now and was not always (spec: Schema Evolution).
 */
export function checkReadable(table: TableMetadata, schema: Schema): void {
  const current = byId(columnsOf(currentSchema(table), 'schema'))
  const others = table.schemas.filter(({ schemaId }) => schemaId !== schema.schemaId)
  const everything = new Map(others.flatMap((other) => [...byId(columnsOf(other, 'schema'))]))
  const visit = ({ id, name, type, required }: Column, hasRows: boolean): void => {
    const before = current.get(id) ?? everything.get(id)
    if (required && hasRows && !current.get(id)?.required) {
      throw refused(
        `the column ${name} would be required, but the table has rows without it: make it optional`,
      )
    }
    if (!before) return
    if (typeof type === 'string' || typeof before.type === 'string') {
      if (sameType(before.type, type) || isWidening(before.type, type)) return
    } else if (before.type.kind === type.kind) {
      // What is inside of a column that rows do not have may be required: it is absent as a whole.
      for (const part of type.parts) visit(part, hasRows && current.has(id))
      return
    }
    throw refused(
      `the column ${name} is ${typeName(before.type)}, which cannot become ${typeName(type)}: add another column`,
    )
  }
  for (const column of columnsOf(schema, 'schema')) visit(column, true)
}

/** Whether two schemas are the same but for their number. */
export function sameSchema(a: Schema, b: Schema): boolean {
  return isDeepStrictEqual(canonical(a), canonical(b))
}

/** The ids of the columns that tell rows apart, as a schema may say. */
export function identifiersOf(extra: JsonObject): readonly number[] {
  const ids = extra[IDENTIFIERS]
  return Array.isArray(ids) ? ids.map(Number) : []
}

export function withIdentifiers(extra: JsonObject, ids: readonly number[]): JsonObject {
  const { [IDENTIFIERS]: _, ...others } = extra
  return ids.length === 0 ? others : { ...others, [IDENTIFIERS]: ids }
}

function canonical(schema: Schema) {
  const { [IDENTIFIERS]: _, ...extra } = schema.extra
  const identifiers = [...identifiersOf(schema.extra)].sort((a, b) => a - b)
  return { columns: columnsOf(schema, 'schema'), identifiers, extra }
}

function checkNames(columns: readonly Column[]): void {
  const names = new Set<string>()
  for (const { name, type } of columns) {
    if (name === '') throw refused('a column has no name')
    if (names.has(name)) throw refused(`two columns are named ${name}`)
    names.add(name)
    if (typeof type !== 'string') checkNames(type.parts)
  }
}

function checkIdentifier(id: number, columns: readonly Column[]): void {
  const column = [...singleColumns(columns)].find((candidate) => candidate.id === id)
  const isRight =
    column?.required && typeof column.type === 'string' && !['float', 'double'].includes(column.type)
  if (!isRight) {
    const what = column
      ? `${column.name} (${typeName(column.type)}${column.required ? '' : ', optional'})`
      : 'not there'
    throw refused(
      `the identifier field ${id} is ${what}; it has to be a required column of a type but float and double`,
    )
  }
}

function byId(columns: readonly Column[]): ReadonlyMap<number, Column> {
  return new Map([...everyColumn(columns)].map((column) => [column.id, column]))
}
