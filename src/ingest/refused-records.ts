import { createHash } from 'node:crypto'
import { type OffsetVector, QUARANTINE, type TableDefinition, TicklakeError } from '#core'
import type { RefusedValue } from './columnar-decoder.js'
import type { Log } from './log/log.js'
import { Producer } from './producer.js'
import type { SchemaRegistry } from './registry/registry.js'
import type { Waiting } from './waiting.js'
import { wireId } from './wire-format.js'

export interface RefusedRecordsOptions {
  readonly log: Log
  readonly registry: SchemaRegistry
  /** The table that they are no rows of. */
  readonly definition: TableDefinition
  readonly waiting: Waiting
}

/** Bytes that are kept of a record which the quarantine topic does not take whole: half of a broker's default limit. */
const KEPT_BYTES = 512 * 1024

/**
 * Keeps records of a topic that are no rows of its table, whole. How far each partition's were kept is progress in the
 * log, in the same append: what is read again after a crash is not kept twice. That a schema is unknown is no property
 * of the log, so its records have a progress of their own, which later readings go by.
 */
export class RefusedRecords {
  readonly #options: RefusedRecordsOptions

  constructor(options: RefusedRecordsOptions) {
    this.#options = options
  }

  /** Keeps values, which are in offset order within each partition; waits for as long as the log takes none. */
  async keep(refused: readonly RefusedValue[]): Promise<void> {
    const { definition, registry, waiting } = this.#options
    const producer = await waiting.until('the schema registry', () => Producer.open(definition, registry))
    for (const [sourceId, values] of this.#bySource(refused))
      await this.#keepSource(producer, sourceId, values)
  }

  #bySource(refused: readonly RefusedValue[]): ReadonlyMap<string, RefusedValue[]> {
    const groups = new Map<string, RefusedValue[]>()
    for (const value of refused) {
      const sourceId = this.#sourceOf(value)
      const group = groups.get(sourceId)
      if (group) group.push(value)
      else groups.set(sourceId, [value])
    }
    return groups
  }

  /** The offset, of each partition, below which records of this schema were kept because nobody had registered it. */
  unknownBefore(id: number): OffsetVector {
    const { log, definition } = this.#options
    return log
      .end(definition.topic)
      .map((_, partition) => log.progress(this.#unknownSource(partition, id))?.rowsDone ?? 0)
  }

  /** A value that is too large with others is tried alone, and then cut: it must not keep the table from reading on. */
  async #keepSource(producer: Producer, sourceId: string, values: readonly RefusedValue[]): Promise<void> {
    try {
      await this.#options.waiting.until('the quarantine topic', () =>
        this.#append(producer, sourceId, values),
      )
    } catch (error) {
      const [first] = values
      if (!isTooLarge(error) || !first) throw error
      if (values.length === 1) {
        if (first.bytes.length <= KEPT_BYTES) throw error
        await this.#keepSource(producer, sourceId, [this.#cut(first)])
        return
      }
      const half = values.length >> 1
      await this.#keepSource(producer, sourceId, values.slice(0, half))
      await this.#keepSource(producer, sourceId, values.slice(half))
    }
  }

  /** Appends what was not kept before. */
  async #append(producer: Producer, sourceId: string, refused: readonly RefusedValue[]): Promise<void> {
    const { log, definition } = this.#options
    const known = log.progress(sourceId)
    const values = refused.filter(({ offset }) => offset >= (known?.rowsDone ?? 0))
    const last = values.at(-1)
    if (!last) return
    const name = `${definition.topic}/${last.partition}`
    const records = producer.refused(
      values.map(({ offset, reason, detail, bytes }) => ({
        line: BigInt(offset),
        reason,
        detail,
        original: bytes,
      })),
      { sourceId: name, fileName: name },
    )
    await log.append({
      records: new Map([[QUARANTINE.topic, records]]),
      progress: {
        sourceId,
        digest: '',
        rowsDone: last.offset + 1,
        accepted: 0,
        quarantined: (known?.quarantined ?? 0) + values.length,
        finished: false,
      },
    })
  }

  /** Its first bytes, and how the whole of it is found and known again while its topic keeps it. */
  #cut(value: RefusedValue): RefusedValue {
    const { topic } = this.#options.definition
    const { partition, offset, detail, bytes } = value
    const digest = createHash('sha256').update(bytes).digest('hex')
    return {
      ...value,
      bytes: bytes.subarray(0, KEPT_BYTES),
      detail: `${detail}; cut: the quarantine topic takes the first ${KEPT_BYTES} of its ${bytes.length} bytes, SHA-256 ${digest}, whole in ${topic}, partition ${partition}, offset ${offset}`,
    }
  }

  /** Under which a refused value is counted in the log. */
  #sourceOf({ partition, reason, bytes }: RefusedValue): string {
    return reason === 'unknown_schema'
      ? this.#unknownSource(partition, wireId(bytes, 0, bytes.length))
      : `${this.#options.definition.topic}/${partition}`
  }

  #unknownSource(partition: number, id: number): string {
    return `${this.#options.definition.topic}/${partition}/schema/${id}`
  }
}

function isTooLarge(error: unknown): boolean {
  return error instanceof TicklakeError && error.code === 'too_large'
}
