import { DuckDBInstance } from '@duckdb/node-api'
import { TicklakeError } from '#core'

/** Locks of this process: the operating system's file lock tells processes apart, not two openers in one. */
const held = new Set<string>()

/**
 * An exclusive lock on a file, with a fence number that grows by one each time the lock is taken. It is the lock
 * that DuckDB holds on a database file: the operating system drops it when the process ends, however that happens,
 * so a stale one cannot stay behind.
 */
export class FencedLock {
  readonly fence: number
  readonly #path: string
  readonly #instance: DuckDBInstance

  private constructor(path: string, instance: DuckDBInstance, fence: number) {
    this.#path = path
    this.#instance = instance
    this.fence = fence
  }

  /** Takes the lock on this file (made if absent), or throws `locked` with the owner's process id. */
  static async take(path: string): Promise<FencedLock> {
    if (held.has(path)) throw lockedBy(process.pid, path)
    const instance = await DuckDBInstance.create(path).catch((error: Error) => {
      const owner = /\(PID (\d+)\)/.exec(error.message)?.[1]
      throw owner === undefined ? error : lockedBy(Number(owner), path)
    })
    held.add(path)
    try {
      const connection = await instance.connect()
      await connection.run('CREATE TABLE IF NOT EXISTS fence (number INTEGER)')
      const taken = await connection.runAndReadAll(
        'INSERT INTO fence SELECT coalesce(max(number), 0) + 1 FROM fence RETURNING number',
      )
      await connection.run('DELETE FROM fence WHERE number < (SELECT max(number) FROM fence)')
      connection.closeSync()
      return new FencedLock(path, instance, Number(taken.getRows()[0]?.[0]))
    } catch (error) {
      held.delete(path)
      instance.closeSync()
      throw error
    }
  }

  release(): void {
    if (held.delete(this.#path)) this.#instance.closeSync()
  }
}

function lockedBy(pid: number, path: string): TicklakeError {
  return new TicklakeError('locked', `another process (pid ${pid}) owns this data folder: it holds ${path}`)
}
