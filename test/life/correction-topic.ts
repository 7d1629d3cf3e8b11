import { formatDecimal, parseDecimal, QualityFlag, TicklakeError } from '#core'
import {
  appliedOffsets,
  type CorrectionPlan,
  type RowChange,
  type RowCorrection,
  RowCorrections,
  type RowTarget,
} from '#storage'
import type { Value } from '../../src/storage/iceberg/values.js'
import type { SeededRandom } from '../support/seeded-random.js'
import type { TypedRow } from '../support/typed-table.js'
import { cellOf, idOf, LIVED, withCells } from './lived-rows.js'
import type { LivedTable } from './lived-table.js'
import type { ModelState } from './table-model.js'

/** Each is planned again after losing a race: so many in a row mean that none is ever won. */
const MAX_PLANS = 20
const DAY_MS = 86_400_000
const MICROS_PER_HOUR = 3_600_000_000n
const OF_THE_PRICE = QualityFlag.priceOutlier | QualityFlag.priceMove

/** Corrections that were made. */
export interface MadeCorrections {
  readonly rows: RowCorrections
  readonly plan: CorrectionPlan
  readonly from: number
  readonly to: number
}

/** The topic of the corrections, as a plain list, and whoever makes them: one at a time. */
export class CorrectionTopic {
  readonly #list: RowCorrection[] = []
  /** Said in the topic, so it is known for good. */
  readonly #refused = new Set<RowCorrection>()
  #making: Promise<unknown> = Promise.resolve()

  add(correction: RowCorrection): void {
    this.#list.push(correction)
  }

  /** Makes those that are not made yet. Null when none could be made. */
  make(table: LivedTable): Promise<MadeCorrections | null> {
    const made = this.#making.then(() => this.#make(table))
    this.#making = made.catch(() => {})
    return made
  }

  async #make(table: LivedTable): Promise<MadeCorrections | null> {
    const { owner, model } = table
    const rows = new RowCorrections(owner)
    for (let plans = 1; ; plans++) {
      const { metadata } = owner.head
      const [from, to] = [rows.position(1)[0]!, this.#list.length]
      const pending = this.#list.slice(from).filter((correction) => !this.#refused.has(correction))
      const known = model.newest
      const plan = await rows.plan(pending)
      this.#refuse(pending, plan, known)
      const wanted = pending.filter((correction) => !this.#refused.has(correction))
      if (wanted.length === 0) return null
      const expected = {
        isIn: (now: typeof metadata) => (appliedOffsets(now)[0] ?? 0) >= to,
        after: (state: ModelState) => ({ ...corrected(state, wanted).state, corrections: to }),
      }
      try {
        await table.commit(expected, () => rows.commit(plan, [from], [to]))
        return { rows, plan, from, to }
      } catch (error) {
        const isLost = error instanceof TicklakeError && error.code === 'conflict'
        if (!isLost || owner.head.metadata === metadata || plans === MAX_PLANS) throw error
      }
    }
  }

  /** Durable before the others are made. The rows tell which there must be. */
  #refuse(pending: readonly RowCorrection[], { refused }: CorrectionPlan, known: ModelState): void {
    const wanted = corrected(known, pending).refused
    const found = [...refused.keys()].map((index) => pending[index]!)
    const wrong = pending.find((correction) => wanted.has(correction) !== found.includes(correction))
    if (wrong) {
      const what = `${JSON.stringify(wrong.target)} to ${JSON.stringify([...wrong.change.values])}`
      const said = refused.get(pending.indexOf(wrong))
      throw new Error(`a correction of ${what} was ${said ? `refused: ${said}` : 'not refused'}`)
    }
    for (const correction of found) this.#refused.add(correction)
  }
}

/** The correction of a row that chance picks; now and then of none, or of another than is said. */
export function drawnCorrection(random: SeededRandom, { offset: end, rows }: ModelState): RowCorrection {
  const known = rows.size > 0 && !random.oneIn(6) ? random.pick([...rows.values()]) : null
  const offset = known === null ? null : cellOf(known, 'log_offset')
  const must = (name: string): string | null => {
    const cell = known !== null && random.oneIn(2) ? cellOf(known, name) : null
    return random.oneIn(12) ? 'another' : cell === null ? null : String(cell)
  }
  const own = { symbol: must('symbol'), exchange: must('exchange') }
  const messageId = known === null ? `m${random.below(end + 3)}` : cellOf(known, 'message_id')
  const target: RowTarget =
    messageId !== null && (offset === null || random.oneIn(2))
      ? { ...own, kind: 'message', messageId: String(messageId), before: [end] }
      : { ...own, kind: 'place', partition: 0, offset: Number(offset ?? random.below(end + 3)) }
  return { target, change: drawnChange(random) }
}

function drawnChange(random: SeededRandom): RowChange {
  if (random.oneIn(3)) return { isCancelled: true, values: new Map(), flags: 0 }
  const drawn = {
    moment: String(BigInt(random.below(40)) * MICROS_PER_HOUR),
    price: formatDecimal(BigInt(random.below(1000)) * 1_000_000n),
    number: String(random.below(40) - 20),
    session: `1970-01-0${1 + random.below(9)}`,
  }
  const values = new Map(Object.entries(drawn).filter(() => random.oneIn(3)))
  return { isCancelled: false, values, flags: random.oneIn(2) ? QualityFlag.rounded : 0 }
}

/** The rows after corrections, made one after the other, and those that cannot be. */
function corrected(
  state: ModelState,
  corrections: readonly RowCorrection[],
): { readonly state: ModelState; readonly refused: ReadonlySet<RowCorrection> } {
  const rows = new Map(state.rows)
  const refused = new Set<RowCorrection>()
  let { cancelled } = state
  for (const correction of corrections) {
    const { target, change } = correction
    const meant = [...rows].filter(([, row]) => isMeant(target, row))
    const [key, row] = meant[0] ?? []
    if (key === undefined || row === undefined || meant.length > 1 || !isAsSaid(target, row)) {
      refused.add(correction)
    } else if (change.isCancelled) {
      rows.delete(key)
      cancelled++
    } else rows.set(key, changed(row, change))
  }
  return { state: { ...state, rows, cancelled }, refused }
}

function isMeant(target: RowTarget, row: TypedRow): boolean {
  const offset = cellOf(row, 'log_offset')
  if (offset === null) return false
  if (target.kind === 'place') return target.partition === 0 && BigInt(target.offset) === offset
  return target.messageId === cellOf(row, 'message_id') && Number(offset) < target.before[0]!
}

function isAsSaid({ symbol, exchange }: RowTarget, row: TypedRow): boolean {
  return (
    (symbol === null || symbol === cellOf(row, 'symbol')) &&
    (exchange === null || exchange === cellOf(row, 'exchange'))
  )
}

function changed(row: TypedRow, { values, flags }: RowChange): TypedRow {
  const before = Number(cellOf(row, 'quality_flags') ?? 0) & ~(values.has('price') ? OF_THE_PRICE : 0)
  const cells = new Map<string, Value>([['quality_flags', before | flags | QualityFlag.corrected]])
  for (const [name, text] of values) cells.set(name, parsed(name, text))
  return withCells(row, cells)
}

function parsed(name: string, text: string): Value {
  const { type } = LIVED.columns[idOf(name) - 1]!
  if (type === 'date') return Date.parse(text) / DAY_MS
  return type === 'decimal' ? parseDecimal(name, text) : BigInt(text)
}
