import { setImmediate } from 'node:timers/promises'
import { dayOfMicros, MICROS_PER_DAY, type Session, type SessionCalendars } from '#core'
import type { QueryResult } from '#engine'
import type { Statement } from './answer.js'
import { Bindings } from './bindings.js'
import { UTC_DAY } from './calendar.js'
import { SELECTION_COLUMNS, selectionConditions, whereAll } from './conditions.js'
import { INSTRUMENT } from './instrument.js'
import type { Selection } from './request.js'
import { relation, type Scan } from './scan.js'

/** A day takes some 0.1 ms where its session has to be made: others get their turn after so many. */
const DAYS_A_TURN = 64

/** A UTC day, counted from 1970, on which an exchange has events. */
export interface ExchangeDay {
  readonly exchange: string
  readonly utcDay: number
}

/** A session of an exchange that shares a time with one of its UTC days: one for each such day. */
export interface ExchangeSession extends ExchangeDay {
  readonly session: Session
}

/** The UTC days on which each exchange has events of a selection: one a row. */
export function exchangeDaysStatement(selection: Selection, scan: Scan): Statement {
  const source = relation(scan, SELECTION_COLUMNS)
  const bindings = new Bindings()
  const where = whereAll(['exchange_timestamp IS NOT NULL', ...selectionConditions(selection, bindings)])
  const events = `SELECT ${INSTRUMENT}, epoch_us(exchange_timestamp) AS micros FROM ${source} ${where}`
  return {
    sql: `SELECT DISTINCT exchange, ${UTC_DAY} AS day FROM (${events}) ORDER BY ALL`,
    parameters: bindings.values,
  }
}

/** The days that `exchangeDaysStatement` found. */
export function exchangeDaysOf({
  columns: [exchanges = [], days = []],
}: QueryResult): readonly ExchangeDay[] {
  return exchanges.map((name, row) => ({ exchange: String(name), utcDay: Number(days[row]) }))
}

/** The sessions that share a time with one of the days. */
export async function exchangeSessions(
  days: readonly ExchangeDay[],
  calendars: SessionCalendars,
  signal?: AbortSignal,
): Promise<readonly ExchangeSession[]> {
  const sessions: ExchangeSession[] = []
  for (const [index, { exchange, utcDay }] of days.entries()) {
    if (index % DAYS_A_TURN === DAYS_A_TURN - 1) {
      await setImmediate()
      signal?.throwIfAborted()
    }
    for (let micros = utcDay * MICROS_PER_DAY; dayOfMicros(BigInt(micros)) === utcDay; ) {
      const session = calendars.session(exchange, micros)
      sessions.push({ exchange, utcDay, session })
      micros = session.endMicros
    }
  }
  return sessions
}
