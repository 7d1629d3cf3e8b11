import { link, mkdir, open, readdir, readFile, rename, rm, stat } from 'node:fs/promises'
import { dirname, isAbsolute, join } from 'node:path'
import { invalid, TicklakeError } from '#core'
import type { ObjectStore, StoredObject } from './object-store.js'

const SCHEME = 'file://'

/** The location of an absolute local path. Nothing is escaped, since Iceberg's readers unescape nothing. */
export function localLocation(path: string): string {
  if (!isAbsolute(path)) throw invalid('path', path, 'an absolute path')
  return SCHEME + path
}

/** The local path of a file location. */
export function localPath(location: string): string {
  if (!location.startsWith(`${SCHEME}/`))
    throw invalid('location', location, 'a location such as file:///path')
  return location.slice(SCHEME.length)
}

/**
 * Local files. A new file is written under another name, synced, and then linked to its own: link(2) fails when the
 * name is taken, where rename(2) would replace silently, and nobody ever sees a file that is not whole.
 */
export class LocalObjectStore implements ObjectStore {
  /** Folders whose own names are known to be durable. */
  readonly #durableFolders = new Set<string>()

  async create(location: string, bytes: Uint8Array): Promise<void> {
    const path = localPath(location)
    const folder = dirname(path)
    await attempt('write', location, async () => {
      await this.#makeFolder(folder)
      await throughTemporary(path, bytes, async (temporary) => {
        await link(temporary, path)
        await sync(folder)
      })
    })
  }

  async replace(location: string, bytes: Uint8Array): Promise<void> {
    const path = localPath(location)
    await attempt('replace', location, async () => {
      await this.#makeFolder(dirname(path))
      await throughTemporary(path, bytes, (temporary) => rename(temporary, path))
      await sync(dirname(path))
    })
  }

  async read(location: string): Promise<Uint8Array> {
    return attempt('read', location, () => readFile(localPath(location)))
  }

  async seal(location: string): Promise<{ readonly sizeBytes: number }> {
    const path = localPath(location)
    return attempt('sync', location, async () => {
      await sync(path)
      await sync(dirname(path))
      await this.#makeDurable(dirname(path))
      return { sizeBytes: (await stat(path)).size }
    })
  }

  async remove(location: string): Promise<void> {
    await attempt('remove', location, () => rm(localPath(location), { force: true }))
  }

  async list(folder: string): Promise<readonly StoredObject[]> {
    const entries = await attempt('list', folder, () =>
      readdir(localPath(folder), { recursive: true, withFileTypes: true }).catch(ifAbsent([])),
    )
    const objects: StoredObject[] = []
    for (const entry of entries) {
      if (!entry.isFile()) continue
      const path = join(entry.parentPath, entry.name)
      // A file that went away since it was listed is not there.
      const status = await stat(path).catch(ifAbsent(null))
      if (status) {
        objects.push({
          location: SCHEME + path,
          sizeBytes: status.size,
          modifiedMs: Math.trunc(status.mtimeMs),
        })
      }
    }
    return objects
  }

  async #makeFolder(folder: string): Promise<void> {
    if (this.#durableFolders.has(folder)) return
    await mkdir(folder, { recursive: true })
    await this.#makeDurable(folder)
  }

  /** A folder's name is an entry of its parent: syncs the parents, up to one that is known to be durable. */
  async #makeDurable(folder: string): Promise<void> {
    for (let at = folder; at !== dirname(at) && !this.#durableFolders.has(at); at = dirname(at)) {
      await sync(dirname(at)).catch(ifForbidden)
      this.#durableFolders.add(at)
    }
  }
}

/** How many temporary files this process has had: no two bear one name. */
let temporaries = 0

/**
 * Writes a file beside `path` that no reader takes for a table's own (its name ends in .tmp), durably, and hands it over.
 * It is gone afterwards, also when the disk was full.
 */
async function throughTemporary(
  path: string,
  bytes: Uint8Array,
  use: (temporary: string) => Promise<void>,
): Promise<void> {
  const temporary = `${path}.${process.pid}-${temporaries++}.tmp`
  try {
    const file = await open(temporary, 'w')
    try {
      await file.writeFile(bytes)
      await file.sync()
    } finally {
      await file.close()
    }
    await use(temporary)
  } finally {
    await rm(temporary, { force: true })
  }
}

async function sync(path: string): Promise<void> {
  const file = await open(path, 'r')
  try {
    await file.sync()
  } finally {
    await file.close()
  }
}

/** Runs one operation; its failure becomes an error that says what was done to which location. */
async function attempt<T>(doing: string, location: string, operation: () => Promise<T>): Promise<T> {
  try {
    return await operation()
  } catch (cause) {
    if (cause instanceof TicklakeError) throw cause
    switch (codeOf(cause)) {
      case 'ENOENT':
        throw new TicklakeError('not_found', `${location} does not exist`, { cause })
      case 'EEXIST':
        throw new TicklakeError('conflict', `${location} exists already`, { cause })
      default:
        throw new TicklakeError('unavailable', `cannot ${doing} ${location}: ${String(cause)}`, { cause })
    }
  }
}

function ifAbsent<T>(instead: T): (error: unknown) => T {
  return (error) => {
    if (codeOf(error) === 'ENOENT') return instead
    throw error
  }
}

/** A folder far above the data may not be ours to open; then it was not ours to make either. */
function ifForbidden(error: unknown): void {
  if (codeOf(error) !== 'EACCES' && codeOf(error) !== 'EPERM') throw error
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && 'code' in error ? error.code : undefined
}
