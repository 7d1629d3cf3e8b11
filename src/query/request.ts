import { invalid, parseTimeNanos, type QuarantineReason, type TableName } from '#core'
import type { AsOf } from '#storage'

/** The tables whose rows are market events. */
export type MarketTable = 'trades' | 'quotes'
export const MARKET_TABLES = ['trades', 'quotes'] as const satisfies readonly MarketTable[]

/** What the prices of a bar are: those of trades, or the bid, ask or mid of quotes. */
export type BarSource = 'trades' | 'bid' | 'ask' | 'mid'
export const BAR_SOURCES = ['trades', 'bid', 'ask', 'mid'] as const satisfies readonly BarSource[]

export type Order = 'asc' | 'desc'

/**
 * A part of each trading day of an exchange's calendar: its open to its close; what comes before, from the midnight at
 * which the day begins; what comes after, until the next trading day begins; or all of it.
 */
export type SessionPart = 'regular' | 'pre' | 'post' | 'all'
export const SESSION_PARTS = ['regular', 'pre', 'post', 'all'] as const satisfies readonly SessionPart[]

export const MAX_LIMIT = 50_000
export const DEFAULT_LIMIT = 1_000
const MAX_SYMBOLS = 1_000

/** Which events are meant. Null: no restriction. */
export interface Selection {
  /** Without duplicates, sorted. */
  readonly symbols: readonly string[] | null
  readonly exchange: string | null
  /** Event time, inclusive, ns since 1970 UTC. */
  readonly startNanos: bigint | null
  /** Event time, exclusive, ns since 1970 UTC; greater than the start. */
  readonly endNanos: bigint | null
  /** The state of the table; absent: the newest version, tail included. */
  readonly asOf?: AsOf
}

/**
 * One page of a list: 1 to `MAX_LIMIT` rows, from the start or after the page that gave the token. Null: all the rows
 * from there on, which are then streamed.
 */
export interface Page {
  readonly limit: number | null
  readonly pageToken: string | null
}

export interface RowsRequest extends Selection, Page {
  readonly table: MarketTable
  readonly order: Order
  /** Names from `rowFields(table)`, of places or of added columns, in the order wanted; null: all of the first. */
  readonly fields: readonly string[] | null
}

/**
 * What stands for a bucket without rows, between the first and the last of an instrument that have some: nothing; a bar
 * without prices; one whose prices are the close before it. Its volume is 0.
 */
export type Fill = 'none' | 'null' | 'prev'
export const FILLS = ['none', 'null', 'prev'] as const satisfies readonly Fill[]

/** Which trades: all of them, or each for what its conditions let it count for. */
export type Prints = 'all' | 'eligible'
export const PRINTS = ['all', 'eligible'] as const satisfies readonly Prints[]

export interface CountRequest extends Selection {
  readonly table: MarketTable
}

export interface BarsRequest extends Selection, Page {
  readonly of: BarSource
  readonly intervalSeconds: number
  /** IANA name of the time zone whose midnights the buckets start from. Without meaning for a session. */
  readonly timeZone: string
  /** Only what happened in this part of a trading day, in buckets that start from its beginning; null: all there is. */
  readonly session: SessionPart | null
  /** Without meaning for quotes. */
  readonly prints: Prints
  readonly fill: Fill
  readonly order: Order
  /** Names from `BAR_FIELDS`; null: all. */
  readonly fields: readonly string[] | null
}

export interface VwapRequest extends Selection, Page {
  readonly prints: Prints
  /** Of each interval; null: of the range as a whole, by exchange and symbol, in ascending order. */
  readonly intervalSeconds: number | null
  /** As of bars, and without meaning for a range as a whole. */
  readonly timeZone: string
  readonly session: SessionPart | null
  readonly order: Order
}

/** Whether a quote of the very time of a trade, to the nanosecond, prevails at it, or only an earlier one. */
export type Prevailing = 'at' | 'before'
export const PREVAILING = ['at', 'before'] as const satisfies readonly Prevailing[]

/** Of trades, each with the quote that prevailed. */
export interface AsofRequest extends Selection, Page {
  readonly prevailing: Prevailing
  /** An older quote prevails no longer. */
  readonly maxAgeSeconds: number
  readonly order: Order
  /** Names from `ASOF_FIELDS`; null: all. */
  readonly fields: readonly string[] | null
}

/** Of each instrument's last trade and last quote in a selection: its end is the moment, exclusive. */
export interface MarketSnapshotRequest extends Selection, Page {
  /** Names from `MARKET_SNAPSHOT_FIELDS`; null: all. */
  readonly fields: readonly string[] | null
}

export interface LatestRequest extends Selection, Page {
  readonly table: MarketTable
  readonly fields: readonly string[] | null
}

export interface SymbolsRequest extends Selection, Page {
  readonly table: MarketTable
}

export interface CoverageRequest extends Selection, Page {
  readonly table: MarketTable
}

export interface QualityRequest extends Selection, Page {
  readonly table: MarketTable
}

/** What was refused: a line of a file that was loaded or of a body that was posted, or a record of the log. */
export type RefusedKind = 'line' | 'record'
export const REFUSED_KINDS = ['line', 'record'] as const satisfies readonly RefusedKind[]

