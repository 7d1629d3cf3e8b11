import { isDeepStrictEqual } from 'node:util'
import { TicklakeError } from '#core'
import { Fields, type Json, type JsonObject } from './json.js'
import { fieldJson, parseField, type Schema, type SchemaField } from './schema.js'

/** A primitive by its name, always spelt alike ("decimal(18, 8)"), or a type that is made of columns. */
export type Type = string | NestedType

/** Parts: the fields of a struct; the `element` of a list; the `key` and the `value` of a map. */
export interface NestedType {
  readonly kind: 'struct' | 'list' | 'map'
  readonly parts: readonly Column[]
  readonly extra: JsonObject
}

/** A column of a schema, or a part of one, its type understood. */
export interface Column extends Omit<SchemaField, 'type'> {
  readonly type: Type
}

const PRIMITIVES: ReadonlySet<string> = new Set([
  'boolean',
  'int',
  'long',
  'float',
  'double',
  'date',
  'time',
  'timestamp',
  'timestamptz',
  'string',
  'uuid',
  'binary',
])
const MAX_PRECISION = 38

/** The columns of a schema. `corrupt` names a type that format version 2 does not have. */
export function columnsOf(schema: Schema, path: string): readonly Column[] {
  return schema.fields.map((field) => toColumn(field, `${path}.${field.name}`))
}

export function withColumns(schema: Schema, columns: readonly Column[]): Schema {
  return { ...schema, fields: columns.map(toField) }
}

export function parseType(json: Json, path: string): Type {
  if (typeof json === 'string') return primitive(json, path)
  const from = new Fields(json, path)
  const kind = from.string('type')
  switch (kind) {
    case 'struct': {
      const parts = from.list('fields', (field, at) => toColumn(parseField(field, at), at))
      return { kind, parts, extra: from.rest() }
    }
    case 'list':
      return { kind, parts: [parsePart(from, path, 'element')], extra: from.rest() }
    case 'map': {
      const key = { ...parsePart(from, path, 'key'), required: true }
      return { kind, parts: [key, parsePart(from, path, 'value')], extra: from.rest() }
    }
    default:
      throw unknownType(kind, path)
  }
}

export function typeJson(type: Type): Json {
  if (typeof type === 'string') return type
  const { kind, parts, extra } = type
  if (kind === 'struct')
    return { type: kind, fields: parts.map((part) => fieldJson(toField(part))), ...extra }
  return Object.assign({ type: kind }, ...parts.map(partJson), extra)
}

/** All columns, each before its parts. */
export function* everyColumn(columns: readonly Column[]): Generator<Column> {
  for (const column of columns) {
    yield column
    if (typeof column.type !== 'string') yield* everyColumn(column.type.parts)
  }
}

/** The columns that a partition or sort field may be made of: not what lists and maps hold many of. */
export function* singleColumns(columns: readonly Column[]): Generator<Column> {
  for (const column of columns) {
    yield column
    if (typeof column.type !== 'string' && column.type.kind === 'struct')
      yield* singleColumns(column.type.parts)
  }
}

/** The columns with new ids: those of one level in their order, then what is inside of each (as Java's AssignFreshIds). */
export function renumbered(columns: readonly Column[], nextId: (old: number) => number): readonly Column[] {
  const numbered = columns.map((column) => ({ ...column, id: nextId(column.id) }))
  return numbered.map((column) =>
    typeof column.type === 'string'
      ? column
      : { ...column, type: { ...column.type, parts: renumbered(column.type.parts, nextId) } },
  )
}

/** Whether values of one type may be read as the other without a change (spec: Schema Evolution). */
export function isWidening(from: Type, to: Type): boolean {
  if (typeof from !== 'string' || typeof to !== 'string') return false
  if (from === 'int') return to === 'long'
  if (from === 'float') return to === 'double'
  const [narrow, wide] = [decimalOf(from), decimalOf(to)]
  return narrow !== null && wide !== null && narrow.scale === wide.scale && narrow.precision < wide.precision
}

export function sameType(a: Type, b: Type): boolean {
  return isDeepStrictEqual(a, b)
}

/** A type as people read it. */
export function typeName(type: Type): string {
  if (typeof type === 'string') return type
  return `${type.kind}<${type.parts.map((part) => `${part.name}: ${typeName(part.type)}`).join(', ')}>`
}

function toColumn(field: SchemaField, path: string): Column {
  return { ...field, type: parseType(field.type, path) }
}

function toField(column: Column): SchemaField {
  return { ...column, type: typeJson(column.type) }
}

function parsePart(from: Fields, path: string, name: 'element' | 'key' | 'value'): Column {
  return {
    id: from.integer(`${name}-id`),
    name,
    required: from.optional(`${name}-required`, from.boolean, false),
    type: parseType(from.json(name), `${path}.${name}`),
    doc: null,
    extra: {},
  }
}

function partJson({ id, name, required, type }: Column): JsonObject {
  const presence = name === 'key' ? {} : { [`${name}-required`]: required }
  return { [`${name}-id`]: id, [name]: typeJson(type), ...presence }
}

function primitive(name: string, path: string): string {
  if (PRIMITIVES.has(name)) return name
  const decimal = decimalOf(name)
  if (
    decimal &&
    decimal.precision >= 1 &&
    decimal.precision <= MAX_PRECISION &&
    decimal.scale <= decimal.precision
  )
    return `decimal(${decimal.precision}, ${decimal.scale})`
  const fixed = /^fixed\[\s*(\d{1,9})\s*\]$/.exec(name)
  if (fixed) return `fixed[${Number(fixed[1])}]`
  throw unknownType(name, path)
}

function decimalOf(name: string): { readonly precision: number; readonly scale: number } | null {
  const match = /^decimal\(\s*(\d{1,2})\s*,\s*(\d{1,2})\s*\)$/.exec(name)
  return match && { precision: Number(match[1]), scale: Number(match[2]) }
}

function unknownType(name: string, path: string): TicklakeError {
  return new TicklakeError('corrupt', `${path}: ${JSON.stringify(name)} is not a type of format version 2`)
}
