import { createHash } from 'node:crypto'
import { setImmediate } from 'node:timers/promises'
import {
  type Clock,
  CORRECTIONS,
  QUARANTINE,
  type QuarantineReason,
  type TableDefinition,
  TicklakeError,
} from '#core'
import type { LoadProgress, Log, OffsetRange } from '../log/log.js'
import { Producer, type RefusedRow } from '../producer.js'
import type { SchemaRegistry } from '../registry/registry.js'
import { avroRows } from './avro-rows.js'
import { CorrectionCast } from './correction-cast.js'
import { csvRows } from './csv-rows.js'
import { type CastOptions, EventCast } from './event-cast.js'
import { EventColumns } from './event-columns.js'
import { jsonRows, ndjsonRows } from './json-rows.js'
import { PostedKeys } from './posted-keys.js'
import { type PostedRow, problemText, type RowProblem, type RowReader } from './posted-row.js'

/** What a body may be: a JSON array, JSON lines, CSV with a header, or an Avro object container. */
export type PostForm = 'json' | 'ndjson' | 'csv' | 'avro'

const READERS: Readonly<Record<PostForm, RowReader>> = {
  json: jsonRows,
  ndjson: ndjsonRows,
  csv: csvRows,
  avro: avroRows,
}

export interface PostRequest extends CastOptions {
  /** Trades, quotes or corrections. */
  readonly definition: TableDefinition
  readonly form: PostForm
  readonly body: Buffer
  /** The producer's name: `source` of the rows. */
  readonly source: string
  /** With it, the body is taken once, however often it comes. Keys of different producers or tables are different. */
  readonly idempotencyKey?: string | undefined
}

/** A row that was refused, by its index in the body, from 0. */
export interface RowError extends RowProblem {
  readonly index: number
}

export interface PostResult {
  /** accepted + quarantined. */
  readonly received: number
  readonly accepted: number
  readonly quarantined: number
  /** The key came before with this very body: nothing was added now. */
  readonly alreadyIngested: boolean
  /** Where the accepted rows are in the table's topic. */
  readonly ranges: readonly OffsetRange[]
  /** Of the refused rows, which are in quarantine. */
  readonly errors: readonly RowError[]
}

export interface PosterOptions {
  readonly log: Pick<Log, 'append' | 'progress' | 'end'>
  readonly registry: SchemaRegistry
  readonly clock: Clock
  /** Rows of one body. */
  readonly maxRows: number
  /** Bytes of one body once it is inflated. */
  readonly maxBytes: number
  /** Idempotency keys that are kept. */
  readonly maxKeys: number
}

/** The file of posted rows, as quarantine names it. */
const FILE_NAME = 'http'

/** Rows that are read before others get their turn: a few milliseconds. */
const TURN_ROWS = 500

interface ReadRows {
  readonly accepted: EventColumns
  readonly refused: readonly RefusedRow[]
  readonly errors: readonly RowError[]
}

/** Brings posted rows into the log: each body in one append, whole or not at all. */
export class Poster {
  readonly #options: PosterOptions
  readonly #keys: PostedKeys
  readonly #producers = new Map<TableDefinition, Promise<Producer>>()
  /** Bodies with a key, by key: a repeat waits for the outcome of what it repeats. */
  readonly #underWay = new Map<string, Promise<unknown>>()

  /** The log has been started. */
  constructor(options: PosterOptions) {
    this.#options = options
    this.#keys = new PostedKeys(options.log, options.maxKeys)
  }

  /**
   * Resolves once the rows are durable in the log; refused ones are in quarantine then, whole and with their reason. A body
   * that cannot be read is `invalid_input`, one of too many rows `too_large`, a key that came with another body
   * `conflict`: then nothing was added. Nor is it when a correction is wrong: that is `invalid_input` of the whole body,
   * since whoever sends one is there to mend it.
   */
  async post(request: PostRequest): Promise<PostResult> {
    if (request.idempotencyKey === undefined) return this.#append(request)
    const key = keyDigest(request, request.idempotencyKey)
    for (let before = this.#underWay.get(key); before; before = this.#underWay.get(key)) {
      // Whatever became of it: what counts is what the log has of it.
      await before.catch(() => undefined)
    }
    const outcome = this.#once(request, key)
    this.#underWay.set(key, outcome)
    try {
      return await outcome
    } finally {
      this.#underWay.delete(key)
    }
  }

