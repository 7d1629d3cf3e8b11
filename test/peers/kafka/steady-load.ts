import { expect } from 'vitest'
import { covers, type OffsetVector, TicklakeError } from '#core'
import type { KafkaLog } from '../../../src/ingest/log/kafka/kafka-log.js'
import { readAll, record, values, valuesOf } from '../../support/log-reading.js'

const TOPIC = 'market-data.trades'
const PARTITIONS = 3
const KEYS = Array.from({ length: 8 }, (_, index) => `K${index}`)
const SOURCES = ['one', 'two'] as const
const SOURCE = { digest: '', accepted: 0, quarantined: 0, finished: false }

/** Two loads at once, which share transactions, and a reader that follows them. */
export class SteadyLoad {
  readonly #log: KafkaLog
  readonly #loads: Promise<unknown>
  readonly #loaded = new AbortController()
  readonly #read: Promise<readonly string[]>
  #onRound: () => void = () => {}
  #ending = false

  private constructor(log: KafkaLog) {
    this.#log = log
    this.#loads = Promise.all(SOURCES.map((source) => this.#load(source)))
    this.#read = this.#follow()
  }

  static async start(log: KafkaLog): Promise<SteadyLoad> {
    await log.createTopic(TOPIC, PARTITIONS)
    return new SteadyLoad(log)
  }

  /** Resolves when each load has come further by so many rounds; rejects when one fails, or the reader does. */
  async advanced(rounds: number): Promise<void> {
    const target = SOURCES.map((source) => this.#rounds(source) + rounds)
    const advanced = new Promise<void>((resolve) => {
      this.#onRound = () => {
        if (SOURCES.every((source, index) => this.#rounds(source) >= target[index]!)) resolve()
      }
    })
    await Promise.race([advanced, this.#loads, this.#read])
  }

  /** Ends the loads. Each record must have come to the reader once, in its order, and be in the log once. */
  async expectExact(): Promise<void> {
    this.#ending = true
    await this.#loads
    this.#loaded.abort()
    const read = await this.#read
    for (const source of SOURCES) {
      const rounds = this.#rounds(source)
      expect(rounds).toBeGreaterThan(0)
      for (const key of KEYS) {
        const mine = read.filter((value) => value.startsWith(`${source} ${key} `))
        expect(mine).toEqual(Array.from({ length: rounds }, (_, round) => `${source} ${key} ${round}`))
      }
    }
    const again = valuesOf(await readAll(this.#log, TOPIC, new Array<number>(PARTITIONS).fill(0)))
    expect(again.flat().sort()).toEqual([...read].sort())
  }

  #rounds(source: string): number {
    return this.#log.progress(source)?.rowsDone ?? 0
  }

  /** Appends rounds of records as a load does: what the log says of the progress decides where one goes on. */
  async #load(sourceId: string): Promise<void> {
    while (!this.#ending) {
      const round = this.#rounds(sourceId)
      const records = KEYS.map((key) => record(key, `${sourceId} ${key} ${round}`))
      const progress = { ...SOURCE, sourceId, rowsDone: round + 1 }
      try {
        await this.#log.append({ records: new Map([[TOPIC, records]]), progress })
      } catch (error) {
        // What was not written is tried again.
        if (!(error instanceof TicklakeError) || error.code !== 'unavailable') throw error
      }
      this.#onRound()
    }
  }

  /** Reads until the loads have ended, and everything that is there then, in the order in which it came. */
  async #follow(): Promise<readonly string[]> {
    const { signal } = this.#loaded
    const log = this.#log
    const read: string[] = []
    let position: OffsetVector = new Array<number>(PARTITIONS).fill(0)
    while (!signal.aborted || !covers(position, log.end(TOPIC))) {
      await log.appended(TOPIC, position, signal.aborted ? new AbortController().signal : signal)
      const { batches, next } = log.read(TOPIC, position, 1 << 20)
      for (const batch of batches) {
        const skipped = Math.max(0, position[batch.partition]! - batch.baseOffset)
        read.push(...values(batch).slice(skipped))
      }
      position = next
    }
    return read
  }
}
