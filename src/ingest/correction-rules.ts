import {
  CORRECTED_COLUMNS,
  formatDecimal,
  formatMicros,
  type OffsetVector,
  parseVector,
  QUOTES,
  QualityFlag,
  type TableDefinition,
  TRADES,
} from '#core'
import type { RowCorrection, RowTarget } from '#storage'
import { SIDES, wrongSign } from './posting/event-cast.js'
import type { CellValue, EventValues } from './posting/event-row.js'
import { fieldOf } from './posting/posted-fields.js'
import { type RowProblem, shown } from './posting/posted-row.js'
import { EXPECTED_SIGN } from './price-rules.js'
import { timeProblem } from './time-rules.js'

/** The tables whose rows can be corrected. */
const TABLES: ReadonlyMap<CellValue, TableDefinition> = new Map(
  [TRADES, QUOTES].map((table) => [table.name, table]),
)

const MAX_REASON_LENGTH = 1_000

/**
 * What is wrong with a correction, given by the columns of its table, for itself; null when nothing is. Whether there is
 * such a row is another matter. `receivedAtMicros` is when the log took it, or takes it.
 */
export function correctionProblem(values: EventValues, receivedAtMicros: number): RowProblem | null {
  const table = TABLES.get(values.get('target_table') ?? null)
  if (!table) return wrong(values, 'target_table', 'trades or quotes')
  const action = values.get('action')
  if (action !== 'cancel' && action !== 'replace') return wrong(values, 'action', 'cancel or replace')
  const reason = values.get('reason')
  if (typeof reason !== 'string' || reason.trim() === '' || reason.length > MAX_REASON_LENGTH) {
    return wrong(values, 'reason', `a text of 1 to ${MAX_REASON_LENGTH} characters`)
  }
  return (
    targetProblem(values) ?? changeProblem(values, table, action) ?? valueProblem(values, receivedAtMicros)
  )
}

/** One of the two ways to name a row, and not half of one. */
function targetProblem(values: EventValues): RowProblem | null {
  const messageId = values.get('target_message_id') ?? null
  const partition = values.get('target_partition') ?? null
  const offset = values.get('target_offset') ?? null
  if (messageId !== null) {
    return partition === null && offset === null
      ? null
      : wrong(values, partition === null ? 'target_offset' : 'target_partition', 'absent beside message_id')
  }
  if (partition === null && offset === null) {
    return wrong(values, 'target_message_id', 'given, or log_partition and log_offset in its place')
  }
  if (!isPlace(partition)) return wrong(values, 'target_partition', 'a partition of the log, from 0')
  return isPlace(offset) ? null : wrong(values, 'target_offset', 'an offset in that partition, from 0')
}

function isPlace(value: CellValue): boolean {
  return typeof value === 'bigint' && value >= 0n && value <= BigInt(Number.MAX_SAFE_INTEGER)
}

function changeProblem(values: EventValues, table: TableDefinition, action: string): RowProblem | null {
  const given = CORRECTED_COLUMNS.filter((name) => (values.get(name) ?? null) !== null)
  const [first] = given
  if (action === 'cancel') return first === undefined ? null : wrong(values, first, 'absent from a cancel')
  if (first === undefined) {
    const columns = correctedColumns(table).filter((name) => name !== 'exchange_nanos')
    const fields = columns.map(fieldOf).join(', ')
    return { reason: 'missing_value', field: null, value: null, expected: `one of ${fields}` }
  }
  const own = new Set(correctedColumns(table))
  const foreign = given.find((name) => !own.has(name))
  return foreign === undefined ? null : wrong(values, foreign, `a field of ${table.name}`)
}

function correctedColumns({ columns }: TableDefinition): readonly string[] {
  return CORRECTED_COLUMNS.filter((name) => columns.some((column) => column.name === name))
}

/** The rules that a row is judged by when it comes. */
function valueProblem(values: EventValues, receivedAtMicros: number): RowProblem | null {
  for (const name of CORRECTED_COLUMNS) {
    const value = values.get(name) ?? null
    if (value === null) continue
    if (name === 'exchange_timestamp') {
      const problem = timeProblem('ts', Number(value), receivedAtMicros)
      if (problem) return { ...wrong(values, name, 'a time that may be'), reason: problem.reason }
    } else if (name === 'exchange_nanos') {
      const isBelow = Number(value) >= 0 && Number(value) <= 999
      if (!isBelow) return wrong(values, name, 'nanoseconds below a microsecond, 0 to 999')
    } else if (name === 'side') {
      if (!SIDES.includes(String(value)))
        return { ...wrong(values, name, SIDES.join(', ')), reason: 'not_a_side' }
    } else if (typeof value === 'bigint') {
      const sign = wrongSign({ name }, value)
      if (sign !== null) return { ...wrong(values, name, EXPECTED_SIGN[sign]), reason: sign }
    }
  }
  return null
}

function wrong(values: EventValues, column: string, expected: string): RowProblem {
  const value = values.get(column) ?? null
  const reason = value === null ? 'missing_value' : 'malformed'
  return {
    reason,
    field: fieldOf(column),
    value: value === null ? null : shown(textOf(column, value)),
    expected,
  }
}

/** A correction that is right, as the storage makes it. `logEnd` is that of the topic of its table. */
export function rowCorrection(values: EventValues, logEnd: OffsetVector): RowCorrection {
  const changed = CORRECTED_COLUMNS.flatMap((name) => {
    const value = values.get(name) ?? null
    return value === null ? [] : [[name, plainText(name, value)] as const]
  })
  return {
    target: rowTarget(values, logEnd),
    change: {
      isCancelled: values.get('action') === 'cancel',
      values: new Map(changed),
      flags: Number(values.get('quality_flags') ?? 0) & QualityFlag.rounded,
    },
  }
}

function rowTarget(values: EventValues, logEnd: OffsetVector): RowTarget {
  const text = (name: string) => {
    const value = values.get(name) ?? null
    return value === null ? null : String(value)
  }
  const must = { symbol: text('target_symbol'), exchange: text('target_exchange') }
  const messageId = text('target_message_id')
  if (messageId === null) {
    const place = {
      partition: Number(values.get('target_partition')),
      offset: Number(values.get('target_offset')),
    }
    return { ...must, kind: 'place', ...place }
  }
  const known = knownOffsets(text('known_offsets'))
  // Nothing else would ever be waited for in vain.
  const before = logEnd.map((end, partition) => Math.min(end, known?.[partition] ?? end))
  return { ...must, kind: 'message', messageId, before }
}

/** Another producer may write there what it likes: what says nothing restricts nothing. */
function knownOffsets(text: string | null): OffsetVector | null {
  if (text === null) return null
  try {
    return parseVector(text)
  } catch {
    return null
  }
}

function plainText(column: string, value: NonNullable<CellValue>): string {
  return typeof value === 'bigint' && column !== 'exchange_timestamp' ? formatDecimal(value) : String(value)
}

/** As it is written in requests. */
function textOf(column: string, value: NonNullable<CellValue>): string {
  if (typeof value !== 'bigint' || column.startsWith('target_')) return String(value)
  return column === 'exchange_timestamp' ? formatMicros(value) : formatDecimal(value)
}
