import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { parse } from 'yaml'
import { z } from 'zod'
import { invalid, type SessionCalendar, SessionCalendars, zoneOffset } from '#core'

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

const CALENDAR = z.strictObject({
  exchanges: z.array(z.string().min(1)).min(1),
  timeZone: z.string().refine(isTimeZone, 'an IANA time zone such as Australia/Sydney'),
  open: TIME.prefault('00:00'),
  close: TIME.prefault('24:00'),
  weekends: z.boolean(),
  holidays: z.array(DAY).prefault([]),
  earlyCloses: z.record(z.string(), TIME).prefault({}),
})

/** The calendars of a folder's YAML files. `invalid_input` names the file, the key, the value and what would be right. */
export async function loadCalendars(folder: string): Promise<SessionCalendars> {
  const names = (await readdir(folder)).filter((name) => name.endsWith('.yaml')).sort()
  const calendars: SessionCalendar[] = []
  const files = new Map<string, string>()
  for (const name of names) {
    const calendar = parseCalendar(name, await readFile(join(folder, name), 'utf8'))
    for (const exchange of calendar.exchanges) {
      const other = files.get(exchange)
      if (other !== undefined)
        throw invalid(`${name}, exchanges`, exchange, `in one calendar: ${other} has it`)
      files.set(exchange, name)
    }
    calendars.push(calendar)
  }
  return new SessionCalendars(calendars)
}

/** One file's text. */
export function parseCalendar(name: string, text: string): SessionCalendar {
  const given: unknown = parse(text)
  const result = CALENDAR.safeParse(given)
  if (!result.success) {
    const { path, message } = result.error.issues[0]!
    const value = path.reduce<unknown>((node, key) => Object(node)[key], given)
    throw invalid([name, path.join('.')].filter(Boolean).join(', '), JSON.stringify(value), message)
  }
  const { exchanges, timeZone, open, close, weekends, holidays, earlyCloses } = result.data
  if (open >= close) throw invalid(`${name}, close`, close, 'later than open')
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
