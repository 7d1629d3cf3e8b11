import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { dayOfMicros, MICROS_PER_DAY } from '#core'
import { type LocalDay, localDays } from '../../src/query/calendar.js'

const micros = (instant: string) => BigInt(Date.parse(instant)) * 1000n
const utcDay = (instant: string) => dayOfMicros(micros(instant))
const range = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, index) => from + index)

/** Of the days that are found for these instants' UTC days, those that hold a time from the one to the other. */
async function days(timeZone: string, from: string, to: string): Promise<readonly string[]> {
  const found = await localDays(timeZone, range(utcDay(from), utcDay(to)))
  return found
    .filter((day) => day.endMicros > micros(from) && day.startMicros <= micros(to))
    .map(
      ({ startMicros, endMicros }) =>
        `${new Date(Number(startMicros / 1000n)).toISOString().slice(0, 16)} ${(endMicros - startMicros) / 3_600_000_000n} h`,
    )
}

describe('local days', () => {
  test('hold both ends of the range', async () => {
    expect(await days('Asia/Kolkata', '2014-03-10T18:29:59Z', '2014-03-10T18:30:00Z')).toEqual([
      '2014-03-09T18:30 24 h',
      '2014-03-10T18:30 24 h',
    ])
  })

  test('have 23 and 25 hours where clocks change', async () => {
    expect(await days('America/New_York', '2024-03-10T12:00:00Z', '2024-03-10T12:00:00Z')).toEqual([
      '2024-03-10T05:00 23 h',
    ])
    expect(await days('America/New_York', '2024-11-03T12:00:00Z', '2024-11-03T12:00:00Z')).toEqual([
      '2024-11-03T04:00 25 h',
    ])
    expect(await days('Australia/Lord_Howe', '2024-10-06T00:00:00Z', '2024-10-06T00:00:00Z')).toEqual([
      '2024-10-05T13:30 23 h',
    ])
  })

  test('begin at one where midnight is skipped, and at the first of two midnights', async () => {
    expect(await days('America/Sao_Paulo', '2018-11-04T12:00:00Z', '2018-11-04T12:00:00Z')).toEqual([
      '2018-11-04T03:00 23 h',
    ])
    expect(await days('America/Havana', '2024-11-03T12:00:00Z', '2024-11-03T12:00:00Z')).toEqual([
      '2024-11-03T04:00 25 h',
    ])
  })

  test('leave out a date that the zone skipped', async () => {
    expect(await days('Pacific/Apia', '2011-12-29T12:00:00Z', '2011-12-30T12:00:00Z')).toEqual([
      '2011-12-29T10:00 24 h',
      '2011-12-30T10:00 24 h',
    ])
  })

  test('follow each other without a hole, for years before 1970 too', async () => {
    for (const zone of [
      'Australia/Sydney',
      'Europe/London',
      'America/St_Johns',
      'Asia/Beirut',
      'Africa/Monrovia',
    ]) {
      const list = await localDays(
        zone,
        range(utcDay('1965-01-01T00:00:00Z'), utcDay('1975-01-01T00:00:00Z')),
      )
      expect(
        list.every((day, index) => index === 0 || day.startMicros === list[index - 1]!.endMicros),
        zone,
      ).toBe(true)
      expect(list.length).toBeGreaterThan(3650)
    }
  })

  test('of single UTC days are those of the whole calendar that share a time with them', async () => {
    const first = utcDay('2011-12-20T00:00:00Z')
    const last = utcDay('2012-04-10T00:00:00Z')
    const property = fc.asyncProperty(
      fc.constantFrom('Pacific/Apia', 'Australia/Sydney', 'America/Sao_Paulo', 'Pacific/Honolulu', 'UTC'),
      fc.uniqueArray(fc.integer({ min: first, max: last })),
      async (zone, single) => {
        const utcDays = single.toSorted((a, b) => a - b)
        const calendar = await localDays(zone, range(first, last))
        const isTouched = (day: LocalDay) =>
          utcDays.some(
            (utc) =>
              day.startMicros < BigInt(utc + 1) * BigInt(MICROS_PER_DAY) &&
              day.endMicros > BigInt(utc) * BigInt(MICROS_PER_DAY),
          )
        expect(await localDays(zone, utcDays)).toEqual(calendar.filter(isTouched))
      },
    )
    await fc.assert(property, { numRuns: 60, verbose: true })
  })

  test('leave others their turn, and end with the signal', async () => {
    const controller = new AbortController()
    // Many thousand days: the turn comes long before their end.
    setImmediate(() => controller.abort(new Error('left')))
    await expect(localDays('Australia/Sydney', range(0, 200_000), controller.signal)).rejects.toThrow('left')
  })
})
