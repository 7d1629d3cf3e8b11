import { createHash } from 'node:crypto'
import { localTime, startOfDay, type ZoneOffset, zoneOffset } from './time-zone.js'

/** The trading days of one or more exchanges. Days are counted from 1970-01-01, times of day in minutes. */
export interface SessionCalendar {
  /** Values of the column `exchange`. */
  readonly exchanges: readonly string[]
  /** IANA name. */
  readonly timeZone: string
  readonly openMinutes: number
  readonly closeMinutes: number
  /** Whether there is trading on Saturdays and Sundays. */
  readonly weekends: boolean
  readonly holidays: ReadonlySet<number>
  /** By day, when the market closes on it. */
  readonly earlyCloses: ReadonlyMap<number, number>
}

/** A trading day and all that comes until the next one begins. Times are µs since 1970 UTC. */
export interface Session {
  /** The trading day, counted from 1970-01-01. */
  readonly day: number
  /** Inclusive: midnight, local time. Sessions follow each other without a break. */
  readonly startMicros: number
  /** Exclusive. */
  readonly endMicros: number
  readonly openMicros: number
  readonly closeMicros: number
}

/** Trading around the clock, in UTC days. */
const ALWAYS: SessionCalendar = {
  exchanges: [],
  timeZone: 'UTC',
  openMinutes: 0,
  closeMinutes: 24 * 60,
  weekends: true,
  holidays: new Set(),
  earlyCloses: new Map(),
}

const MS_PER_DAY = 86_400_000
/** Sessions of an exchange that are kept at hand: years of them. */
const KEPT_SESSIONS = 1_000

/** The sessions of all exchanges. Asking for one that was asked for lately costs next to nothing. */
export class SessionCalendars {
  readonly #byExchange = new Map<string, ExchangeSessions>()
  readonly #others = new ExchangeSessions(ALWAYS)
  /** Names what the calendars say: two that say the same have the same. */
  readonly version: string

  /** An exchange that none of the calendars names trades around the clock. */
  constructor(calendars: readonly SessionCalendar[]) {
    for (const calendar of calendars) {
      const sessions = new ExchangeSessions(calendar)
      for (const exchange of calendar.exchanges) this.#byExchange.set(exchange, sessions)
    }
    const said = calendars.map((calendar) => ({
      ...calendar,
      holidays: [...calendar.holidays],
      earlyCloses: [...calendar.earlyCloses],
    }))
    this.version = createHash('sha256').update(JSON.stringify(said)).digest('base64url').slice(0, 16)
  }

  /** The session of an exchange that an event time (µs, within ±2^53) is part of. */
  session(exchange: string, micros: number): Session {
    return (this.#byExchange.get(exchange) ?? this.#others).at(micros)
  }
}

class ExchangeSessions {
  readonly #calendar: SessionCalendar
  readonly #offsetAt: ZoneOffset
  readonly #sessions = new Map<number, Session>()
  #last: Session | null = null

  constructor(calendar: SessionCalendar) {
    this.#calendar = calendar
    this.#offsetAt = zoneOffset(calendar.timeZone)
  }

  at(micros: number): Session {
    const last = this.#last
    if (last !== null && micros >= last.startMicros && micros < last.endMicros) return last
    // The local day is this one, or one beside it: an offset is read to the second, and a day may begin at 1:00.
    const ms = Math.floor(micros / 1000)
    let day = Math.floor((ms + this.#offsetAt(ms)) / MS_PER_DAY) + 1
    let session: Session
    do session = this.#of(this.#tradingDay(day--, -1))
    while (session.startMicros > micros)
    this.#last = session
    return session
  }

  /** The session of a trading day. */
  #of(day: number): Session {
    const known = this.#sessions.get(day)
    if (known) return known
    const { openMinutes, closeMinutes, earlyCloses } = this.#calendar
    const close = earlyCloses.get(day) ?? closeMinutes
    const session = {
      day,
      startMicros: startOfDay(day, this.#offsetAt) * 1000,
      endMicros: startOfDay(this.#tradingDay(day + 1, 1), this.#offsetAt) * 1000,
      openMicros: localTime(day, openMinutes, this.#offsetAt) * 1000,
      closeMicros: localTime(day, close, this.#offsetAt) * 1000,
    }
    if (this.#sessions.size === KEPT_SESSIONS) this.#sessions.clear()
    this.#sessions.set(day, session)
    return session
  }

  /** The first trading day from this day on, in one direction. */
  #tradingDay(day: number, step: 1 | -1): number {
    let trading = day
    while (!this.#isTradingDay(trading)) trading += step
    return trading
  }

  #isTradingDay(day: number): boolean {
    const { weekends, holidays } = this.#calendar
    // Day 0 was a Thursday.
    const weekday = (((day + 4) % 7) + 7) % 7
    return !holidays.has(day) && (weekends || (weekday !== 0 && weekday !== 6))
  }
}
