import {
  type Clock,
  CORRECTIONS,
  covers,
  type Logger,
  type OffsetVector,
  type Service,
  TicklakeError,
  widened,
} from '#core'
import { sqlString, type TableEngine } from '#engine'
import type { RowCorrection, RowCorrections, StreamTable } from '#storage'
import { correctionProblem, rowCorrection } from './correction-rules.js'
import type { Log } from './log/log.js'
import { type PendingCorrection, pendingCorrections } from './pending-corrections.js'
import { problemText } from './posting/posted-row.js'
import { Producer } from './producer.js'
import type { EncodeColumn } from './record-encoder.js'
import type { SchemaRegistry } from './registry/registry.js'
import { Waiting } from './waiting.js'

export interface CorrectorOptions {
  readonly log: Pick<Log, 'append' | 'end'>
  readonly registry: SchemaRegistry
  /** The table of the corrections. */
  readonly corrections: StreamTable
  /** The table whose rows they are of. */
  readonly table: StreamTable
  readonly rows: Pick<RowCorrections, 'position' | 'plan' | 'commit' | 'reload'>
  /** Whether corrections of no table that there is are its business: it refuses them. */
  readonly takesUnknown: boolean
  readonly engine: TableEngine
  readonly clock: Clock
  readonly logger: Logger
}

/** After a commit others may come: each costs a snapshot, so they are made together. */
const GATHER_MS = 500
/** Between attempts, doubled each time. */
const FIRST_RETRY_MS = 500
const LAST_RETRY_MS = 30_000

/** As `source` of a refusal. */
const SOURCE = 'ticklake'

/**
 * Makes the corrections of one table, in the order of the log, once their rows are committed. One that cannot be made is
 * refused: a record of its own says why, in the same topic. How far it has come is in the table's snapshots; so whatever
 * ends it, each correction is made once. Whatever fails is tried again: a correction may be late, but is never lost.
 */
export class Corrector implements Service {
  readonly #options: CorrectorOptions
  readonly #stop = new AbortController()
  readonly #waiting: Waiting
  #running: Promise<void> | null = null

  constructor(options: CorrectorOptions) {
    this.#options = options
    this.#waiting = new Waiting({ ...options, signal: this.#stop.signal })
  }

  /** Why no correction is made at this moment, or null. */
  get stalled(): Error | null {
    return this.#waiting.reason
  }

