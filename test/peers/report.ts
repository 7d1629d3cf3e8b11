const SHOWN_REASONS = 10

export interface Counts {
  readonly passed: number
  readonly failed: number
  readonly skipped: number
}

export interface ReportOptions {
  /** A peer that can't be had is a failure. */
  readonly peersAreDue: boolean
  /** Takes text, line breaks included. */
  readonly write: (text: string) => void
}

/** What was checked, told line by line, and counted. */
export class Report {
  #passed = 0
  #failed = 0
  #skipped = 0
  readonly #peersAreDue: boolean
  /** Text of others that belongs to what is told here. */
  readonly write: ReportOptions['write']

  constructor({ peersAreDue, write }: ReportOptions) {
    this.#peersAreDue = peersAreDue
    this.write = write
  }

  get counts(): Counts {
    return { passed: this.#passed, failed: this.#failed, skipped: this.#skipped }
  }

  say(line: string): void {
    this.#tell(`      ${line}`)
  }

  pass(line: string, checks: number): void {
    this.#passed += checks
    this.#tell(`ok    ${line}`)
  }

  /** Some checks of one thing failed and, it may be, others of it passed. */
  fail(line: string, reasons: readonly string[], checks = 1, passed = 0): void {
    this.#failed += checks
    this.#passed += passed
    this.#tell(`FAIL  ${line}`)
    for (const reason of reasons.slice(0, SHOWN_REASONS)) this.#tell(`        ${reason}`)
    if (reasons.length > SHOWN_REASONS) this.#tell(`        and ${reasons.length - SHOWN_REASONS} more`)
  }

  /** Without the peer nothing is known. On a developer's machine that may be so; in CI it is a failure. */
  cannotHave(peer: string, reason: string): void {
    if (this.#peersAreDue) {
      this.fail(`${peer} cannot be had`, [reason])
    } else {
      this.#skipped += 1
      this.#tell(`skip  ${peer} cannot be had: ${reason}`)
    }
  }

  #tell(line: string): void {
    this.write(`${line}\n`)
  }
}

/** One line: N passed, N failed. */
export function summary(all: readonly Counts[]): string {
  const total = (of: keyof Counts) => all.reduce((sum, counts) => sum + counts[of], 0)
  const skipped = total('skipped') > 0 ? `, ${total('skipped')} skipped` : ''
  return `${total('passed')} passed, ${total('failed')} failed${skipped}`
}
