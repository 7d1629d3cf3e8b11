import { setImmediate } from 'node:timers/promises'
import {
  type Clock,
  covers,
  EMPTY_LEDGER,
  type Ledger,
  type Logger,
  type OffsetVector,
  type Service,
  sameVector,
  type TableName,
  TicklakeError,
} from '#core'
import type { StreamTable } from '#storage'
import { ColumnarDecoder } from './columnar-decoder.js'
import { ConsumerProgress, type Refusals } from './consumer-progress.js'
import type { Inspector } from './inspector.js'
import type { Log } from './log/log.js'
import { newestRecords, requireSameLog } from './record-marks.js'
import type { SchemaSource } from './record-writers.js'
import { RefusedRecords } from './refused-records.js'
import type { SchemaRegistry } from './registry/registry.js'
import { TableColumns } from './table-columns.js'
import { Waiting } from './waiting.js'
import { WriterSchemas } from './writer-schemas.js'

/** Bytes of one read: about 10,000 trades, so that the event loop gets its turn every 10 ms or so. */
const READ_BYTES = 1 << 20

export interface ConsumerOptions {
  readonly log: Log
  readonly registry: SchemaRegistry
  readonly table: StreamTable
  /** Opens what judges the rows of a table of events, as of its newest snapshot; null: there is nothing to judge. */
  readonly inspect: ((start: Ledger) => Promise<Inspector>) | null
  readonly clock: Clock
  readonly logger: Logger
  /** How long a record waits for its schema before it goes to quarantine. */
  readonly unknownWaitMs: number
  /** A table of events gets columns for optional fields of its records, up to so many besides its own. */
  readonly maxAddedColumns: number
}

/** How a consumer is doing. */
export interface ConsumerStatus {
  readonly table: TableName
  /** Records of the log that are not visible yet. */
  readonly lagRecords: number
  /** The oldest of them came at most this long ago; 0 when there are none. */
  readonly lagMs: number
  /** Rows that it took since the process began. */
  readonly rows: number
  /** Records that it dropped since then because their message id came before. */
  readonly duplicates: number
  /** Of the quarantine's consumer: the same by table and reason. */
  readonly refusals: readonly Refusals[]
  /** Why reading waits at this moment: for the schema registry, or for the log to take refused records; or null. */
  readonly stalled: Error | null
  /** Why reading has stopped for good, or null while all is well. */
  readonly failure: Error | null
}

/**
 * Reads one topic into its table, from where the newest snapshot ends: the table's vector is the only memory of what
 * was consumed. Everything read after it is read again after a crash, and nothing else is.
 */
export class Consumer implements Service {
  readonly #options: ConsumerOptions
  readonly #stop = new AbortController()
  readonly #waiting: Waiting
  readonly #refused: RefusedRecords
  readonly #decoder: ColumnarDecoder
  readonly #progress: ConsumerProgress
  #position: OffsetVector = []
  #endAtStart: OffsetVector = []
  #running: Promise<void> | null = null
  #failure: Error | null = null

  constructor(options: ConsumerOptions) {
    this.#options = options
    this.#waiting = new Waiting({ ...options, signal: this.#stop.signal })
    const { definition } = options.table
    this.#refused = new RefusedRecords({ ...options, definition, waiting: this.#waiting })
    const schemas = new WriterSchemas({ ...options, waiting: this.#waiting })
    const source: SchemaSource = {
      schemasOf: (ids, mayWait) => schemas.schemasOf(ids, mayWait),
      unknownBefore: (id) => this.#refused.unknownBefore(id),
    }
    const further = options.inspect && new TableColumns({ ...options, waiting: this.#waiting })
    this.#decoder = new ColumnarDecoder(definition, source, further)
    this.#progress = new ConsumerProgress(options.clock)
  }

  /** Why reading has stopped for good, or null while all is well. */
  get failure(): Error | null {
    return this.#failure
  }

  status(): ConsumerStatus {
    const { log, table } = this.#options
    const { visible } = table.status()
    const end = log.end(table.definition.topic)
    const lagRecords = end.reduce((sum, offset, partition) => sum + offset - (visible[partition] ?? 0), 0)
    return {
      table: table.definition.name,
      lagRecords,
      lagMs: lagRecords === 0 ? 0 : this.#progress.behindMs,
      rows: this.#progress.rows,
      duplicates: this.#progress.duplicates,
      refusals: this.#progress.refusals,
      stalled: this.#waiting.reason,
      failure: this.#failure,
    }
  }

  async start(): Promise<void> {
    const { log, table, logger } = this.#options
    this.#position = table.committedOffsets()
    this.#endAtStart = log.end(table.definition.topic)
    this.#running = this.#consume(this.#stop.signal).catch((error: Error) => {
      if (this.#stop.signal.aborted) return
      this.#failure = error
      table.fail(error)
      logger.error('reading the log has stopped', { topic: table.definition.topic, error: error.message })
    })
  }

  /** Resolves when everything that was in the log at the start is visible. */
  async caughtUp(signal: AbortSignal): Promise<void> {
    await this.#options.table.visible(this.#endAtStart, signal)
  }

  async stop(): Promise<void> {
    this.#stop.abort(new TicklakeError('unavailable', 'the consumer is stopping'))
    await this.#running
  }

  async #consume(signal: AbortSignal): Promise<void> {
    const { log, table, inspect } = this.#options
    const { topic } = table.definition
    const start = await table.ledger()
    await requireSameLog(log, topic, start.lastRecords)
    const inspector = inspect === null ? null : await inspect(start)
    let told = table.committedOffsets()
    while (!signal.aborted) {
      const { batches, next } = log.read(topic, this.#position, READ_BYTES)
      if (sameVector(next, this.#position)) {
        await log.appended(topic, this.#position, signal)
        this.#progress.reachedEnd()
        continue
      }
      const unknown = this.#decoder.missing(batches)
      if (unknown.length > 0 || !this.#decoder.isResolved) await this.#decoder.prepare(unknown)
      const rows = this.#decoder.decode(batches, this.#position, inspector)
      if (rows.refused.length > 0) await this.#refused.keep(rows.refused)
      const more = !covers(next, log.end(topic))
      const ledger = {
        ...(inspector?.takeChange() ?? EMPTY_LEDGER),
        lastRecords: newestRecords(batches, this.#position),
      }
      await table.append({ ...rows, ledger }, next, more, signal)
      this.#progress.took(batches, rows.batch, rows.duplicates)
      this.#position = next
      const committed = table.committedOffsets()
      if (!sameVector(committed, told)) await this.#tell(committed)
      told = committed
      await setImmediate()
    }
  }

  /** Tells the log how far the table is. That frees its space, and nothing is wrong without: the next one tells more. */
  async #tell(committed: OffsetVector): Promise<void> {
    const { log, logger, table } = this.#options
    const { topic } = table.definition
    try {
      await log.committed(topic, committed)
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error)
      logger.warn('the log was not told what is committed, and keeps it until the next commit', {
        topic,
        error: message,
      })
    }
  }
}
