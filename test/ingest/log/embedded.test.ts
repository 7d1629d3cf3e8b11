import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { open } from 'lmdb'
import { afterEach, expect, test } from 'vitest'
import { EmbeddedLog } from '../../../src/ingest/log/embedded.js'
import { describeStoredLog } from '../../contract/stored-log.js'
import { ManualClock } from '../../support/manual-clock.js'

const folders: string[] = []
const running = new Set<EmbeddedLog>()

async function newFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'ticklake-log-'))
  folders.push(folder)
  return folder
}

async function started(log: EmbeddedLog): Promise<EmbeddedLog> {
  running.add(log)
  await log.start()
  return log
}

afterEach(async () => {
  for (const log of running) await log.stop()
  running.clear()
  for (const folder of folders.splice(0)) await rm(folder, { recursive: true, force: true })
})

describeStoredLog('EmbeddedLog', async (clock, retention) => {
  const folder = await newFolder()
  let log = await started(new EmbeddedLog(folder, clock, retention))
  return {
    log,
    reopen: async () => {
      await log.stop()
      log = await started(new EmbeddedLog(folder, clock, retention))
      return log
    },
  }
})

/** A log whose second batch, that at offset 2, has been changed on the disk. */
async function damagedLog(damage: (stored: Buffer) => Buffer): Promise<EmbeddedLog> {
  const folder = await newFolder()
  const log = await started(new EmbeddedLog(folder, new ManualClock()))
  await log.createTopic('t', 1)
  for (const text of ['one', 'two', 'three']) {
    const record = { key: 'A', value: Buffer.from(text) }
    await log.append({ records: new Map([['t', [record, record]]]) })
  }
  await log.stop()
  const environment = open({ path: folder, noSubdir: false })
  const batches = environment.openDB<Buffer, Buffer>({
    name: 'batches',
    keyEncoding: 'binary',
    encoding: 'binary',
  })
  const key = [...batches.getKeys()][1]!
  await batches.put(key, damage(Buffer.from(batches.get(key)!)))
  await environment.close()
  return started(new EmbeddedLog(folder, new ManualClock()))
}

test('any changed byte of a batch is found when it is read, and said where', async () => {
  const size = 32 + 8 + 6
  for (let byte = 0; byte < size; byte++) {
    const log = await damagedLog((stored) => {
      expect(stored.length).toBe(size)
      stored[byte]! ^= 0x10
      return stored
    })
    expect(log.read('t', [0], 1).next, 'the batch before is whole').toEqual([2])
    expect(log.read('t', [4], 1).next, 'the batch after is whole').toEqual([6])
    expect(() => log.read('t', [2], 1), `byte ${byte}`).toThrow(
      expect.objectContaining({
        code: 'corrupt',
        message: expect.stringContaining('topic t, partition 0, offset 2 is damaged'),
      }),
    )
    await log.stop()
  }
})

test('a batch that is cut short is found', async () => {
  for (const length of [0, 10, 33, 45]) {
    const log = await damagedLog((stored) => stored.subarray(0, length))
    expect(() => log.read('t', [3], 1), `${length} bytes`).toThrow(
      expect.objectContaining({ code: 'corrupt' }),
    )
    await log.stop()
  }
})