/** Times are those at which the log took the refused records. Symbols and exchange are null: such records have none. */
export interface QuarantineRequest extends Selection, Page {
  /** Meant for which table. Null, here and below: no restriction. */
  readonly of: MarketTable | null
  readonly reason: QuarantineReason | null
  readonly sourceId: string | null
  readonly kind: RefusedKind | null
  readonly order: Order
  /** Names from `QUARANTINE_FIELDS`; null: all. */
  readonly fields: readonly string[] | null
}

/** What has become of a correction so far. */
export const CORRECTION_STATES = ['pending', 'made', 'refused'] as const

/** Times are those at which the log took the corrections. */
export interface CorrectionsRequest extends Selection, Page {
  /** Of rows of which table. Null, here and below: no restriction. */
  readonly of: MarketTable | null
  readonly state: (typeof CORRECTION_STATES)[number] | null
  readonly source: string | null
  readonly order: Order
  /** Names from `CORRECTION_FIELDS`; null: all. */
  readonly fields: readonly string[] | null
}

export interface SnapshotsRequest {
  readonly table: TableName
}

const SECONDS = { s: 1, m: 60, h: 3600, d: 86_400 } as const
export const SECONDS_PER_DAY = 86_400

/** "5m" → 300. From 1s to 1d. */
export function parseInterval(field: string, text: string): number {
  const seconds = secondsOf(text)
  if (seconds < 1 || seconds > SECONDS_PER_DAY) {
    throw invalid(field, text, 'an interval from 1s to 1d, such as 1s, 5m, 1h or 1d')
  }
  return seconds
}

const MAX_AGE_DAYS = 30

/** "5m" → 300. From 1s to 30d. */
export function parseAge(field: string, text: string): number {
  const seconds = secondsOf(text)
  if (seconds < 1 || seconds > MAX_AGE_DAYS * SECONDS_PER_DAY)
    throw invalid(field, text, `an age from 1s to ${MAX_AGE_DAYS}d, such as 10s, 5m or 1d`)
  return seconds
}

/** 0 for what is no such text. */
function secondsOf(text: string): number {
  const match = /^(\d{1,6})([smhd])$/.exec(text)
  // The pattern admits only these four letters.
  return match ? Number(match[1]) * SECONDS[match[2] as keyof typeof SECONDS] : 0
}

/** An IANA time zone, in its usual spelling. */
export function parseTimeZone(field: string, text: string): string {
  try {
    if (!/^[A-Za-z]/.test(text)) throw new RangeError('an offset is not a zone')
    return new Intl.DateTimeFormat('en', { timeZone: text }).resolvedOptions().timeZone
  } catch (error) {
    throw invalid(field, text, 'an IANA time zone, such as UTC, America/New_York or Australia/Sydney', error)
  }
}

/** "BHP, CBA" → ["BHP", "CBA"], without duplicates, sorted. */
export function parseSymbols(field: string, text: string): readonly string[] {
  const symbols = [...new Set(text.split(',').map((symbol) => symbol.trim()))].sort()
  if (symbols.length > MAX_SYMBOLS)
    throw invalid(field, `${symbols.length} symbols`, `at most ${MAX_SYMBOLS} symbols`)
  if (symbols.includes('')) throw invalid(field, text, 'a list of symbols, such as BHP,CBA')
  return symbols
}

/** Names of fields, each known and named once. */
export function parseFields(field: string, text: string, known: readonly string[]): readonly string[] {
  const names = text.split(',').map((name) => name.trim())
  const wrong = names.find((name, index) => !known.includes(name) || names.indexOf(name) !== index)
  if (wrong !== undefined) throw invalid(field, wrong, `one of ${known.join(', ')}, each at most once`)
  return names
}

/** A list of names, each at most once: which there are is known once a version is pinned. */
export function parseNames(field: string, text: string): readonly string[] {
  const names = text.split(',').map((name) => name.trim())
  const wrong = names.find((name, index) => name === '' || names.indexOf(name) !== index)
  if (wrong !== undefined) throw invalid(field, wrong, 'a name that is in the list once')
  return names
}

/**
 * A state of a table: a snapshot id is all digits, a time is RFC 3339 or a date, anything else the name of a branch or
 * tag. Times count whole milliseconds, as those of snapshots do.
 */
export function parseAsOf(field: string, text: string): AsOf {
  if (/^\d{1,19}$/.test(text)) return { kind: 'snapshot', snapshotId: BigInt(text) }
  if (/^\d{4}-\d\d-\d\d([Tt ]|$)/.test(text)) {
    return { kind: 'time', timeMs: Number(floorMillis(parseTimeNanos(field, text))) }
  }
  const expected = 'a snapshot id, an RFC 3339 time with an offset, a date, or the name of a branch or tag'
  if (text === '' || text.length > 255) throw invalid(field, text, expected)
  return { kind: 'ref', name: text }
}

function floorMillis(nanos: bigint): bigint {
  return (nanos - (((nanos % 1_000_000n) + 1_000_000n) % 1_000_000n)) / 1_000_000n
}

/** Event times from text: start inclusive, end exclusive and later. */
export function parseRange(
  start: string | null,
  end: string | null,
): Pick<Selection, 'startNanos' | 'endNanos'> {
  const startNanos = start === null ? null : parseTimeNanos('start', start)
  const endNanos = end === null ? null : parseTimeNanos('end', end)
  if (end !== null && startNanos !== null && endNanos !== null && endNanos <= startNanos) {
    throw invalid('end', end, `a time after start, which is ${JSON.stringify(start)}`)
  }
  return { startNanos, endNanos }
}
