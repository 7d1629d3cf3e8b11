import { formatMicros, type InstrumentState, type SequenceGap } from '#core'
import type { Selection } from './request.js'
import { rowFilter } from './scan.js'

/** So many gaps are listed with an answer; all are counted. */
const LISTED_GAPS = 100

/** Missing sequence numbers [from, to] of an instrument, whose events happened between two times, as far as is known. */
export interface MissingNumbers {
  readonly symbol: string
  readonly exchange: string
  readonly from: bigint
  readonly to: bigint
  /** RFC 3339, UTC. */
  readonly after: string
  readonly before: string
}

/** The holes in what a selection is answered from. */
export interface OpenGaps {
  readonly count: number
  readonly missing: bigint
  /** The first hundred, by instrument and number. */
  readonly listed: readonly MissingNumbers[]
}

/** The open gaps whose events a selection may mean; null when there are none. */
export function openGaps(instruments: readonly InstrumentState[], selection: Selection): OpenGaps | null {
  const isOpenIn = openIn(selection)
  const symbols = selection.symbols === null ? null : new Set(selection.symbols)
  let count = 0
  let missing = 0n
  const listed: MissingNumbers[] = []
  for (const { exchange, symbol, runs } of instruments) {
    if (symbols?.has(symbol) === false) continue
    if (selection.exchange !== null && selection.exchange !== exchange) continue
    for (const gap of runs.flatMap((run) => run.gaps)) {
      if (!isOpenIn(gap)) continue
      const { from, to, afterMicros, beforeMicros } = gap
      count++
      missing += to - from + 1n
      if (listed.length === LISTED_GAPS) continue
      const [after, before] = [formatMicros(BigInt(afterMicros)), formatMicros(BigInt(beforeMicros))]
      listed.push({ symbol, exchange, from, to, after, before })
    }
  }
  return count === 0 ? null : { count, missing, listed }
}

/** Tells the gaps whose events may have happened within the times of a selection. */
export function openIn(selection: Selection): (gap: SequenceGap) => boolean {
  const { startMicros = null, endMicros = null } = rowFilter(selection)
  return ({ afterMicros, beforeMicros }) =>
    (startMicros === null || beforeMicros >= startMicros) && (endMicros === null || afterMicros < endMicros)
}
