import { statfs } from 'node:fs/promises'

export interface HeadroomOptions {
  /** Share of the memory that the process may have in use, 0 to 1. */
  readonly residentShare: () => number
  readonly maxResidentShare: number
  /** Where the tables are, and what is spilled. */
  readonly directory: string
  readonly minFreeBytes: number
}

/** What there is too little of. */
export interface Shortage {
  readonly of: 'memory' | 'disk'
  readonly message: string
}

/** Whether memory and disk have room for more than what is small: ingest, which needs both, comes first. */
export class Headroom {
  readonly #options: HeadroomOptions

  constructor(options: HeadroomOptions) {
    this.#options = options
  }

  /** Null: there is room. */
  async shortage(): Promise<Shortage | null> {
    const { residentShare, maxResidentShare, directory, minFreeBytes } = this.#options
    const share = residentShare()
    if (share > maxResidentShare) {
      const message = `memory is short: the process has ${percent(share)} of what it may have, and lets only small queries in beyond ${percent(maxResidentShare)}`
      return { of: 'memory', message }
    }
    const { bavail, bsize } = await statfs(directory)
    const freeBytes = bavail * bsize
    if (freeBytes >= minFreeBytes) return null
    const message = `the disk is nearly full: ${freeBytes} bytes are free, and below ${minFreeBytes} only small queries are let in`
    return { of: 'disk', message }
  }
}

function percent(share: number): string {
  return `${Math.round(share * 100)} %`
}
