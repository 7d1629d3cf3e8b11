import { changed, type Draft, LAST_ADDED, type UpdateParsers } from './draft.js'
import { refused } from './refusal.js'
import { parseSchema, type Schema } from './schema.js'
import { checkColumns, checkIdsAreNew, checkReadable, MAX_FIELD_ID, sameSchema } from './schema-rules.js'
import { columnsOf, everyColumn, withColumns } from './types.js'

/** The updates of a table's schemas, by their names in a request. */
export const SCHEMA_UPDATES: UpdateParsers = {
  'add-schema': (from, path) => {
    const schema = parseSchema(from.json('schema'), `${path}.schema`)
    const canonical = withColumns(schema, columnsOf(schema, `${path}.schema`))
    // Writers of old say which id they gave last; a column that came and went within the change counts too.
    const lastColumnId = from.optional('last-column-id', from.integer, 0)
    return (draft) => addSchema(draft, canonical, lastColumnId)
  },
  'set-current-schema': (from) => {
    const schemaId = from.integer('schema-id')
    return (draft) => setCurrentSchema(draft, schemaId)
  },
  'remove-schemas': (from) => {
    const ids = from.values('schema-ids', from.integer)
    return (draft) => removeSchemas(draft, new Set(ids))
  },
}

/** A schema that the table has already keeps its number; another one gets the next, whatever number it came with. */
export function addSchema(draft: Draft, schema: Schema, lastColumnId = 0): Draft {
  const { table } = draft
  const columns = columnsOf(schema, 'schema')
  if (lastColumnId > MAX_FIELD_ID) throw refused(`last-column-id: ${lastColumnId} is the id of no column`)
  checkColumns(schema, columns)
  checkIdsAreNew(table, columns)
  const known = table.schemas.find((candidate) => sameSchema(candidate, schema))
  const next = Math.max(table.currentSchemaId - 1, ...table.schemas.map(({ schemaId }) => schemaId)) + 1
  const schemaId = known?.schemaId ?? next
  const highest = Math.max(table.lastColumnId, lastColumnId, ...[...everyColumn(columns)].map(({ id }) => id))
  const lastAdded = { ...draft.lastAdded, schema: schemaId }
  if (known && highest === table.lastColumnId) return { ...draft, lastAdded }
  const schemas = known ? table.schemas : [...table.schemas, { ...schema, schemaId }]
  return { ...changed(draft, { schemas, lastColumnId: highest }), lastAdded }
}

/** The schema of what is written from now on, and of what is read unless a snapshot is asked for. */
export function setCurrentSchema(draft: Draft, id: number): Draft {
  const { table, lastAdded } = draft
  const schemaId = id === LAST_ADDED ? lastAdded.schema : id
  if (schemaId === undefined) throw refused('set-current-schema: no schema was added that −1 could stand for')
  const schema = table.schemas.find((candidate) => candidate.schemaId === schemaId)
  if (!schema) throw refused(`set-current-schema: the table has no schema ${schemaId}`)
  if (schemaId === table.currentSchemaId) return draft
  // A table that begins anew (its main taken away first) has no rows that the schema would have to read.
  if (table.currentSnapshotId !== null) checkReadable(table, schema)
  return changed(draft, { currentSchemaId: schemaId })
}

export function removeSchemas(draft: Draft, ids: ReadonlySet<number>): Draft {
  const { table } = draft
  if (ids.has(table.currentSchemaId))
    throw refused(`remove-schemas: ${table.currentSchemaId} is the current schema`)
  const reader = table.snapshots.find(({ schemaId }) => schemaId !== null && ids.has(schemaId))
  if (reader) {
    throw refused(
      `remove-schemas: snapshot ${reader.snapshotId} is of schema ${reader.schemaId}: expire it first`,
    )
  }
  const schemas = table.schemas.filter(({ schemaId }) => !ids.has(schemaId))
  return schemas.length === table.schemas.length ? draft : changed(draft, { schemas })
}
