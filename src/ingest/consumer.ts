import { setImmediate } from 'node:timers/promises'
import { covers, type Logger, type OffsetVector, type Service, sameVector, TicklakeError } from '#core'
import type { StreamTable } from '#storage'
import { ColumnarDecoder } from './columnar-decoder.js'
import type { Log } from './log/log.js'
import type { Producer } from './producer.js'
import type { SchemaRegistry } from './registry/registry.js'

/** Bytes of one read: about 10,000 trades, so that the event loop gets its turn every 10 ms or so. */
const READ_BYTES = 1 << 20

export interface ConsumerOptions {
  readonly log: Log
  readonly registry: SchemaRegistry
  readonly table: StreamTable
  /** Takes what could not be decoded. */
  readonly producer: Producer
  readonly logger: Logger
}

/**
 * Reads one topic into its table, from where the newest snapshot ends: the table's vector is the only memory of what
 * was consumed. Everything read after it is read again after a crash, and nothing else is.
 */
export class Consumer implements Service {
  readonly #options: ConsumerOptions
  readonly #decoder: ColumnarDecoder
  readonly #stop = new AbortController()
  #position: OffsetVector = []
  #endAtStart: OffsetVector = []
  #running: Promise<void> | null = null
  #failure: Error | null = null

  constructor(options: ConsumerOptions) {
    this.#options = options
    this.#decoder = new ColumnarDecoder(options.table.definition, options.registry)
  }

  /** Why reading has stopped for good, or null while all is well. */
  get failure(): Error | null {
    return this.#failure
  }

  /** Records in the log that have not been read. */
  get lag(): number {
    const { log, table } = this.#options
    const end = log.end(table.definition.topic)
    return end.reduce((sum, offset, partition) => sum + offset - (this.#position[partition] ?? 0), 0)
  }

  async start(): Promise<void> {
    const { log, table, logger } = this.#options
    this.#position = table.committedOffsets()
    this.#endAtStart = log.end(table.definition.topic)
    this.#running = this.#consume(this.#stop.signal).catch((error: Error) => {
      if (this.#stop.signal.aborted) return
      this.#failure = error
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
    const { log, table, producer } = this.#options
    const { topic } = table.definition
    let trimmed = table.committedOffsets()
    while (!signal.aborted) {
      const { batches, next } = log.read(topic, this.#position, READ_BYTES)
      if (sameVector(next, this.#position)) {
        await log.appended(topic, this.#position, signal)
        continue
      }
      const unknown = this.#decoder.missing(batches)
      if (unknown.length > 0) await this.#decoder.prepare(unknown)
      const rows = this.#decoder.decode(batches, this.#position)
      if (rows.malformed.length > 0) await producer.quarantineMalformed(topic, rows.malformed)
      await table.append(rows.batch.rowCount > 0 ? rows : null, next, !covers(next, log.end(topic)))
      this.#position = next
      const committed = table.committedOffsets()
      if (!sameVector(committed, trimmed)) await log.trim(topic, committed)
      trimmed = committed
      await setImmediate()
    }
  }
}
