import type { Statement } from './answer.js'
import type { ListReading } from './list-reading.js'
import type { Reading } from './paged-list.js'
import type { Part } from './part.js'
import type { Scan } from './scan.js'

/** What a part of a list is read from. Whoever opened it releases it, before the version. */
export interface PartSource {
  /** All that is read. */
  readonly scan: Scan
  statement(reading: Reading): Statement | Promise<Statement>
  release(): void
}

/** Opens what a part is read from: something derived that has rows of it, or the rows themselves. */
export async function openPart(part: Part, { at }: ListReading, reading: Reading): Promise<PartSource> {
  const { scan, slice } = part
  const derived = await at.openDerived?.(part, reading)
  return derived ?? { scan, statement: (reading) => at.statement(scan, slice, reading), release: () => {} }
}

/** A part, with what would be read for it. */
export async function sourced<P extends Part>(part: P, from: ListReading): Promise<P> {
  const source = await openPart(part, from, from.reading)
  source.release()
  return { ...part, scan: source.scan }
}
