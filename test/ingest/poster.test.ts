import { beforeEach, describe, expect, test } from 'vitest'
import { QUARANTINE, QUOTES, TicklakeError, TRADES } from '#core'
import { MemoryLog } from '../../src/ingest/log/memory.js'
import { Poster, type PosterOptions, type PostRequest } from '../../src/ingest/posting/poster.js'
import { EmbeddedRegistry } from '../../src/ingest/registry/embedded.js'
import { loggedRecords } from '../support/log-records.js'
import { ManualClock } from '../support/manual-clock.js'

const ROW = '{"symbol":"BHP","exchange":"ASX","ts":"2024-03-10T10:00:00Z","price":"36.667","size":1}'

let log: MemoryLog
beforeEach(async () => {
  log = new MemoryLog(new ManualClock())
  await log.start()
  for (const { topic } of [TRADES, QUOTES, QUARANTINE]) await log.createTopic(topic, 1)
})

function poster(options: Partial<PosterOptions> = {}): Poster {
  const registry = new EmbeddedRegistry(log.store)
  return new Poster({
    log,
    registry,
    clock: new ManualClock(),
    maxRows: 10,
    maxBytes: 10_000,
    maxKeys: 3,
    ...options,
  })
}

function lines(body: string | Buffer, idempotencyKey?: string): PostRequest {
  const bytes = Buffer.from(body)
  return { definition: TRADES, form: 'ndjson', body: bytes, source: 'me', sequence: 'none', idempotencyKey }
}

/** The log, on a disk that may be full. */
function filling(disk: { isFull: boolean }): PosterOptions['log'] {
  return {
    end: (topic) => log.end(topic),
    progress: (sourceId) => log.progress(sourceId),
    append: async (append) => {
      if (disk.isFull) throw new TicklakeError('unavailable', 'the disk is full')
      return log.append(append)
    },
  }
}

describe('a posted body', () => {
  test('is one append: what is refused lies in quarantine, byte by byte, beside what is accepted [inv 10]', async () => {
    const notUtf8 = Buffer.concat([Buffer.from('{"symbol":"'), Buffer.from([0xff]), Buffer.from('"}')])
    const priced = ROW.replace('36.667', '-1')
    const body = Buffer.concat([Buffer.from(`${ROW}\n  ${priced}\r\n`), notUtf8])
    const result = await poster().post(lines(body))
    expect(result).toMatchObject({ received: 3, accepted: 1, quarantined: 2 })
    expect(loggedRecords(log, TRADES)).toMatchObject([{ source: 'me', source_row: null, price: '36.667' }])
    const kept = { source_id: 'me', file: 'http' }
    expect(loggedRecords(log, QUARANTINE)).toMatchObject([
      {
        ...kept,
        line: '2',
        reason: 'not_positive',
        detail: 'price: "-1" is not more than 0',
        original: priced,
      },
      { ...kept, line: '3', reason: 'malformed', original: notUtf8.toString('latin1') },
    ])
  })

  test('of CSV or with too few columns is kept as what its columns say', async () => {
    const csv = 'symbol,exchange,ts,price,size\nBHP,ASX,1700000000000000000,x,1\n"a ""b""",c\n'
    await poster().post({ ...lines(csv), form: 'csv' })
    expect(loggedRecords(log, QUARANTINE)).toMatchObject([
      { original: '{"symbol":"BHP","exchange":"ASX","ts":"1700000000000000000","price":"x","size":"1"}' },
      { reason: 'wrong_column_count', original: '"a ""b""",c' },
    ])
  })

  test('that the log does not take leaves its key free: sent again, it is taken', async () => {
    const disk = { isFull: true }
    const one = poster({ log: filling(disk) })
    await expect(one.post(lines(ROW, 'k'))).rejects.toMatchObject({ code: 'unavailable' })
    disk.isFull = false
    expect(await one.post(lines(ROW, 'k'))).toMatchObject({ accepted: 1, alreadyIngested: false })
    expect(await one.post(lines(ROW, 'k'))).toMatchObject({ accepted: 1, alreadyIngested: true })
    expect(loggedRecords(log, TRADES)).toHaveLength(1)
  })
})

describe('keys', () => {
  test('are known for as long as so many newer ones have not come, across restarts [inv 13]', async () => {
    let one = poster()
    for (const key of ['a', 'b', 'c', 'd']) await one.post(lines(ROW, key))
    const isKnown = async (key: string) => (await one.post(lines(ROW, key))).alreadyIngested
    expect([await isKnown('b'), await isKnown('c'), await isKnown('d')]).toEqual([true, true, true])
    one = poster()
    expect([await isKnown('b'), await isKnown('c'), await isKnown('d')]).toEqual([true, true, true])
    expect(await isKnown('a')).toBe(false)
    // It has taken the place of the oldest.
    one = poster()
    expect([await isKnown('c'), await isKnown('d'), await isKnown('a')]).toEqual([true, true, true])
    expect(await isKnown('b')).toBe(false)
  })

  test('are known after an outage in which more bodies came than keys are kept', async () => {
    const disk = { isFull: false }
    const one = poster({ log: filling(disk) })
    const isKnown = async (key: string) => (await one.post(lines(ROW, key))).alreadyIngested
    for (const key of ['a', 'b', 'c']) await one.post(lines(ROW, key))
    disk.isFull = true
    for (const key of ['d', 'e', 'd', 'e', 'd']) {
      await expect(one.post(lines(ROW, key))).rejects.toMatchObject({ code: 'unavailable' })
    }
    disk.isFull = false
    expect(await isKnown('d')).toBe(false)
    expect([await isKnown('b'), await isKnown('c'), await isKnown('d')]).toEqual([true, true, true])
    expect(await isKnown('a')).toBe(false)
  })

  test('that are forgotten this moment are taken as new, not as those that came in their place', async () => {
    const committing: PosterOptions['log'] = {
      end: (topic) => log.end(topic),
      progress: (sourceId) => log.progress(sourceId),
      append: async (append) => {
        const appended = await log.append(append)
        // The log has the newer key already, the one who posts it has not been told.
        if (loggedRecords(log, TRADES).length === 4) again = one.post(lines(ROW, 'a'))
        return appended
      },
    }
    let again: Promise<unknown> | undefined
    const one = poster({ log: committing })
    for (const key of ['a', 'b', 'c']) await one.post(lines(ROW, key))
    await one.post(lines(`${ROW}\n`, 'd'))
    expect(await again).toMatchObject({ accepted: 1, alreadyIngested: false })
  })

  test('name a body with all that its rows depend on; what is refused leaves nothing', async () => {
    const one = poster()
    await one.post(lines(ROW, 'k'))
    const others: readonly Partial<PostRequest>[] = [
      { body: Buffer.from(`${ROW}\n`) },
      { form: 'json' },
      { sequence: 'contiguous' },
      { exchange: 'ASX' },
    ]
    for (const other of others) {
      await expect(one.post({ ...lines(ROW, 'k'), ...other })).rejects.toMatchObject({ code: 'conflict' })
    }
    expect(await one.post({ ...lines(ROW, 'k'), source: 'you' })).toMatchObject({ alreadyIngested: false })
    expect(await one.post({ ...lines('', 'k'), definition: QUOTES })).toMatchObject({ received: 0 })
    expect(loggedRecords(log, TRADES)).toHaveLength(2)
    expect(loggedRecords(log, QUARANTINE)).toEqual([])
  })
})
