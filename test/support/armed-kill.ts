import { type FSWatcher, watch } from 'node:fs'
import type { TicklakeServer } from './ticklake-process.js'

/** A moment at which to kill: so long after that change of the data folder. */
export interface KillMoment {
  /** Which names of files below the data folder count as the change. Null: none is waited for. */
  readonly change: { test(name: string): boolean } | null
  /** At the change of that many different names; for files that are written over and over, of so many writes. */
  readonly occurrence: number
  readonly delayMs: number
}

const WRITTEN_OVER = /data\.mdb$|version-hint\.text$/

/** Kills a server at a moment, unless it is disarmed before. */
export class ArmedKill {
  readonly #server: TicklakeServer
  readonly #watcher: FSWatcher | null = null
  readonly #seen = new Set<string>()
  #timer: NodeJS.Timeout | null = null
  #isArmed: boolean

  /** `moment` null: never. */
  constructor(server: TicklakeServer, data: string, moment: KillMoment | null) {
    this.#server = server
    this.#isArmed = moment !== null
    if (moment === null) return
    if (moment.change === null) {
      this.#killIn(moment.delayMs)
      return
    }
    this.#watcher = watch(data, { recursive: true }, (_, name) => {
      if (!this.#isArmed || name === null || !this.#isMoment(moment, name)) return
      this.#isArmed = false
      this.#killIn(moment.delayMs)
    })
    // A file may go while its watch is being set up.
    this.#watcher.on('error', () => {})
  }

  disarm(): void {
    this.#isArmed = false
    if (this.#timer) clearTimeout(this.#timer)
    this.#watcher?.close()
  }

  #killIn(delayMs: number): void {
    if (delayMs === 0) this.#server.kill()
    else this.#timer = setTimeout(() => this.#server.kill(), delayMs)
  }

  /** A change has come: whether it is the one that was aimed at. */
  #isMoment({ change, occurrence }: KillMoment, name: string): boolean {
    if (!change?.test(name)) return false
    this.#seen.add(WRITTEN_OVER.test(name) ? `write ${this.#seen.size}` : name)
    return this.#seen.size === occurrence
  }
}
