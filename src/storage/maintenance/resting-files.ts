import type { Clock } from '#core'
import type { DataFile } from '../iceberg/manifest.js'
import type { LiveFile } from '../prune.js'

/** So long files rest at first; twice as long each time that it comes to nothing again. */
const FIRST_REST_MS = 600_000
const LONGEST_REST_MS = 86_400_000

interface Rest {
  readonly untilMs: number
  readonly lengthMs: number
}

/**
 * Files of one table that a compaction has tried in vain, and that are left alone for a while: they cannot be read, their rows
 * are of more partitions than can be written, somebody else changes them all the time. While new files come there is
 * always something to do, and such ones would be read anew each time.
 */
export class RestingFiles {
  readonly #clock: Clock
  /** By path, of those that are live. One that is over is kept, for the next to be longer. */
  readonly #rests = new Map<string, Rest>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** Those of all live files of the table that do not rest. */
  awake(live: readonly LiveFile[]): readonly LiveFile[] {
    if (this.#rests.size === 0) return live
    const paths = new Set(live.map(({ file }) => file.path))
    for (const path of this.#rests.keys()) if (!paths.has(path)) this.#rests.delete(path)
    const nowMs = this.#clock.monotonicMs()
    return live.filter(({ file }) => (this.#rests.get(file.path)?.untilMs ?? nowMs) <= nowMs)
  }

  /** They rest, unless they become something else: then they are live no more. */
  rest(files: readonly Pick<DataFile, 'path'>[]): void {
    for (const { path } of files) {
      const before = this.#rests.get(path)
      const lengthMs = before ? Math.min(before.lengthMs * 2, LONGEST_REST_MS) : FIRST_REST_MS
      this.#rests.set(path, { untilMs: this.#clock.monotonicMs() + lengthMs, lengthMs })
    }
  }
}
