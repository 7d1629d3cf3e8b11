import { invalid } from '#core'
import { type EmptyTable, LAST_ADDED } from './draft.js'
import { asRequest, Fields, type Json } from './json.js'
import { addSortOrder, addSpec, setDefaultSortOrder, setDefaultSpec } from './layout-updates.js'
import type { TableMetadata } from './metadata.js'
import { parseSortOrder, type SortOrder, UNSORTED } from './partition.js'
import { refused } from './refusal.js'
import { parseSchema, type Schema } from './schema.js'
import { identifiersOf, withIdentifiers } from './schema-rules.js'
import { addSchema, setCurrentSchema } from './schema-updates.js'
import { parseRequestedFields, type RequestedField } from './spec-rules.js'
import { checkFormatVersion, setProperties } from './table-updates.js'
import { columnsOf, renumbered, withColumns } from './types.js'
import { createByUpdates } from './updates.js'

/** A table that somebody wants (Iceberg REST: CreateTableRequest). Its ids are the request's own. */
export interface CreateTable {
  readonly name: string
  /** Null: wherever the catalog puts it. */
  readonly location: string | null
  readonly schema: Schema
  readonly partitionFields: readonly RequestedField[]
  readonly order: SortOrder
  readonly properties: Readonly<Record<string, string>>
  /** The metadata are to be answered, not stored: a commit will follow. */
  readonly isStaged: boolean
}

const FORMAT_VERSION_KEY = 'format-version'

export function parseCreateTable(json: Json, path: string): CreateTable {
  return asRequest(() => {
    const from = new Fields(json, path)
    const properties = from.has('properties') ? from.object('properties').strings() : {}
    const { [FORMAT_VERSION_KEY]: version, ...others } = properties
    if (version !== undefined) checkFormatVersion(Number(version))
    const name = from.string('name')
    if (name === '') throw invalid('name', name, 'the name of a table')
    return {
      name,
      location: from.optional('location', from.string, null),
      schema: parseSchema(from.json('schema'), `${path}.schema`),
      partitionFields: from.has('partition-spec')
        ? parseRequestedFields(from.json('partition-spec'), `${path}.partition-spec`)
        : [],
      order: from.has('write-order')
        ? parseSortOrder(from.json('write-order'), `${path}.write-order`)
        : UNSORTED,
      properties: others,
      isStaged: from.optional('stage-create', from.boolean, false),
    }
  })
}

/**
 * The first metadata of the table, with ids of ours: columns from 1 (one level of the schema first, then what is inside
 * of it), partition fields from 1000, as Iceberg's Java gives them. `empty` says where it lies.
 */
export function createdTable(request: CreateTable, empty: EmptyTable): TableMetadata {
  const newIds = new Map<number, number>()
  const give = (id: number) => {
    if (newIds.has(id)) throw refused(`two columns of the schema have the id ${id}`)
    return newIds.set(id, newIds.size + 1).size
  }
  const given = (id: number, what: string) =>
    newIds.get(id) ?? refuse(`${what}: the schema has no column ${id}`)
  const moved = <F extends { readonly sourceId: number; readonly transform: string }>(field: F): F => ({
    ...field,
    sourceId: given(field.sourceId, field.transform),
  })
  return asRequest(() => {
    const columns = renumbered(columnsOf(request.schema, 'schema'), give)
    const identifiers = identifiersOf(request.schema.extra).map((id) => given(id, 'identifier-field-ids'))
    const schema: Schema = {
      ...withColumns(request.schema, columns),
      extra: withIdentifiers(request.schema.extra, identifiers),
    }
    const partitionFields = request.partitionFields.map((field) => ({ ...moved(field), fieldId: null }))
    const order = { ...request.order, fields: request.order.fields.map(moved) }
    return createByUpdates(empty, [
      (draft) => setCurrentSchema(addSchema(draft, schema), LAST_ADDED),
      (draft) => setDefaultSpec(addSpec(draft, partitionFields), LAST_ADDED),
      (draft) => setDefaultSortOrder(addSortOrder(draft, order), LAST_ADDED),
      (draft) => setProperties(draft, request.properties),
    ])
  })
}

function refuse(message: string): never {
  throw refused(message)
}
