const SHOWN_REASONS = 10

export interface Counts {
  readonly passed: number
  readonly failed: number
  readonly skipped: number
}

/** What was checked, told line by line, and counted. */
export class Report {
  #passed = 0
  #failed = 0
  #skipped = 0
  readonly #peersAreDue: boolean

  /** `peersAreDue`: a peer that can't be had is a failure. */
  constructor(peersAreDue: boolean) {
    this.#peersAreDue = peersAreDue
  }

  get counts(): Counts {
    return { passed: this.#passed, failed: this.#failed, skipped: this.#skipped }
  }

  say(line: string): void {
    console.log(`      ${line}`)
  }

  pass(line: string, checks: number): void {
    this.#passed += checks
    console.log(`ok    ${line}`)
  }

  /** Some checks of one thing failed and, it may be, others of it passed. */
  fail(line: string, reasons: readonly string[], checks = 1, passed = 0): void {
    this.#failed += checks
    this.#passed += passed
    console.log(`FAIL  ${line}`)
    for (const reason of reasons.slice(0, SHOWN_REASONS)) console.log(`        ${reason}`)
    if (reasons.length > SHOWN_REASONS) console.log(`        and ${reasons.length - SHOWN_REASONS} more`)
  }

  /** Without the peer nothing is known. On a developer's machine that may be so; in CI it is a failure. */
  cannotHave(peer: string, reason: string): void {
    if (this.#peersAreDue) {
      this.fail(`${peer} cannot be had`, [reason])
    } else {
      this.#skipped += 1
      console.log(`skip  ${peer} cannot be had: ${reason}`)
    }
  }

  /** One line: N passed, N failed. */
  summary(): string {
    const skipped = this.#skipped > 0 ? `, ${this.#skipped} skipped` : ''
    return `${this.#passed} passed, ${this.#failed} failed${skipped}`
  }
}
