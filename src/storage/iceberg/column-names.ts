import type { TableLayout } from '#core'
import { currentSchema, type TableMetadata } from './metadata.js'
import { refused } from './refusal.js'

/** Names that rows of a tail have besides those of the layout, and those that DuckDB gives to the places of rows in files. */
const OTHER_NAMES = ['source_row', 'filename', 'file_row_number']

/** Names that no other column of a table may have, in small letters. */
export function reservedNames({ columns }: TableLayout): ReadonlySet<string> {
  return new Set([...columns.map(({ name }) => name), ...OTHER_NAMES])
}

/**
 * Refuses names that `next` gives to columns and that queries of the table have for others: `base` may have such ones,
 * which are left out of answers then. Engines fold case, ours among them: `Note` beside `note` would be one column.
 */
export function checkNames(base: TableMetadata, next: TableMetadata, layout: TableLayout): void {
  const own = new Set(layout.columns.map(({ id }) => id))
  const before = new Map(currentSchema(base).fields.map(({ id, name }) => [id, name]))
  const reserved = reservedNames(layout)
  const { fields } = currentSchema(next)
  for (const { id, name } of fields) {
    if (before.get(id) === name) continue
    const folded = name.toLowerCase()
    // Ours are asked for by their ids, whatever they are called.
    if (!own.has(id) && reserved.has(folded)) {
      throw refused(`the name ${name} belongs to ticklake in ${layout.name}: choose another`)
    }
    const namesake = fields.find((other) => other.id !== id && other.name.toLowerCase() === folded)
    if (namesake) throw refused(`there is a column ${namesake.name} already: ${name} needs another name`)
  }
}
