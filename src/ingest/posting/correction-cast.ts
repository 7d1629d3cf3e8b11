import { type Clock, CORRECTIONS, formatVector, type OffsetVector, QUOTES, TRADES } from '#core'
import { correctionProblem } from '../correction-rules.js'
import { EventCast } from './event-cast.js'
import type { EventRow, EventValues } from './event-row.js'
import type { RowProblem } from './posted-row.js'

export interface CorrectionCastOptions {
  readonly clock: Clock
  /** End of a topic. */
  readonly end: (topic: string) => OffsetVector
}

/** Casts texts to a correction, and notes which rows it can be of: those that the log holds now. */
export class CorrectionCast {
  readonly #options: CorrectionCastOptions
  readonly #cast = new EventCast(CORRECTIONS, { sequence: 'none' })

  constructor(options: CorrectionCastOptions) {
    this.#options = options
  }

  /** The values of a correction, or the first thing that is wrong with it. */
  cast(fields: ReadonlyMap<string, string>): EventRow | RowProblem {
    const values = this.#cast.cast(fields)
    if ('reason' in values) return values
    const problem = correctionProblem(values, this.#options.clock.nowMs() * 1000)
    if (problem) return problem
    const { topic } = values.get('target_table') === TRADES.name ? TRADES : QUOTES
    const end = this.#options.end(topic)
    return beyondProblem(values, end) ?? values.with('known_offsets', formatVector(end))
  }
}

function beyondProblem(values: EventValues, end: OffsetVector): RowProblem | null {
  const partition = values.get('target_partition') ?? null
  const offset = values.get('target_offset') ?? null
  if (partition === null || offset === null || Number(offset) < (end[Number(partition)] ?? 0)) return null
  const [field, value] =
    Number(partition) < end.length ? ['log_offset', offset] : ['log_partition', partition]
  return { reason: 'out_of_range', field, value: String(value), expected: 'where the log holds a row' }
}
