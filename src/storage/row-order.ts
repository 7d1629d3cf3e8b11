import type { TableLayout } from '#core'
import { sqlName } from '#engine'
import type { FileColumn } from './file-columns.js'
import type { TableMetadata } from './iceberg/metadata.js'
import { parseTransform, type SortField, UNSORTED } from './iceberg/partition.js'

/** The order in which the rows of a file are written. */
export interface RowOrder {
  /** That of the table which it is; 0 when it is none of them. */
  readonly id: number
  /** For use after ORDER BY. */
  readonly sql: string
}

/**
 * The table's default order. Its rows are sorted as the layout says when the table has none, or one that cannot be
 * followed (by buckets): row groups have to differ in what they hold all the same.
 */
export function rowOrder(
  layout: TableLayout,
  columns: readonly FileColumn[],
  metadata: TableMetadata,
): RowOrder {
  const order = metadata.sortOrders.find(({ orderId }) => orderId === metadata.defaultSortOrderId) ?? UNSORTED
  const terms = order.fields.flatMap((field) => termOf(columns, field))
  if (terms.length === 0 || terms.includes(null)) {
    return { id: UNSORTED.orderId, sql: layout.sortColumns.join(', ') }
  }
  return { id: order.orderId, sql: terms.join(', ') }
}

/** None for a column that the rows do not have, which is null in all of them; null for what cannot be followed. */
function termOf(columns: readonly FileColumn[], field: SortField): readonly [string | null] | readonly [] {
  const column = columns.find(({ id }) => id === field.sourceId)
  if (!column) return []
  const key = keySql(sqlName(column.name), column.type, field.transform)
  const direction = field.direction === 'asc' ? 'ASC' : 'DESC'
  const nulls = field.nullOrder === 'nulls-first' ? 'NULLS FIRST' : 'NULLS LAST'
  return [key === null ? null : `${key} ${direction} ${nulls}`]
}

function keySql(name: string, type: string, transformText: string): string | null {
  const transform = parseTransform(transformText)
  switch (transform.kind) {
    case 'identity':
      return name
    case 'year':
    case 'month':
    case 'day':
    case 'hour':
      // Without a time zone, in which UTC is as it is.
      if (type === 'timestamptz') return `date_trunc('${transform.kind}', make_timestamp(epoch_us(${name})))`
      if (type === 'timestamp') return `date_trunc('${transform.kind}', ${name})`
      return type === 'date' && transform.kind !== 'hour' ? `date_trunc('${transform.kind}', ${name})` : null
    case 'truncate':
      return type === 'string' ? `left(${name}, ${transform.width})` : null
    default:
      return null
  }
}
