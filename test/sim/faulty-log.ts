import { type OffsetVector, TicklakeError } from '#core'
import type {
  Appended,
  LoadProgress,
  Log,
  LogAppend,
  LogRecord,
  ReadResult,
  RecordBatch,
} from '../../src/ingest/log/log.js'
import { partitionOf } from '../../src/ingest/log/partitioner.js'
import type { Life, Scheduler } from './scheduler.js'

/** Values that begin with it have offsets and are never seen. */
const HIDDEN = Buffer.from('\u0000hidden')

export function isHidden(value: Uint8Array): boolean {
  return HIDDEN.equals(value.subarray(0, HIDDEN.length))
}

/** Bytes that a read may ask of the log below: often one batch, now and then all there is. */
const READ_SIZES = [1, 1, 400, 4000, Number.MAX_SAFE_INTEGER]

/**
 * A log with the habits of Kafka. Aborted transactions and the end markers of the others take offsets, so that `next`
 * jumps over records that nobody sees; what was read comes again. Hidden records are records of the log below, which
 * is why they stay where they are across restarts.
 */
export class FaultyLog implements Log {
  readonly #inner: Log
  readonly #scheduler: Scheduler
  readonly #life: Life
  /** Whether the producer is a transactional one. */
  readonly #transactional: boolean

  constructor(inner: Log, scheduler: Scheduler, life: Life, transactional: boolean) {
    this.#inner = inner
    this.#scheduler = scheduler
    this.#life = life
    this.#transactional = transactional
  }

  start(): Promise<void> {
    return this.#inner.start()
  }

  stop(): Promise<void> {
    return this.#inner.stop()
  }

  createTopic(topic: string, partitionCount: number): Promise<void> {
    return this.#inner.createTopic(topic, partitionCount)
  }

  end(topic: string): OffsetVector {
    return this.#inner.end(topic)
  }

  begin(topic: string): OffsetVector {
    return this.#inner.begin(topic)
  }

  async append({ records, ...rest }: LogAppend): Promise<Appended> {
    if (!this.#transactional) return this.#inner.append({ records, ...rest })
    if (this.#scheduler.faults.draw(['aborted transaction'])) {
      const hidden = new Map([...records].map(([topic, list]) => [topic, list.map(hide)]))
      await this.#inner.append({ records: this.#marked(hidden) })
      throw new TicklakeError('unavailable', 'injected abort of a transaction')
    }
    // The ranges include the markers, as an end offset in Kafka does.
    const marked = this.#scheduler.faults.draw(['control record']) ? this.#marked(records) : records
    return this.#inner.append({ records: marked, ...rest })
  }

  progress(sourceId: string): LoadProgress | undefined {
    return this.#inner.progress(sourceId)
  }

  read(topic: string, from: OffsetVector): ReadResult {
    const { random, faults } = this.#scheduler
    this.#scheduler.stir()
    let start = from
    if (faults.draw(['duplicate delivery'])) {
      const begin = this.#inner.begin(topic)
      start = from.map((offset, partition) => offset - random.below(offset - begin[partition]! + 1))
    }
    const { batches, next } = this.#inner.read(topic, start, random.pick(READ_SIZES))
    this.#scheduler.note(
      `read ${topic} from ${from}${start === from ? '' : `, again from ${start}`} to ${next}`,
    )
    return {
      batches: batches.flatMap(visibleParts),
      next: next.map((offset, partition) => Math.max(offset, from[partition]!)),
    }
  }

  async appended(topic: string, from: OffsetVector, signal: AbortSignal): Promise<void> {
    await this.#inner.appended(topic, from, signal)
    await this.#scheduler.gate(this.#life, `${topic} goes on`, () => {})
  }

  checksumAt(topic: string, partition: number, offset: number): Promise<string | undefined> {
    return this.#inner.checksumAt(topic, partition, offset)
  }

  committed(topic: string, offsets: OffsetVector): Promise<void> {
    return this.#inner.committed(topic, offsets)
  }

  /** The records and, behind them, an end marker in each partition that got any. */
  #marked(records: LogAppend['records']): LogAppend['records'] {
    return new Map(
      [...records].map(([topic, list]) => {
        const partitionCount = this.#inner.end(topic).length
        const touched = new Set(list.map(({ key }) => partitionOf(key, partitionCount)))
        const markers = [...touched].map((partition) => hide({ key: keyIn(partition, partitionCount) }))
        return [topic, [...list, ...markers]]
      }),
    )
  }
}

function hide({ key, value = new Uint8Array() }: { key: string; value?: Uint8Array }): LogRecord {
  return { key, value: Buffer.concat([HIDDEN, value]) }
}

/** A key that goes to the partition. */
function keyIn(partition: number, partitionCount: number): string {
  for (let n = 0; ; n++) if (partitionOf(String(n), partitionCount) === partition) return String(n)
}

/** A batch without its hidden records: the runs of records between them. */
function visibleParts(batch: RecordBatch): RecordBatch[] {
  const parts: RecordBatch[] = []
  const start = (index: number) => (index === 0 ? 0 : batch.ends[index - 1]!)
  for (let first = 0; first < batch.count; ) {
    let end = first
    while (end < batch.count && !isHidden(batch.bytes.subarray(start(end), batch.ends[end]))) end++
    if (end > first) {
      parts.push({
        ...batch,
        baseOffset: batch.baseOffset + first,
        count: end - first,
        bytes: batch.bytes.subarray(start(first), batch.ends[end - 1]),
        ends: batch.ends.slice(first, end).map((at) => at - start(first)),
      })
    }
    first = end + 1
  }
  return parts
}