  async #once(request: PostRequest, key: string): Promise<PostResult> {
    const digest = bodyDigest(request)
    const known = this.#keys.find(key)
    if (known === undefined) return this.#append(request, { key, digest })
    if (known.digest !== digest) {
      const name = JSON.stringify(request.idempotencyKey)
      throw new TicklakeError(
        'conflict',
        `Idempotency-Key ${name} came before, with another body: take a new key`,
        {
          field: 'Idempotency-Key',
          value: request.idempotencyKey ?? '',
          expected: 'a key that did not come with another body',
        },
      )
    }
    // The body is the same, so the rows that it was refused for are found in it again.
    const { errors } = await this.#read(request)
    const { rowsDone: received, accepted, quarantined } = known
    const ranges = known.posted?.ranges ?? []
    return { received, accepted, quarantined, alreadyIngested: true, ranges, errors }
  }

  async #append(
    request: PostRequest,
    keyed?: { readonly key: string; readonly digest: string },
  ): Promise<PostResult> {
    const { definition, source } = request
    const { accepted, refused, errors } = await this.#read(request)
    if (definition === CORRECTIONS && errors[0]) throw wrongCorrection(errors[0])
    const producer = await this.#producer(definition)
    const name = { sourceId: source, fileName: FILE_NAME }
    const records = new Map([
      [definition.topic, producer.accepted(accepted.columns(), accepted.rowCount, name, null)],
      [QUARANTINE.topic, producer.refused(refused, name)],
    ])
    const counts = { accepted: accepted.rowCount, quarantined: refused.length }
    const result = {
      received: counts.accepted + counts.quarantined,
      ...counts,
      alreadyIngested: false,
      errors,
    }
    if (keyed === undefined) {
      const appended = await this.#options.log.append({ records })
      return { ...result, ranges: appended.get(definition.topic) ?? [] }
    }
    const { key, digest } = keyed
    const { number, sourceId } = this.#keys.claim()
    const progress: LoadProgress = {
      sourceId,
      digest,
      rowsDone: result.received,
      ...counts,
      reasons: reasonCounts(refused),
      finished: true,
    }
    try {
      const appended = await this.#options.log.append({
        records,
        progress: (where) => ({
          ...progress,
          posted: { number, key, ranges: where.get(definition.topic) ?? [] },
        }),
      })
      this.#keys.keep(key, number)
      return { ...result, ranges: appended.get(definition.topic) ?? [] }
    } catch (error) {
      this.#keys.release(number)
      throw error
    }
  }

  async #read(request: PostRequest): Promise<ReadRows> {
    const { log, clock, maxRows, maxBytes } = this.#options
    const cast =
      request.definition === CORRECTIONS
        ? new CorrectionCast({ clock, end: (topic) => log.end(topic) })
        : new EventCast(request.definition, request)
    const accepted = new EventColumns(request.definition)
    const refused: RefusedRow[] = []
    const errors: RowError[] = []
    let index = 0
    const take = (row: PostedRow) => {
      if (index === maxRows) {
        throw new TicklakeError('too_large', `body: it has more than ${maxRows} rows: send it in parts`)
      }
      const outcome = 'problem' in row ? row.problem : cast.cast(row.fields)
      if ('reason' in outcome) {
        refused.push(refusedRow(index, row, outcome))
        errors.push({ index, ...outcome })
      } else accepted.add(outcome)
      index++
    }
    const rows = READERS[request.form](request.body, maxBytes)
    if (Symbol.asyncIterator in rows) {
      for await (const row of rows) {
        take(row)
        if (index % TURN_ROWS === 0) await setImmediate()
      }
    } else {
      // Nothing is waited for that is there already: a promise for each row is much of what the row costs.
      for (const row of rows) {
        take(row)
        if (index % TURN_ROWS === 0) await setImmediate()
      }
    }
    return { accepted, refused, errors }
  }

  #producer(definition: TableDefinition): Promise<Producer> {
    const known = this.#producers.get(definition)
    if (known) return known
    const opened = Producer.open(definition, this.#options.registry)
    this.#producers.set(definition, opened)
    // A registry that did not answer is asked again by the next body.
    opened.catch(() => this.#producers.delete(definition))
    return opened
  }
}

function wrongCorrection({ index, ...problem }: RowError): TicklakeError {
  const { field, value, expected } = problem
  const wanted = value === null ? `; it has to be ${expected}` : ''
  return new TicklakeError('invalid_input', `correction ${index}: ${problemText(problem)}${wanted}`, {
    ...(field !== null && { field }),
    ...(value !== null && { value }),
    expected,
  })
}

function refusedRow(index: number, row: PostedRow, problem: RowProblem): RefusedRow {
  return {
    line: BigInt(index + 1),
    reason: problem.reason,
    detail: problemText(problem),
    original: row.original(),
  }
}

function reasonCounts(refused: readonly RefusedRow[]): Partial<Record<QuarantineReason, number>> {
  const counts: Partial<Record<QuarantineReason, number>> = {}
  for (const { reason } of refused) counts[reason] = (counts[reason] ?? 0) + 1
  return counts
}

function keyDigest({ definition, source }: PostRequest, key: string): string {
  const identity = JSON.stringify([definition.name, source, key])
  return createHash('sha256').update(identity).digest('base64url')
}

/** Of the body and of all that its rows depend on. */
function bodyDigest({ form, exchange, sequence, body }: PostRequest): string {
  return createHash('sha256')
    .update(JSON.stringify([form, exchange ?? null, sequence]))
    .update(body)
    .digest('hex')
}
