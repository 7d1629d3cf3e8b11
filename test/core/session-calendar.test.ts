import { fileURLToPath } from 'node:url'
import fc from 'fast-check'
import { beforeAll, describe, expect, test } from 'vitest'
import { formatDay, formatMicros, type Session, type SessionCalendars } from '#core'
import { loadCalendars, parseCalendar } from '../../src/cli/calendars.js'

let calendars: SessionCalendars
beforeAll(async () => {
  calendars = await loadCalendars(fileURLToPath(new URL('../../config/calendars', import.meta.url)))
})

function sessionAt(exchange: string, time: string): Session {
  return calendars.session(exchange, Date.parse(time) * 1000)
}

function hours({ day, openMicros, closeMicros }: Session): string {
  const time = (micros: number) => formatMicros(BigInt(micros)).slice(0, 16)
  return `${formatDay(day)}: ${time(openMicros)} to ${time(closeMicros)}`
}

describe('a session', () => {
  test.each([
    ['ASX', '2014-03-10T00:30:00Z', '2014-03-10: 2014-03-09T23:00 to 2014-03-10T05:12'],
    ['ASX', '2014-03-09T22:00:00Z', '2014-03-10: 2014-03-09T23:00 to 2014-03-10T05:12'],
    ['ASX', '2014-03-09T12:00:00Z', '2014-03-07: 2014-03-06T23:00 to 2014-03-07T05:12'],
    ['ASX', '2014-05-08T03:00:00Z', '2014-05-08: 2014-05-08T00:00 to 2014-05-08T06:12'],
    ['ASX', '2025-12-24T03:00:00Z', '2025-12-24: 2025-12-23T23:00 to 2025-12-24T03:10'],
    ['ASX', '2025-04-21T03:00:00Z', '2025-04-17: 2025-04-17T00:00 to 2025-04-17T06:12'],
    ['XNAS', '2013-10-07T08:00:00Z', '2013-10-07: 2013-10-07T13:30 to 2013-10-07T20:00'],
    ['XNAS', '2026-11-27T15:00:00Z', '2026-11-27: 2026-11-27T14:30 to 2026-11-27T18:00'],
    ['XNAS', '2026-11-26T15:00:00Z', '2026-11-25: 2026-11-25T14:30 to 2026-11-25T21:00'],
    ['XNAS', '2026-03-09T03:59:59Z', '2026-03-06: 2026-03-06T14:30 to 2026-03-06T21:00'],
    ['XNAS', '2026-03-09T04:00:00Z', '2026-03-09: 2026-03-09T13:30 to 2026-03-09T20:00'],
    ['BINANCE', '2024-08-11T23:59:59Z', '2024-08-11: 2024-08-11T00:00 to 2024-08-12T00:00'],
    ['nobody knows', '1969-12-31T23:59:59Z', '1969-12-31: 1969-12-31T00:00 to 1970-01-01T00:00'],
  ])('of %s at %s is that of %s', (exchange, time, expected) => {
    expect(hours(sessionAt(exchange, time))).toBe(expected)
  })

  test('follows the one before without a break, whatever the zone and the time (a failure prints its seed)', () => {
    const micros = fc.integer({ min: -(2 ** 48), max: 2 ** 51 })
    fc.assert(
      fc.property(fc.constantFrom('ASX', 'US-SIP', 'BINANCE'), micros, (exchange, time) => {
        const session = calendars.session(exchange, time)
        expect(session.startMicros).toBeLessThanOrEqual(time)
        expect(session.endMicros).toBeGreaterThan(time)
        expect(session.openMicros).toBeGreaterThanOrEqual(session.startMicros)
        expect(session.closeMicros).toBeLessThanOrEqual(session.endMicros)
        const next = calendars.session(exchange, session.endMicros)
        expect(next.startMicros).toBe(session.endMicros)
        expect(next.day).toBeGreaterThan(session.day)
        expect(calendars.session(exchange, session.endMicros - 1)).toEqual(session)
      }),
    )
  })
})

test.each([
  ['exchanges: []\ntimeZone: UTC\nweekends: true', 'x.yaml, exchanges: "[]" is not a list of exchanges'],
  ['exchanges: [7]\ntimeZone: UTC\nweekends: true', 'x.yaml, exchanges.0: "7" is not a list of exchanges'],
  ['exchanges: { A: 1 }\ntimeZone: UTC\nweekends: true', 'exchanges: "{ A: 1 }" is not a list of exchanges'],
  ['exchanges: [A]\ntimeZone: Mars\nweekends: true', 'x.yaml, timeZone: "Mars" is not an IANA time zone'],
  ['exchanges: [A]\nweekends: true', 'x.yaml, timeZone: "" is not an IANA time zone'],
  ['exchanges: [A]\ntimeZone: UTC\nweekends: no', 'x.yaml, weekends: "no" is not true or false'],
  [
    "exchanges: [A]\ntimeZone: UTC\nweekends: true\nopen: '25:00'",
    'x.yaml, open: "25:00" is not a time of day',
  ],
  [
    'exchanges: [A]\ntimeZone: UTC\nweekends: true\nholidays: 2026-01-26',
    'x.yaml, holidays: "2026-01-26" is not a list of dates',
  ],
  [
    'exchanges: [A]\ntimeZone: UTC\nweekends: true\nholidays: [2026-02-30]',
    'x.yaml, holidays.0: "2026-02-30" is not a date',
  ],
  [
    'exchanges: [A]\ntimeZone: UTC\nweekends: true\nearlyCloses: [2026-12-24]',
    'x.yaml, earlyCloses: "[ 2026-12-24 ]" is not times of day by date',
  ],
  ["exchanges: [A]\ntimeZone: UTC\nweekends: true\nearlyCloses: {soon: '10:00'}", 'earlyCloses: "soon"'],
  [
    "exchanges: [A]\ntimeZone: UTC\nweekends: true\nopen: '10:00'\nclose: '09:00'",
    'x.yaml, close: "09:00" is not later than open',
  ],
  [
    'exchanges: [A]\ntimezone: UTC\nweekends: true',
    'x.yaml: "timezone" is not a setting here; there are exchanges, timeZone, open',
  ],
  ['', 'x.yaml: "null" is not settings: there are exchanges, timeZone'],
  ['exchanges: [A\ntimeZone: UTC', 'x.yaml is no YAML: Flow sequence in block collection must be'],
  ['exchanges: [A]\nexchanges: [B]', 'x.yaml is no YAML: Map keys must be unique at line 2, column 1'],
  ['exchanges: *all', 'x.yaml is no YAML: Unresolved alias'],
])('a calendar that is wrong says what would be right: %s', (text, message) => {
  expect(() => parseCalendar('x.yaml', text)).toThrow(
    expect.objectContaining({ code: 'invalid_input', message: expect.stringContaining(message) }),
  )
})
