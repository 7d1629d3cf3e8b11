import { assert, QUARANTINE_REASONS, QUOTES, type TableName, TRADES } from '#core'
import type { QueryResult } from '#engine'
import { cancelledRows, type PinnedVersion, type StreamTable } from '#storage'
import type { Statement } from './answer.js'
import type { Encoding } from './field.js'
import { addReasons, type ReasonCounts, totalOf } from './instrument-counts.js'
import { encodeReceipt } from './receipt.js'
import { MARKET_TABLES, type MarketTable } from './request.js'
import { planScan, relation, rowsScanned, type Scan } from './scan.js'

export const TABLE_QUALITY_FIELDS = [
  'table',
  'received',
  'accepted',
  'quarantined',
  'quarantined_reasons',
  'duplicates',
  'cancelled',
  'receipt',
] as const

export const TABLE_QUALITY_TYPES = {
  table: 'VARCHAR',
  received: 'BIGINT',
  accepted: 'BIGINT',
  quarantined: 'BIGINT',
  quarantined_reasons: 'VARCHAR',
  duplicates: 'BIGINT',
  cancelled: 'BIGINT',
  receipt: 'VARCHAR',
} as const

/** A table of events: received = accepted + quarantined + duplicates. */
interface TableQuality {
  readonly table: MarketTable
  readonly received: number
  /** Rows of its version, and those that were cancelled. */
  readonly accepted: number
  /** Refused records that were meant for it: lines of loads that are of no instrument too. */
  readonly quarantined: number
  readonly quarantined_reasons: ReasonCounts
  readonly duplicates: number
  /** Accepted rows that corrections have taken out again. */
  readonly cancelled: number
  /** The version whose rows were counted. */
  readonly receipt: string
}

const TABLES = new Map([TRADES, QUOTES].map(({ topic, name }) => [topic, name]))
const KNOWN_REASONS: ReadonlySet<string> = new Set(QUARANTINE_REASONS)
/** What foreign writers put into the quarantine may give any reason. */
const OTHER = 'other'

/** Refused records by topic and reason. */
export function refusalsStatement(scan: Scan): Statement {
  const source = relation(scan, ['topic', 'reason'])
  const sql = `SELECT topic, reason, count(*)::DOUBLE FROM ${source} GROUP BY topic, reason ORDER BY ALL`
  return { sql, parameters: {} }
}

/** What `refusalsStatement` found, by table. */
export function refusalsByTable(result: QueryResult): ReadonlyMap<string, ReasonCounts> {
  const [topics = [], reasons = [], counts = []] = result.columns
  const found = new Map<string, ReasonCounts>()
  topics.forEach((topic, row) => {
    const table = TABLES.get(String(topic)) ?? OTHER
    const given = String(reasons[row])
    const reason = KNOWN_REASONS.has(given) ? given : OTHER
    found.set(table, addReasons(found.get(table) ?? {}, { [reason]: Number(counts[row]) }))
  })
  return found
}

/** A row for each table of events. */
export async function tableQualityRows(
  tables: ReadonlyMap<TableName, StreamTable>,
  refusals: ReadonlyMap<string, ReasonCounts>,
): Promise<readonly TableQuality[]> {
  const rows: TableQuality[] = []
  for (const name of MARKET_TABLES) {
    const pinned = tables.get(name)?.pin()
    assert(pinned !== undefined, `there is a table ${name}`)
    try {
      rows.push(await tableQuality(name, pinned, refusals.get(name) ?? {}))
    } finally {
      pinned.release()
    }
  }
  return rows
}

/** What became of all that was meant for the table; manifests and tail know how many rows it has. */
async function tableQuality(
  table: MarketTable,
  pinned: PinnedVersion,
  reasons: ReasonCounts,
): Promise<TableQuality> {
  const duplicates = [...pinned.instruments.values()].reduce((sum, state) => sum + state.duplicates, 0)
  const cancelled = cancelledRows(pinned.metadata)
  const accepted = rowsScanned(await planScan(pinned, {})) + cancelled
  const quarantined = totalOf(reasons)
  return {
    table,
    received: accepted + quarantined + duplicates,
    accepted,
    quarantined,
    quarantined_reasons: reasons,
    duplicates,
    cancelled,
    receipt: encodeReceipt(pinned.metadata.tableUuid, pinned.version),
  }
}

export function encodeTableQuality(row: TableQuality, encoding: Encoding): string {
  if (encoding !== 'csv') return JSON.stringify(row)
  return TABLE_QUALITY_FIELDS.map((name) =>
    name === 'quarantined_reasons' ? reasonsCell(row) : row[name],
  ).join(',')
}

/** As `countsField` writes it. */
function reasonsCell({ quarantined_reasons: reasons }: TableQuality): string {
  return Object.entries(reasons)
    .map(([reason, count]) => `${reason}:${count}`)
    .join(' ')
}
