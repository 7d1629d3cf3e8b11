import {
  batchColumn,
  type Clock,
  EMPTY_LEDGER,
  type Logger,
  type OffsetVector,
  type QuarantineReason,
  SessionCalendars,
  type TableDefinition,
  TicklakeError,
} from '#core'
import { ColumnarDecoder, type DecodedBatch } from './columnar-decoder.js'
import { Inspector } from './inspector.js'
import type { Log, RecordBatch } from './log/log.js'
import type { SchemaRegistry } from './registry/registry.js'
import { cellText } from './string-cells.js'

/** A record of a topic that its consumer refused, as the quarantine has it. */
export interface QuarantinedRecord {
  /** Its place in the quarantine. */
  readonly partition: number
  readonly offset: number
  readonly original: Uint8Array
}

/** A record that would be refused again, by its place in the quarantine. */
export interface StillRefused {
  readonly partition: number
  readonly offset: number
  readonly reason: QuarantineReason
  readonly detail: string
}

export interface ReplayResult {
  /** Records that were appended to their topic once more. */
  readonly replayed: number
  /** Records that an earlier replay had appended. */
  readonly already: number
  /** Records that would be refused again, and stay where they are. */
  readonly refused: number
  /** The first of these. */
  readonly problems: readonly StillRefused[]
  /** End of the topic afterwards: once its table covers it, what was replayed has been judged. */
  readonly end: OffsetVector
}

export interface ReplayOptions {
  readonly log: Log
  readonly registry: SchemaRegistry
  readonly clock: Clock
  readonly logger: Logger
}

const MAX_PROBLEMS = 100

/**
 * Sends refused records down the road again: by now their schema may be registered, or their time have come. One that
 * would be refused again stays. That a record was replayed is progress in the log, in the append that does it, so that
 * each is replayed at most once, whatever happens.
 */
export class Replay {
  readonly #options: ReplayOptions
  #isUnderWay = false

  constructor(options: ReplayOptions) {
    this.#options = options
  }

  /** `conflict` while another replay runs: both could find the same record not replayed yet. */
  async replay(
    definition: TableDefinition,
    pages: AsyncIterable<readonly QuarantinedRecord[]>,
  ): Promise<ReplayResult> {
    if (this.#isUnderWay)
      throw new TicklakeError('conflict', 'a replay is under way: ask again when it is done')
    this.#isUnderWay = true
    try {
      const { log, logger } = this.#options
      let [replayed, already, refused] = [0, 0, 0]
      const problems: StillRefused[] = []
      for await (const records of pages) {
        const left = records.filter((record) => log.progress(sourceOf(record)) === undefined)
        const decoded = await this.#decode(definition, left)
        await this.#append(definition, left, decoded)
        replayed += decoded.batch.rowCount
        already += records.length - left.length
        refused += decoded.refused.length
        for (const { offset: index, reason, detail } of decoded.refused) {
          if (problems.length === MAX_PROBLEMS) break
          const { partition, offset } = left[index]!
          problems.push({ partition, offset, reason, detail })
        }
      }
      logger.info('quarantine replayed', { topic: definition.topic, replayed, already, refused })
      return { replayed, already, refused, problems, end: log.end(definition.topic) }
    } finally {
      this.#isUnderWay = false
    }
  }

  /** Rows and refused ones have the index of their record as offset. They are judged as if the log took them now. */
  async #decode(definition: TableDefinition, records: readonly QuarantinedRecord[]): Promise<DecodedBatch> {
    const { registry, clock, logger } = this.#options
    const decoder = new ColumnarDecoder(definition, {
      schemasOf: (ids) => registeredOf(registry, ids),
      unknownBefore: () => [],
    })
    const batches = [batchOf(records, BigInt(clock.nowMs()) * 1000n)]
    await decoder.prepare(decoder.missing(batches))
    const inspector = new Inspector({
      definition,
      start: EMPTY_LEDGER,
      deduplicator: null,
      largeGap: 'continue',
      logger,
      sessions: new SessionCalendars([]),
    })
    return decoder.decode(batches, [0], inspector)
  }

  /** Each record with its own progress; the log brings together what waits at one time. */
  async #append(
    { topic }: TableDefinition,
    records: readonly QuarantinedRecord[],
    { batch }: DecodedBatch,
  ): Promise<void> {
    const symbols = batchColumn(batch, 'symbol', 'string')
    const { values: indexes } = batchColumn(batch, 'log_offset', 'long')
    const appends: Promise<unknown>[] = []
    for (let row = 0; row < batch.rowCount; row++) {
      const record = records[Number(indexes[row])]!
      appends.push(
        this.#options.log.append({
          records: new Map([[topic, [{ key: cellText(symbols, row), value: record.original }]]]),
          progress: {
            sourceId: sourceOf(record),
            digest: '',
            rowsDone: 1,
            accepted: 1,
            quarantined: 0,
            finished: true,
          },
        }),
      )
    }
    // All of them have ended before the next page or an error: none goes on unseen.
    for (const outcome of await Promise.allSettled(appends)) {
      if (outcome.status === 'rejected') throw outcome.reason
    }
  }
}

function sourceOf({ partition, offset }: QuarantinedRecord): string {
  return `replay/${partition}/${offset}`
}

/** The records as the log would give them, one after the other from offset 0. */
function batchOf(records: readonly QuarantinedRecord[], appendedAtMicros: bigint): RecordBatch {
  let end = 0
  const ends = Uint32Array.from(records, ({ original }) => {
    end += original.length
    return end
  })
  const bytes = Buffer.concat(records.map((record) => record.original))
  return { partition: 0, baseOffset: 0, count: records.length, appendedAtMicros, bytes, ends }
}

/** The schemas that are registered now. A registry that does not answer is an error. */
async function registeredOf(
  registry: SchemaRegistry,
  ids: readonly number[],
): Promise<ReadonlyMap<number, string>> {
  const schemas = new Map<number, string>()
  for (const id of ids) {
    const schema = await registry.byId(id).catch((error: unknown) => {
      if (error instanceof TicklakeError && error.code === 'not_found') return null
      throw error
    })
    if (schema !== null) schemas.set(id, schema)
  }
  return schemas
}
