import { describe, expect, test } from 'vitest'
import { localDays } from '../../src/query/calendar.js'

const micros = (instant: string) => BigInt(Date.parse(instant)) * 1000n

function days(timeZone: string, from: string, to: string): readonly string[] {
  return localDays(timeZone, micros(from), micros(to)).map(
    ({ startMicros, endMicros }) =>
      `${new Date(Number(startMicros / 1000n)).toISOString().slice(0, 16)} ${(endMicros - startMicros) / 3_600_000_000n} h`,
  )
}

describe('local days', () => {
  test('hold both ends of the range', () => {
    expect(days('Asia/Kolkata', '2014-03-10T18:29:59Z', '2014-03-10T18:30:00Z')).toEqual([
      '2014-03-09T18:30 24 h',
      '2014-03-10T18:30 24 h',
    ])
  })

  test('have 23 and 25 hours where clocks change', () => {
    expect(days('America/New_York', '2024-03-10T12:00:00Z', '2024-03-10T12:00:00Z')).toEqual([
      '2024-03-10T05:00 23 h',
    ])
    expect(days('America/New_York', '2024-11-03T12:00:00Z', '2024-11-03T12:00:00Z')).toEqual([
      '2024-11-03T04:00 25 h',
    ])
    expect(days('Australia/Lord_Howe', '2024-10-06T00:00:00Z', '2024-10-06T00:00:00Z')).toEqual([
      '2024-10-05T13:30 23 h',
    ])
  })

  test('begin at one where midnight is skipped, and at the first of two midnights', () => {
    expect(days('America/Sao_Paulo', '2018-11-04T12:00:00Z', '2018-11-04T12:00:00Z')).toEqual([
      '2018-11-04T03:00 23 h',
    ])
    expect(days('America/Havana', '2024-11-03T12:00:00Z', '2024-11-03T12:00:00Z')).toEqual([
      '2024-11-03T04:00 25 h',
    ])
  })

  test('leave out a date that the zone skipped', () => {
    expect(days('Pacific/Apia', '2011-12-29T12:00:00Z', '2011-12-30T12:00:00Z')).toEqual([
      '2011-12-29T10:00 24 h',
      '2011-12-30T10:00 24 h',
    ])
  })

  test('follow each other without a hole, for years before 1970 too', () => {
    for (const zone of [
      'Australia/Sydney',
      'Europe/London',
      'America/St_Johns',
      'Asia/Beirut',
      'Africa/Monrovia',
    ]) {
      const list = localDays(zone, micros('1965-01-01T00:00:00Z'), micros('1975-01-01T00:00:00Z'))
      expect(
        list.every((day, index) => index === 0 || day.startMicros === list[index - 1]!.endMicros),
        zone,
      ).toBe(true)
      expect(list.length).toBeGreaterThan(3650)
    }
  })
})
