import { z } from 'zod'
import { invalid, type SessionCalendar, SessionCalendars, zoneOffset } from '#core'
import { section } from '../settings-file.js'
import { exchangeDefinitions, readDefinition } from './definitions.js'

const DAY_EXPECTED = 'a date such as 2026-01-26'
const TIME_EXPECTED = "a time of day such as '16:12', in quotes"

/** YYYY-MM-DD as a day counted from 1970-01-01. */
const DAY = z
  .string(DAY_EXPECTED)
  .refine(
    (text) => !Number.isNaN(Date.parse(text)) && new Date(text).toISOString().slice(0, 10) === text,
    DAY_EXPECTED,
  )
  .transform((text) => Date.parse(text) / 86_400_000)

/** HH:MM as minutes after midnight. */
const TIME = z
  .string(TIME_EXPECTED)
  .regex(/^([01]\d|2[0-3]):[0-5]\d$|^24:00$/, TIME_EXPECTED)
  .transform((text) => Number(text.slice(0, 2)) * 60 + Number(text.slice(3)))

const EXCHANGES_EXPECTED = 'a list of exchanges such as [ASX]'
const ZONE_EXPECTED = 'an IANA time zone such as Australia/Sydney'

const CALENDAR = section({
  exchanges: z
    .array(z.string(EXCHANGES_EXPECTED).min(1, EXCHANGES_EXPECTED), EXCHANGES_EXPECTED)
    .min(1, EXCHANGES_EXPECTED),
  timeZone: z.string(ZONE_EXPECTED).refine(isTimeZone, ZONE_EXPECTED),
  open: TIME.prefault('00:00'),
  close: TIME.prefault('24:00'),
  weekends: z.boolean('true or false: whether there is trading on Saturdays and Sundays'),
  holidays: z.array(DAY, 'a list of dates such as [2026-01-26]').prefault([]),
  earlyCloses: z.record(z.string(), TIME, "times of day by date, such as 2026-12-24: '14:10'").prefault({}),
}).refine(({ open, close }) => open < close, { path: ['close'], error: 'later than open' })

/** The calendars of a folder's YAML files. `invalid_input` names the file, the key, the value and what would be right. */
export async function loadCalendars(folder: string): Promise<SessionCalendars> {
  return new SessionCalendars(await exchangeDefinitions(folder, parseCalendar))
}

/** One file's text. */
export function parseCalendar(name: string, text: string): SessionCalendar {
  const { exchanges, timeZone, open, close, weekends, holidays, earlyCloses } = readDefinition(
    name,
    text,
    CALENDAR,
  )
  const days = Object.entries(earlyCloses).map(([date, minutes]) => {
    const day = DAY.safeParse(date)
    if (!day.success) throw invalid(`${name}, earlyCloses`, date, DAY_EXPECTED)
    return [day.data, minutes] as const
  })
  return {
    exchanges,
    timeZone,
    openMinutes: open,
    closeMinutes: close,
    weekends,
    holidays: new Set(holidays),
    earlyCloses: new Map(days),
  }
}

function isTimeZone(name: string): boolean {
  try {
    zoneOffset(name)
    return true
  } catch (error) {
    if (error instanceof RangeError) return false
    throw error
  }
}