  async start(): Promise<void> {
    this.#running = this.#run(this.#stop.signal).catch((error: unknown) => {
      if (!this.#stop.signal.aborted) throw error
    })
  }

  async stop(): Promise<void> {
    this.#stop.abort(new TicklakeError('unavailable', 'the corrector is stopping'))
    await this.#running
  }

  async #run(signal: AbortSignal): Promise<void> {
    const { table, rows, logger } = this.#options
    let failures = 0
    while (!signal.aborted) {
      try {
        await this.#step(signal)
        failures = 0
        this.#waiting.over()
      } catch (cause) {
        signal.throwIfAborted()
        const error = cause instanceof Error ? cause : new Error(String(cause))
        const delayMs = Math.min(LAST_RETRY_MS, FIRST_RETRY_MS * 2 ** failures++)
        const isRace = error instanceof TicklakeError && error.code === 'conflict'
        logger[isRace ? 'debug' : 'error']('corrections could not be made; they are tried again', {
          table: table.definition.name,
          error: error.message,
          delay_ms: delayMs,
        })
        await this.#waiting.pause(delayMs, error)
        // Its outcome may be unknown: what is committed says how far it has come.
        await rows.reload().catch(() => undefined)
      }
    }
  }

  /** Makes those that are there, or waits for one. */
  async #step(signal: AbortSignal): Promise<void> {
    const { corrections, log, rows } = this.#options
    const end = log.end(CORRECTIONS.topic)
    // What was refused is known from then on.
    await corrections.visible(end, signal)
    const from = rows.position(end.length)
    const { pending, offsets } = await this.#pending(from)
    if (pending.length === 0) {
      this.#waiting.over()
      return corrections.beyond(offsets, signal)
    }
    await this.#make(pending, from, signal)
    await this.#gather(signal)
  }

  async #pending(
    from: OffsetVector,
  ): Promise<{ readonly pending: readonly PendingCorrection[]; readonly offsets: OffsetVector }> {
    const { corrections, engine, table, takesUnknown } = this.#options
    const own = sqlString(table.definition.name)
    const isMine = takesUnknown ? `c.target_table NOT IN ('quotes')` : `c.target_table = ${own}`
    const pinned = corrections.pin()
    try {
      const pending = await pendingCorrections(engine, pinned, { isMine, from })
      return { pending, offsets: pinned.version.offsets }
    } finally {
      pinned.release()
    }
  }

  async #make(pending: readonly PendingCorrection[], from: OffsetVector, signal: AbortSignal): Promise<void> {
    const { corrections, log, rows, table, logger } = this.#options
    const logEnd = log.end(table.definition.topic)
    const refused = new Map<PendingCorrection, string>()
    const made: PendingCorrection[] = []
    const wanted: RowCorrection[] = []
    for (const correction of pending) {
      const problem = ownProblem(correction)
      if (problem === null) {
        made.push(correction)
        wanted.push(rowCorrection(correction.values, logEnd))
      } else refused.set(correction, problem)
    }
    await committed(table, neededOffsets(wanted, logEnd), signal)
    const plan = await rows.plan(wanted)
    for (const [index, problem] of plan.refused) refused.set(made[index]!, problem)
    // Before the commit: when it has gone through, nobody asks for these again.
    await this.#refuse(refused)
    // So that whoever asks about a time later finds each with what had become of it by then.
    if (plan.files.length > 0) await committed(corrections, log.end(CORRECTIONS.topic), signal)
    await rows.commit(plan, from, positionAfter(pending, from))
    logger.info('corrections', {
      table: table.definition.name,
      made: pending.length - refused.size,
      refused: refused.size,
      files: plan.files.length,
    })
  }

  async #refuse(refused: ReadonlyMap<PendingCorrection, string>): Promise<void> {
    if (refused.size === 0) return
    const { log, registry } = this.#options
    const producer = await Producer.open(CORRECTIONS, registry)
    const list = [...refused]
    const texts = (of: (refusal: readonly [PendingCorrection, string]) => string): EncodeColumn => ({
      kind: 'string',
      values: list.map(of),
    })
    const columns = new Map<string, EncodeColumn>([
      ['target_table', texts(() => CORRECTIONS.name)],
      ['action', texts(() => 'refused')],
      ['reason', texts(([, problem]) => problem)],
      ['target_partition', { kind: 'long', values: list.map(([{ partition }]) => BigInt(partition)) }],
      ['target_offset', { kind: 'long', values: list.map(([{ offset }]) => BigInt(offset)) }],
    ])
    const name = { sourceId: SOURCE, fileName: SOURCE }
    const records = producer.accepted(columns, list.length, name, null)
    await log.append({ records: new Map([[CORRECTIONS.topic, records]]) })
  }

  #gather(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const end = () => {
        cancel()
        signal.removeEventListener('abort', end)
        resolve()
      }
      const cancel = this.#options.clock.after(GATHER_MS, end)
      signal.addEventListener('abort', end, { once: true })
    })
  }
}

/** What is wrong with a correction, whatever rows there are. */
function ownProblem({ values, receivedAtMicros, isRepeated }: PendingCorrection): string | null {
  if (isRepeated)
    return `${JSON.stringify(values.get('correction_id'))} came before: a correction is made once`
  const problem = correctionProblem(values, receivedAtMicros)
  return problem && problemText(problem)
}

/** Resolves when the rows of a table up to there are in its files. */
async function committed(table: StreamTable, needed: OffsetVector, signal: AbortSignal): Promise<void> {
  const isCommitted = () => covers(widened(table.committedOffsets(), needed.length), needed)
  if (isCommitted()) return
  await table.visible(needed, signal)
  if (!isCommitted()) await table.flush()
}

/** Up to where a table must be committed for the rows that are meant to be found, if they are anywhere. */
function neededOffsets(wanted: readonly RowCorrection[], logEnd: OffsetVector): OffsetVector {
  return logEnd.map((end, partition) =>
    Math.max(0, ...wanted.map(({ target }) => neededOffset(target, partition, end))),
  )
}

/** Of one partition; not beyond the end of the log. */
function neededOffset(target: RowCorrection['target'], partition: number, end: number): number {
  if (target.kind === 'message') return target.before[partition] ?? 0
  return target.partition === partition ? Math.min(end, target.offset + 1) : 0
}

function positionAfter(pending: readonly PendingCorrection[], from: OffsetVector): OffsetVector {
  const to = [...from]
  for (const { partition, offset } of pending) to[partition] = Math.max(to[partition] ?? 0, offset + 1)
  return to
}
