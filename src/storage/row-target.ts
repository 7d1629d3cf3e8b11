import type { OffsetVector, TableLayout } from '#core'
import type { ColumnPredicate } from './iceberg/evaluator.js'
import { encodeValue, type Value } from './iceberg/values.js'

/** Which row of a table is meant: by its place in the log, or by the message id that no other row has. */
export type RowTarget = {
  /** What the row must have; null: anything. */
  readonly symbol: string | null
  readonly exchange: string | null
} & (
  | { readonly kind: 'place'; readonly partition: number; readonly offset: number }
  | {
      readonly kind: 'message'
      readonly messageId: string
      /** Rows of the log at or after it are not meant. */
      readonly before: OffsetVector
    }
)

/** Where a row that a target names was found. */
export interface FoundRow {
  readonly partition: number
  readonly offset: number
  readonly messageId: string | null
  readonly symbol: string | null
  readonly exchange: string | null
}

export function isMeant(target: RowTarget, row: FoundRow): boolean {
  if (target.kind === 'place') return row.partition === target.partition && row.offset === target.offset
  return row.messageId === target.messageId && row.offset < (target.before[row.partition] ?? 0)
}

/** What is wrong with a row as the one that is meant: null when nothing is. */
export function contradiction(target: RowTarget, row: FoundRow): string | null {
  for (const name of ['symbol', 'exchange'] as const) {
    if (target[name] === null || target[name] === row[name]) continue
    return `its ${name} is ${JSON.stringify(row[name])}, not ${JSON.stringify(target[name])}`
  }
  return null
}

/** What files must hold to be looked into; for each kind of target, as either may be found without the other. */
export function targetPredicates(
  layout: TableLayout,
  targets: readonly RowTarget[],
): readonly (readonly ColumnPredicate[])[] {
  const among = (name: string, type: string, values: readonly Value[]): ColumnPredicate[] => {
    const column = layout.columns.find((candidate) => candidate.name === name)
    if (!column) return []
    return [{ kind: 'in', fieldId: column.id, type, values: values.map((value) => encodeValue(type, value)) }]
  }
  const places = targets.filter((target) => target.kind === 'place')
  const messages = targets.filter((target) => target.kind === 'message')
  const byPlace = [
    ...among('log_partition', 'int', [...new Set(places.map(({ partition }) => partition))]),
    ...among(
      'log_offset',
      'long',
      places.map(({ offset }) => BigInt(offset)),
    ),
  ]
  const byMessage = among('message_id', 'string', [...new Set(messages.map(({ messageId }) => messageId))])
  return [...(places.length > 0 ? [byPlace] : []), ...(messages.length > 0 ? [byMessage] : [])]
}
