import { covers, type Logger, type OffsetVector, TicklakeError } from '#core'
import type { ReadResult, RecordBatch } from '../log.js'
import { TopicPositions } from '../topic-positions.js'
import type { AcceptedLosses } from './accepted-losses.js'
import { type Brokers, errorType, isPassing } from './brokers.js'
import { committedBatches, type FetchedPartition, fetchPartitions } from './fetch.js'
import { protocolError } from './internals.js'
import { PartitionFeed } from './partition-feed.js'
import { openBatch } from './record-batch.js'

/** Decompressed bytes that are kept ahead of the reader, over all partitions: beyond it, nothing more is fetched. */
const AHEAD_BYTES = 32 * 1024 * 1024
/** Compressed bytes of one partition in one answer. */
const MAX_PARTITION_BYTES = 1024 * 1024
/** How long a broker waits for something to send. It answers at once when something comes. */
const MAX_WAIT_MS = 500
/** A new topic is not known to every broker at once; one that stays unknown has been deleted. */
const UNKNOWN_ATTEMPTS = 12
const UNKNOWN_TOPIC_OR_PARTITION = 3

export interface ReaderOptions {
  readonly topic: string
  readonly begin: OffsetVector
  readonly end: OffsetVector
  /** Connections of its own: a broker that waits for news of one topic answers nothing else on them. */
  readonly brokers: Brokers
  readonly acceptedLosses: AcceptedLosses
  readonly logger: Logger
}

/**
 * Fetches one topic ahead of its reader, from wherever the reader is: the position comes with each read, and nothing
 * here or on the brokers decides it. Fetching goes on by itself, within bounds, from the first read on.
 */
export class TopicReader {
  readonly positions: TopicPositions
  readonly #options: ReaderOptions
  readonly #feeds: readonly PartitionFeed[]
  /** Brokers that are being asked now. */
  readonly #asked = new Set<string>()
  readonly #waiting = new Set<() => void>()
  #started = false
  #recovering = false
  #unknownAttempts = 0
  #failure: TicklakeError | null = null

  constructor(options: ReaderOptions) {
    this.#options = options
    this.positions = new TopicPositions(options.topic, options.begin, options.end)
    this.#feeds = options.begin.map((offset) => new PartitionFeed(offset))
  }

  /** What keeps this topic from being read for good. */
  fail(error: TicklakeError): void {
    if (this.#failure) return
    this.#failure = error
    this.#wake()
  }

  /** The topic was seen to end there: answers overtake each other, and an end that was seen stays. */
  reached(end: OffsetVector): void {
    this.positions.advance(this.positions.end.map((known, partition) => Math.max(known, end[partition]!)))
  }

  read(from: OffsetVector, maxBytes: number): ReadResult {
    this.#moveTo(from)
    const batches: RecordBatch[] = []
    const next = this.#feeds.map((feed, partition) =>
      feed.at(0) ? from[partition]! : Math.max(from[partition]!, feed.position),
    )
    let bytes = 0
    for (let index = 0, readable = true; readable; index++) {
      readable = false
      for (const [partition, feed] of this.#feeds.entries()) {
        const found = feed.at(index)
        if (!found) continue
        if (batches.length > 0 && bytes >= maxBytes) return { batches, next }
        batches.push(found.batch)
        next[partition] = found.next
        bytes += found.batch.bytes.length
        readable = true
      }
    }
    return { batches, next }
  }

