import { statfs } from 'node:fs/promises'
import { setImmediate } from 'node:timers/promises'
import { type Database, open, type RootDatabase } from 'lmdb'
import { assert, TicklakeError } from '#core'
import type { LogStore, StoreChange, StoredBatch } from './log-store.js'
import type { BatchPosition } from './stored-batch.js'

/** A log store in one LMDB environment. Its file does not shrink: pages of trimmed batches are used again. */
export class LmdbStore implements LogStore {
  readonly #folder: string
  #opened: OpenDatabases | null = null

  constructor(folder: string) {
    this.#folder = folder
  }

  async open(): Promise<void> {
    // Batches of an event turn have a promise of LMDB's own that nobody can catch: a full disk would end the process. The
    // log gathers appends itself.
    const environment = open({ path: this.#folder, noSubdir: false, eventTurnBatching: false })
    this.#opened = {
      environment,
      batches: environment.openDB({ name: 'batches', keyEncoding: 'binary', encoding: 'binary' }),
      states: environment.openDB({ name: 'states', encoding: 'json' }),
    }
  }

  async close(): Promise<void> {
    await this.#opened?.environment.close()
    this.#opened = null
  }

  async commit({ put = [], remove = [], states = new Map() }: StoreChange): Promise<void> {
    const databases = this.#databases()
    // A child transaction, because only that is undone when a put fails half-way (disk full).
    const written = databases.environment.childTransaction(() => {
      for (const { position, bytes } of put) databases.batches.put(keyOf(position), bytes)
      for (const position of remove) databases.batches.remove(keyOf(position))
      for (const [name, state] of states) databases.states.put(name, state)
    })
    try {
      await written
    } catch (error) {
      throw await this.#notWritten(error)
    }
    // The transaction above resolves before it is on the disk.
    await databases.environment.flushed
  }

  /** What LMDB says of a failed commit may be no more than "Input/output error": how full the disk is tells the rest. */
  async #notWritten(error: unknown): Promise<TicklakeError> {
    const cause = await reasonOf(error)
    const { bavail, bsize } = await statfs(this.#folder)
    const why = cause instanceof Error ? cause.message : String(cause)
    return new TicklakeError(
      'unavailable',
      `the log cannot be written (${why}); its disk has ${Math.floor((bavail * bsize) / 1024)} KiB of room: ` +
        `see that ${this.#folder} can be written, then start ticklake again`,
      { cause },
    )
  }

  batch(position: BatchPosition): Uint8Array | undefined {
    return this.#databases().batches.getBinary(keyOf(position))
  }

  lastBatch(topic: string, partition: number, atOrBefore = Number.MAX_SAFE_INTEGER): StoredBatch | undefined {
    return this.#neighbour(keyOf({ topic, partition, baseOffset: atOrBefore }), true)
  }

  firstBatch(topic: string, partition: number): StoredBatch | undefined {
    return this.#neighbour(keyOf({ topic, partition, baseOffset: 0 }), false)
  }

  /** The first entry from `start` on, in that direction, if it is of the same partition. */
  #neighbour(start: Buffer, reverse: boolean): StoredBatch | undefined {
    // snapshot: false, because an iterator that holds a snapshot keeps freed pages from being used again.
    for (const { key, value } of this.#databases().batches.getRange({
      start,
      reverse,
      limit: 1,
      snapshot: false,
    })) {
      const samePartition = key.length === start.length && key.subarray(0, -8).equals(start.subarray(0, -8))
      return samePartition
        ? { baseOffset: Number(key.readBigUInt64BE(key.length - 8)), bytes: value }
        : undefined
    }
    return undefined
  }

  state(name: string): unknown {
    return this.#databases().states.get(name)
  }

  stateNames(prefix: string): readonly string[] {
    return [...this.#databases().states.getKeys({ start: prefix, end: `${prefix}\uffff`, snapshot: false })]
  }

  #databases(): OpenDatabases {
    assert(this.#opened !== null, 'the store is open')
    return this.#opened
  }
}

/** LMDB's own reason follows its error a moment later, in a promise. */
async function reasonOf(error: unknown): Promise<unknown> {
  if (!(error instanceof Error && 'commitError' in error)) return error
  const told = Promise.resolve(error.commitError).catch((reason: unknown) => reason)
  return Promise.race([told, setImmediate(error)])
}

interface OpenDatabases {
  readonly environment: RootDatabase
  readonly batches: Database<Uint8Array, Buffer>
  readonly states: Database<unknown, string>
}

/** Topic, zero byte, uint32 partition, uint64 base offset, big-endian: LMDB's byte order is offset order. */
function keyOf({ topic, partition, baseOffset }: BatchPosition): Buffer {
  const key = Buffer.alloc(Buffer.byteLength(topic) + 13)
  const end = key.write(topic) + 1
  key.writeUInt32BE(partition, end)
  key.writeBigUInt64BE(BigInt(baseOffset), end + 4)
  return key
}
