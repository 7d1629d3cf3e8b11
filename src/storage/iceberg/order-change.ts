import { invalid } from '#core'
import { LAST_ADDED } from './draft.js'
import { NO_FIELDS } from './json.js'
import { addSortOrder, setDefaultSortOrder } from './layout-updates.js'
import { currentSchema, type TableMetadata } from './metadata.js'
import { type SortField, UNSORTED } from './partition.js'
import { applyUpdates } from './updates.js'

/** A column of a sort order, the foremost first. */
export interface SortBy {
  readonly column: string
  readonly direction?: SortField['direction']
  /** Last by default, as ticklake sorts. */
  readonly nullOrder?: SortField['nullOrder']
  /** identity by default. */
  readonly transform?: string
}

/**
 * The table with this sort order as the default: files are sorted so from now on. No column: files are not sorted. The
 * same table if it is so already. `invalid_input` names the column and the reason. Pure.
 */
export function changeOrder(table: TableMetadata, by: readonly SortBy[], nowMs: number): TableMetadata {
  const columns = currentSchema(table).fields
  const fields = by.map(
    ({ column, direction = 'asc', nullOrder = 'nulls-last', transform = 'identity' }, index): SortField => {
      const source = columns.find(({ name }) => name === column)
      if (!source) throw invalid('column', column, `one of ${columns.map(({ name }) => name).join(', ')}`)
      if (
        by.findIndex((other) => other.column === column && (other.transform ?? 'identity') === transform) <
        index
      ) {
        throw invalid('column', column, 'a column that is not in the sort order yet')
      }
      return {
        sourceId: source.id,
        transform,
        direction,
        nullOrder,
        extra: NO_FIELDS,
      }
    },
  )
  const order = { ...UNSORTED, fields }
  return applyUpdates(table, [(draft) => setDefaultSortOrder(addSortOrder(draft, order), LAST_ADDED)], nowMs)
}