  /** Resolves when something was fetched beyond `from`, when a read would throw, or when the signal aborts. */
  ready(from: OffsetVector, signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const settle = () => {
        if (!signal.aborted && this.#waitsAt(from)) return
        this.#waiting.delete(settle)
        signal.removeEventListener('abort', settle)
        resolve()
      }
      this.#waiting.add(settle)
      signal.addEventListener('abort', settle)
      settle()
    })
  }

  #waitsAt(from: OffsetVector): boolean {
    try {
      this.#moveTo(from)
    } catch {
      // The next read throws it again.
      return false
    }
    return this.#feeds.every((feed, partition) => feed.position <= from[partition]!)
  }

  /** Where the reader is: checked against what the topic holds, without what was accepted as lost. */
  #moveTo(from: OffsetVector): void {
    if (this.#failure) throw this.#failure
    const { topic, acceptedLosses } = this.#options
    const start = acceptedLosses.pass(topic, from, this.positions.begin)
    this.positions.check(start)
    for (const [partition, feed] of this.#feeds.entries()) feed.moveTo(start[partition]!)
    this.#started = true
    this.#fetchAhead()
  }

  /** Asks each broker that leads partitions with room, unless it is being asked. */
  #fetchAhead(): void {
    const { brokers, topic } = this.#options
    if (!this.#started || this.#recovering || this.#failure || brokers.stopped) return
    const room = this.#feeds.flatMap((feed, partition) =>
      feed.bufferedBytes < AHEAD_BYTES / this.#feeds.length ? [partition] : [],
    )
    try {
      const leaders = brokers.leaders(topic, room)
      if ([...leaders.values()].flat().length < room.length) throw protocolError(UNKNOWN_TOPIC_OR_PARTITION)
      for (const [nodeId, partitions] of leaders) {
        if (this.#asked.has(nodeId)) continue
        this.#asked.add(nodeId)
        void this.#fetchFrom(nodeId, partitions)
          .then(() => this.#asked.delete(nodeId))
          .then(() => this.#fetchAhead())
      }
    } catch (error) {
      void this.#recover(error)
    }
  }

  /** One answer of one broker. Never throws: it recovers, or fails the reader. */
  async #fetchFrom(nodeId: string, partitions: readonly number[]): Promise<void> {
    const { brokers, topic } = this.#options
    const asked = partitions.map((partition) => ({ partition, offset: this.#feeds[partition]!.position }))
    try {
      const broker = await brokers.broker(nodeId)
      const answer = await fetchPartitions(broker, topic, asked, {
        maxWaitMs: MAX_WAIT_MS,
        maxPartitionBytes: MAX_PARTITION_BYTES,
      })
      for (const fetched of answer) {
        const { offset } = asked.find(({ partition }) => partition === fetched.partition)!
        await this.#take(fetched, offset)
      }
      this.#unknownAttempts = 0
      brokers.succeeded()
    } catch (error) {
      await this.#recover(error)
    }
  }

  async #take(fetched: FetchedPartition, offset: number): Promise<void> {
    if (fetched.errorCode !== 0) throw protocolError(fetched.errorCode)
    const { partition, lastStable, logStart } = fetched
    const { batches, next } = committedBatches(fetched, offset)
    const opened: RecordBatch[] = []
    for (const batch of batches) opened.push(await openBatch(partition, batch))
    const feed = this.#feeds[partition]!
    this.positions.trimmed(this.positions.begin.with(partition, logStart))
    this.reached(this.positions.end.with(partition, lastStable))
    // The reader may have gone elsewhere meanwhile.
    if (feed.position !== offset) return
    feed.add(opened, next)
    if (next > offset) this.#wake()
  }

  async #recover(error: unknown): Promise<void> {
    const { brokers, topic, logger } = this.#options
    if (this.#recovering || brokers.stopped) return
    this.#recovering = true
    const message = error instanceof Error ? error.message : String(error)
    if (this.#unknownAttempts >= UNKNOWN_ATTEMPTS) {
      this.fail(
        new TicklakeError('gone', `topic ${topic} is not on the brokers any more: it was deleted`, {
          cause: error,
        }),
      )
    } else if (errorType(error) === 'OFFSET_OUT_OF_RANGE') {
      await this.#lookAgain().catch((failed: unknown) => this.#giveUpUnlessPassing(failed))
    } else if (isPassing(error)) {
      logger.debug('reading the log waits for a broker', { topic, error: message })
    } else {
      this.#giveUpUnlessPassing(error)
    }
    const refused = await brokers.recover()
    if (isUnknownTopic(error) || isUnknownTopic(refused)) this.#unknownAttempts++
    this.#recovering = false
    this.#fetchAhead()
  }

  /** A position outside the log: what begin and end are now decides whether that is so. */
  async #lookAgain(): Promise<void> {
    const { brokers, topic } = this.#options
    const { partitionCount } = this.positions
    this.positions.trimmed(await brokers.begin(topic, partitionCount))
    this.positions.advance(await brokers.end(topic, partitionCount))
    this.#wake()
    const positions = this.#feeds.map((feed) => feed.position)
    if (!covers(this.positions.end, positions)) this.positions.check(positions)
  }

  #giveUpUnlessPassing(error: unknown): void {
    if (isPassing(error)) return
    const { topic } = this.#options
    const message = error instanceof Error ? error.message : String(error)
    this.fail(
      error instanceof TicklakeError
        ? new TicklakeError(error.code, `topic ${topic}: ${error.message}`, { cause: error })
        : new TicklakeError('unavailable', `topic ${topic} cannot be read: ${message}`, { cause: error }),
    )
  }

  #wake(): void {
    for (const wake of [...this.#waiting]) wake()
  }
}

function isUnknownTopic(error: unknown): boolean {
  return errorType(error) === 'UNKNOWN_TOPIC_OR_PARTITION'
}
