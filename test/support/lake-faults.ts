import { execFileSync } from 'node:child_process'
import { statfsSync, writeFileSync } from 'node:fs'
import { mkdir, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as after } from 'node:timers/promises'
import { open } from 'lmdb'
import { currentMetadata } from './crashed-folder.js'
import { beginLoad, lakeRows, loadState } from './lake-rows.js'
import { type ProcessOptions, TicklakeServer } from './ticklake-process.js'

export interface FaultOptions extends ProcessOptions {
  /** Of the data, made if absent. */
  readonly data: string
  /** A file of trades, as writeTradesFile makes it. */
  readonly file: string
}

const TOPIC = 'market-data.trades'

/** What a server says of itself, ready or not. */
async function health(server: TicklakeServer): Promise<string> {
  return (await fetch(`${server.url}/health/ready`)).text()
}

/** Loads the file to its end; throws when the load fails. */
async function load(server: TicklakeServer, file: string): Promise<void> {
  const id = await beginLoad(server, await readFile(file))
  for (;;) {
    const { state, error } = await loadState(server, id)
    if (state === 'done') return
    if (state === 'failed') throw new Error(JSON.stringify(error))
    await after(5)
  }
}

/** Loads the file, but kills the server once the log holds rows that are in no snapshot. */
async function loadAndKill({ data, file, ...process }: FaultOptions): Promise<void> {
  const settings = { ...process.settings, TICKLAKE_FLUSH_ROWS: '100000000' }
  const server = await TicklakeServer.start(data, { ...process, settings })
  const id = await beginLoad(server, await readFile(file))
  const tailRows = async () => JSON.parse(await health(server)).tables[0].tail_rows
  while ((await tailRows()) === 0) {
    const { state } = await loadState(server, id)
    if (state === 'done' || state === 'failed')
      throw new Error(`the load is ${state} and left no row in memory`)
  }
  server.kill()
  await server.ended
}

/** Mounts a small file system there, in memory. Throws where that is not allowed: it takes the rights of root. */
export async function withSmallDisk<T>(folder: string, sizeBytes: number, use: () => Promise<T>): Promise<T> {
  await mkdir(folder, { recursive: true })
  execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${sizeBytes}`, 'ticklake', folder])
  try {
    return await use()
  } finally {
    execFileSync('umount', ['--lazy', folder])
  }
}

/**
 * A disk that leaves that much room, which a load then fills. Gives what the server said of it, and the rows once there
 * was room again and the load was gone on with.
 */
export async function fullDisk(
  { data, file, ...process }: FaultOptions,
  roomBytes: number,
): Promise<{ readonly said: string; readonly rows: readonly string[] }> {
  let server = await TicklakeServer.start(data, process)
  try {
    const { bavail, bsize } = statfsSync(data)
    const ballast = join(data, 'ballast')
    writeFileSync(ballast, new Uint8Array(Math.max(0, bavail * bsize - roomBytes)))
    const said = await whatIsSaid(server, file)
    await rm(ballast)
    const goesOn = await load(server, file).then(
      () => true,
      () => false,
    )
    if (!goesOn) {
      if (!server.isRunning) throw new Error(`the server has ended: ${server.said.join('\n')}`)
      await server.stop()
      server = await TicklakeServer.start(data, process)
      await load(server, file)
    }
    await server.stop()
    const how = goesOn ? 'went on by itself' : 'went on when started again'
    return { said: `${said}; ${how}`, rows: (await lakeRows(data, process)).rows }
  } finally {
    server.kill()
    await server.ended
  }
}

/** Of a load on a disk that fills up: that it could not be sent, why it failed, or why nothing is flushed. */
async function whatIsSaid(server: TicklakeServer, file: string): Promise<string> {
  let id: string
  try {
    id = await beginLoad(server, await readFile(file))
  } catch (error) {
    return `refused: ${error instanceof Error ? error.message : String(error)}`
  }
  for (;;) {
    const { state, error } = await loadState(server, id)
    if (state === 'failed') return `load failed: ${detailOf(error)}`
    if (state === 'done') return 'there was room for everything'
    const { tables } = JSON.parse(await health(server))
    const failure = tables.find((table: { flush_failure: string | null }) => table.flush_failure !== null)
    if (failure) return `flush failed: ${failure.flush_failure}`
    await after(5)
  }
}

function detailOf(problem: unknown): string {
  return typeof problem === 'object' && problem !== null && 'detail' in problem ? String(problem.detail) : ''
}

/**
 * A byte of a batch that no snapshot holds is changed, and later changed back. Gives with what words the server ended
 * meanwhile, and the rows afterwards.
 */
export async function damagedBatch(options: FaultOptions): Promise<{
  readonly partition: number
  readonly offset: number
  readonly said: string
  readonly rows: readonly string[]
}> {
  const { data, file, ...process } = options
  await mkdir(data, { recursive: true })
  await loadAndKill(options)
  const damaged = await flipByte(data)
  const server = await TicklakeServer.launch(data, process)
  // What cannot be read cannot be caught up with: it says so and ends, rather than serve a table with a hole in it.
  await server.ended
  const said = server.said.findLast((line) => line.startsWith('error: ')) ?? ''
  await flipByte(data)
  const whole = await TicklakeServer.start(data, process)
  await load(whole, file)
  await whole.stop()
  const { rows } = await lakeRows(data, process)
  return { ...damaged, said, rows }
}

/** Flips one bit in the middle of the last batch of trades in the log. Twice, and it is whole again. */
async function flipByte(data: string): Promise<{ partition: number; offset: number }> {
  const environment = open({ path: join(data, 'log'), noSubdir: false })
  const batches = environment.openDB<Buffer, Buffer>({
    name: 'batches',
    keyEncoding: 'binary',
    encoding: 'binary',
  })
  const ofTopic = [...batches.getKeys()].filter(
    (key) => key.length === TOPIC.length + 13 && key.toString('latin1', 0, TOPIC.length) === TOPIC,
  )
  const key = ofTopic.at(-1)!
  const bytes = Buffer.from(batches.get(key)!)
  bytes[bytes.length >> 1]! ^= 0x10
  await batches.put(key, bytes)
  await environment.close()
  return {
    partition: key.readUInt32BE(TOPIC.length + 1),
    offset: Number(key.readBigUInt64BE(TOPIC.length + 5)),
  }
}

/**
 * The load begins, the process is killed, the clock goes back by that long, and the load goes on. Settings of
 * `earlier` put the clock back. Gives the times of the table's snapshots in their order, in ms, and the rows.
 */
export async function clockSteppedBack(
  options: FaultOptions,
  earlier: Readonly<Record<string, string>>,
): Promise<{ readonly snapshotMs: readonly number[]; readonly rows: readonly string[] }> {
  const { data, file, ...process } = options
  await mkdir(data, { recursive: true })
  const before = await TicklakeServer.start(data, process)
  const id = await beginLoad(before, await readFile(file))
  while ((currentMetadata(data)?.snapshotMs.length ?? 0) === 0) {
    if ((await loadState(before, id)).state === 'failed') throw new Error('the load failed')
  }
  before.kill()
  await before.ended
  const back = { ...process, settings: { ...process.settings, ...earlier } }
  const server = await TicklakeServer.start(data, back)
  await load(server, file)
  await server.stop()
  const { rows } = await lakeRows(data, back)
  return { snapshotMs: currentMetadata(data)!.snapshotMs, rows }
}
