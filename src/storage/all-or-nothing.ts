import { inParallel } from './in-parallel.js'
import type { ObjectStore } from './objects/object-store.js'

/**
 * Writes files that no snapshot has yet; `written` is told the path of each. When it fails, none of them is left: tried
 * again and again on a full disk, it would fill that with more.
 */
export async function allOrNothing<T>(
  objects: Pick<ObjectStore, 'remove'>,
  write: (written: string[]) => Promise<T>,
): Promise<T> {
  const written: string[] = []
  try {
    return await write(written)
  } catch (error) {
    // One that stays is an orphan, which is looked for now and then; what the caller needs to know is the first failure.
    await inParallel(written, (path) => objects.remove(path).catch(() => {}))
    throw error
  }
}
