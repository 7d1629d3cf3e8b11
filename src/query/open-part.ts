import type { ListReading } from './list-reading.js'
import type { Part } from './part.js'
import type { PartSource } from './part-source.js'
import type { Reading } from './reading.js'

/** Opens what a part is read from: something derived that has rows of it, or the rows themselves. */
export async function openPart(part: Part, { at }: ListReading, reading: Reading): Promise<PartSource> {
  const derived = await at.openDerived?.(part, reading)
  const { scan } = part
  return derived ?? { scan, statement: (reading) => at.statement(part, reading), release: () => {} }
}

/** A part, with what would be read for it. */
export async function sourced<P extends Part>(part: P, from: ListReading): Promise<P> {
  const source = await openPart(part, from, from.reading)
  source.release()
  return { ...part, scan: source.scan }
}
