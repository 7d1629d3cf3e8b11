import type { TableLayout } from '#core'
import type { ColumnPredicate } from './iceberg/evaluator.js'
import { encodeValue } from './iceberg/values.js'
import type { RowFilter } from './table.js'

/** The filter by field ids of the layout: whatever the columns are named by now, and whatever they are partitioned by. */
export function predicatesOf(layout: TableLayout, filter: RowFilter): readonly ColumnPredicate[] {
  const predicates: ColumnPredicate[] = []
  const addTexts = (name: string, texts: readonly string[] | undefined) => {
    const column = layout.columns.find((candidate) => candidate.name === name)
    if (column?.type !== 'string' || !texts) return
    const values = texts.map((text) => encodeValue('string', text))
    predicates.push({ kind: 'in', fieldId: column.id, type: 'string', values })
  }
  addTexts('symbol', filter.symbols)
  addTexts('exchange', filter.exchange === undefined ? undefined : [filter.exchange])
  const time = layout.columns.find(({ name }) => name === layout.partitionColumn)
  const { startMicros, endMicros } = filter
  if (time && (startMicros !== undefined || endMicros !== undefined)) {
    predicates.push({
      kind: 'range',
      fieldId: time.id,
      type: 'timestamptz',
      from: startMicros === undefined ? null : encodeValue('timestamptz', startMicros),
      before: endMicros === undefined ? null : encodeValue('timestamptz', endMicros),
    })
  }
  return predicates
}
