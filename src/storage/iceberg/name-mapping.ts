import { TicklakeError } from '#core'
import { Fields, type Json, parseJson } from './json.js'
import type { TableMetadata } from './metadata.js'

/** A property of the table. */
export const NAME_MAPPING_KEY = 'schema.name-mapping.default'

/**
 * The field ids of columns by the names that they have in files without ids (spec: Column Projection, Name Mapping), of
 * the columns at the top; null when the table has no mapping, so that all its files have ids. `corrupt` when it is none.
 */
export function nameMapping({ properties, location }: TableMetadata): ReadonlyMap<string, number> | null {
  const text = properties[NAME_MAPPING_KEY]
  if (text === undefined) return null
  const path = `${location}: ${NAME_MAPPING_KEY}`
  const mapping: Json = parseJson(text, path)
  if (!Array.isArray(mapping)) throw new TicklakeError('corrupt', `${path}: expected a list`)
  const ids = new Map<string, number>()
  for (const [index, json] of mapping.entries()) {
    const from = new Fields(json, `${path}[${index}]`)
    const id = from.optional('field-id', from.integer, null)
    if (id === null) continue
    for (const name of from.list('names', String)) ids.set(name, id)
  }
  return ids
}
