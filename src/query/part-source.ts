import type { Statement } from './answer.js'
import type { Reading } from './reading.js'
import type { Scan } from './scan.js'

/** What a part of a list is read from. Whoever opened it releases it, before the version. */
export interface PartSource {
  /** All that is read. */
  readonly scan: Scan
  statement(reading: Reading): Statement | Promise<Statement>
  release(): void
}
