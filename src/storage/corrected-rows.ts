import { QualityFlag, type TableLayout } from '#core'
import { sqlName, sqlString } from '#engine'
import { duckdbType, type FileColumn } from './file-columns.js'

/** What a row becomes. */
export interface RowChange {
  readonly isCancelled: boolean
  /** New values by column, of none that a row is known by: decimals as plain text, times as µs since 1970. */
  readonly values: ReadonlyMap<string, string>
  /** Bits of `QualityFlag` that come with them. */
  readonly flags: number
}

/** A row by its place in the log, and what becomes of it. */
export interface PlacedChange extends RowChange {
  readonly partition: number
  readonly offset: number
  /** What it has besides: another engine may have copied a row, place and all, and called the copy something else. */
  readonly messageId: string | null
}

/** What was found odd about a price that is another now. */
const OF_THE_PRICE = QualityFlag.priceOutlier | QualityFlag.priceMove
const OF_THE_SIDES = QualityFlag.crossed | QualityFlag.locked
const PRICES = ['price', 'bid_price', 'ask_price']

/** Columns of a change that say which row it is of. */
const NAME = ['partition', 'offset', 'message']
const IS_OF_CHANGE = `before.log_partition = change."partition" AND before.log_offset = change."offset"
  AND before.message_id IS NOT DISTINCT FROM change."message"`

/** The rows of a relation as they are after changes: DuckDB SQL for use after FROM, in the same columns. */
export function correctedRelation(
  layout: TableLayout,
  columns: readonly FileColumn[],
  relation: string,
  changes: readonly PlacedChange[],
): string {
  const changed = columns.filter(({ name }) => changes.some(({ values }) => values.has(name)))
  const rows = changes.map((change) => {
    const cells = changed.map((column) => literal(column, change.values.get(column.name)))
    return `(${[...nameOf(change), change.isCancelled, change.flags, ...cells].join(', ')})`
  })
  const names = [...NAME, 'gone', 'flags', ...changed.map(({ name }) => name)].map(sqlName)
  const isChanged = new Set(changed.map(({ name }) => name))
  const now = (name: string) => {
    const cell = sqlName(name)
    return isChanged.has(name) ? `coalesce(change.${cell}, before.${cell})` : `before.${cell}`
  }
  const cells = columns.map(({ name }) => {
    const cell = name === 'quality_flags' ? flagsSql(layout, isChanged, now) : now(name)
    return `${cell} AS ${sqlName(name)}`
  })
  return `(SELECT ${cells.join(', ')} FROM ${relation} AS before
    LEFT JOIN (VALUES ${rows.join(', ')}) AS change(${names.join(', ')}) ON ${IS_OF_CHANGE}
    WHERE change.gone IS DISTINCT FROM true)`
}

/** The rows of a relation that no change is of. */
export function untouchedRelation(relation: string, changes: readonly PlacedChange[]): string {
  const rows = changes.map((change) => `(${nameOf(change).join(', ')})`)
  return `(SELECT * FROM ${relation} AS before
    ANTI JOIN (VALUES ${rows.join(', ')}) AS change(${NAME.map(sqlName).join(', ')}) ON ${IS_OF_CHANGE})`
}

/** What a row's own values tell is told anew; what the rows around it told of its price is not, and goes with the price. */
function flagsSql(
  { columns }: TableLayout,
  isChanged: ReadonlySet<string>,
  now: (name: string) => string,
): string {
  const prices = PRICES.filter((name) => isChanged.has(name)).map(
    (name) => `change.${sqlName(name)} IS NOT NULL`,
  )
  const without =
    prices.length === 0 ? '0' : `CASE WHEN ${prices.join(' OR ')} THEN ${OF_THE_PRICE} ELSE 0 END`
  const hasSides = columns.some(({ name }) => name === 'bid_price')
  const [bid, ask] = [now('bid_price'), now('ask_price')]
  const sides = hasSides
    ? `CASE WHEN ${bid} = 0 OR ${ask} = 0 THEN 0 WHEN ${bid} > ${ask} THEN ${QualityFlag.crossed}
        WHEN ${bid} = ${ask} THEN ${QualityFlag.locked} ELSE 0 END`
    : '0'
  const kept = `coalesce(before.quality_flags, 0) & ~(${without} | ${hasSides ? OF_THE_SIDES : 0})`
  const after = `(${kept}) | change.flags | ${QualityFlag.corrected} | coalesce(${sides}, 0)`
  return `CASE WHEN change."offset" IS NULL THEN before.quality_flags ELSE ${after} END`
}

/** What the row of a change is known by, as SQL of the columns NAME. */
function nameOf({ partition, offset, messageId }: PlacedChange): readonly (string | number)[] {
  return [partition, offset, `CAST(${messageId === null ? 'NULL' : sqlString(messageId)} AS VARCHAR)`]
}

function literal(column: FileColumn, value: string | undefined): string {
  const type = duckdbType(column)
  if (value === undefined) return `CAST(NULL AS ${type})`
  // An own statement has checked that it is whole.
  if (column.type === 'timestamptz') return `CAST(make_timestamptz(${BigInt(value)}) AS ${type})`
  return `CAST(${sqlString(value)} AS ${type})`
}
