import { rm, stat, truncate } from 'node:fs/promises'
import { localPath } from '#storage'
import type { ObjectStore, StoredObject } from '../../src/storage/objects/object-store.js'
import type { SeededRandom } from '../support/seeded-random.js'
import { type Life, READING, type Scheduler, WRITING } from './scheduler.js'

/**
 * The files that outlive the process: those of the store in memory, and those that DuckDB writes, on a real disk. Of
 * the latter only what was sealed is sure to be there after a crash.
 */
export class Disk {
  readonly objects: ObjectStore
  readonly #sizes = new Map<string, number>()
  readonly #unsynced = new Set<string>()

  readonly #syncs: boolean

  /** One that does not sync loses, in a crash, files that it called durable. */
  constructor(objects: ObjectStore, syncs = true) {
    this.objects = objects
    this.#syncs = syncs
  }

  /** A file is being written by DuckDB. */
  writing(path: string): void {
    this.#unsynced.add(path)
  }

  async seal(location: string): Promise<{ readonly sizeBytes: number }> {
    const { size } = await stat(localPath(location))
    if (this.#syncs) this.#unsynced.delete(localPath(location))
    this.#sizes.set(location, size)
    return { sizeBytes: size }
  }

  /** Also of a file that DuckDB has written: if somebody can reach it, the verdict misses it. */
  async remove(location: string): Promise<void> {
    await this.objects.remove(location)
    if (!location.endsWith('.parquet')) return
    await rm(localPath(location), { force: true })
    this.#sizes.delete(location)
    this.#unsynced.delete(localPath(location))
  }

  /** The size of a sealed file. */
  sealedSize(location: string): number | undefined {
    return this.#sizes.get(location)
  }

  /** Of what was not synced some is lost, some is cut off and some is there. */
  async loseUnsynced(random: SeededRandom): Promise<void> {
    for (const path of this.#unsynced) {
      const fate = random.pick(['lost', 'cut off', 'there'] as const)
      if (fate === 'lost') await rm(path, { force: true })
      if (fate === 'cut off') await truncate(path, 100).catch(ifAbsent)
    }
    this.#unsynced.clear()
  }
}

function ifAbsent(error: NodeJS.ErrnoException): void {
  if (error.code !== 'ENOENT') throw error
}

/** An object store whose operations wait at the gate. */
export class FaultyObjects implements ObjectStore {
  readonly #disk: Disk
  readonly #scheduler: Scheduler
  readonly #life: Life
  /** The part of each location that says nothing. */
  readonly #root: string

  constructor(disk: Disk, scheduler: Scheduler, life: Life, root: string) {
    this.#disk = disk
    this.#scheduler = scheduler
    this.#life = life
    this.#root = root
  }

  create(location: string, bytes: Uint8Array): Promise<void> {
    return this.#gate('create', location, () => this.#disk.objects.create(location, bytes), WRITING)
  }

  replace(location: string, bytes: Uint8Array): Promise<void> {
    return this.#gate('replace', location, () => this.#disk.objects.replace(location, bytes), WRITING)
  }

  read(location: string): Promise<Uint8Array> {
    return this.#gate('read', location, () => this.#disk.objects.read(location), READING)
  }

  seal(location: string): Promise<{ readonly sizeBytes: number }> {
    return this.#gate('seal', location, () => this.#disk.seal(location), WRITING)
  }

  remove(location: string): Promise<void> {
    return this.#gate('remove', location, () => this.#disk.remove(location), WRITING)
  }

  list(folder: string): Promise<readonly StoredObject[]> {
    return this.#gate('list', folder, () => this.#disk.objects.list(folder), READING)
  }

  #gate<T>(operation: string, location: string, work: () => Promise<T>, faults: typeof READING): Promise<T> {
    return this.#scheduler.gate(this.#life, `${operation} ${location.replace(this.#root, '')}`, work, faults)
  }
}
