import { assert, invalid, QUARANTINE, type QuarantineReason, TicklakeError } from '#core'
import { type ResultChunk, Sandbox } from '#engine'
import { FORMAT_MACROS } from './format-vocabulary.js'
import type { Format, FormatOptions } from './formats.js'
import type { LoadIdentity } from './load-identity.js'
import type { LoadProgress, Log, LogRecord } from './log/log.js'
import { Producer } from './producer.js'
import type { SchemaRegistry } from './registry/registry.js'
import { formatRelation, type SourceQuery, sourceQuery } from './source-query.js'
import { type SourceRows, sortRows } from './source-rows.js'
import type { StagedFile } from './staged-input.js'

export interface LoadCounts {
  /** Rows taken from the source: accepted, quarantined and skipped ones. */
  readonly rowsRead: number
  readonly accepted: number
  readonly quarantined: number
  /** Empty lines, and messages that are no records of the table. */
  readonly skipped: number
}

/** What a load reads and where it writes. */
export interface SourceLoadContext {
  readonly log: Log
  readonly registry: SchemaRegistry
  readonly format: Format
  readonly options: FormatOptions
  readonly fileName: string
  /** Resolves when the lake has room for more; between two appends a load waits for it. */
  readonly calm: (signal?: AbortSignal) => Promise<void>
}

/** Rows of one append: enough that a transaction costs little, few enough that two of them are small. */
const APPEND_ROWS = 16_384
/** Bytes of one append: lines may be long, and a refused one is kept whole. */
const APPEND_BYTES = 16 * 1024 * 1024

const SANDBOX_MEMORY = '1GB'

/** One run of one load: from the recorded progress to the end of the input. */
export class SourceLoad {
  readonly #context: SourceLoadContext
  /** What is in the log, the next append included. */
  #progress: LoadProgress
  /** Rows that this run has met, those that an earlier run has done included. */
  #rowsMet = 0
  #records: LogRecord[] = []
  #quarantine: LogRecord[] = []
  #collectedBytes = 0
  /** The append under way: the next rows are read meanwhile. */
  #appending: Promise<unknown> = Promise.resolve()

  constructor(context: SourceLoadContext, { sourceId, digest, progress }: LoadIdentity) {
    this.#context = context
    this.#progress = progress ?? {
      sourceId,
      digest,
      rowsDone: 0,
      accepted: 0,
      quarantined: 0,
      reasons: {},
      finished: false,
    }
  }

  get counts(): LoadCounts {
    const { rowsDone, accepted, quarantined } = this.#progress
    return { rowsRead: rowsDone, accepted, quarantined, skipped: rowsDone - accepted - quarantined }
  }

  /** Quarantined rows by reason, those of earlier runs included. */
  get reasons(): Readonly<Partial<Record<QuarantineReason, number>>> {
    return this.#progress.reasons ?? {}
  }

  /** Reads the files to their end. After an error, all that was appended stays, and a later run goes on after it. */
  async run(
    files: readonly StagedFile[],
    onProgress: (counts: LoadCounts) => void,
    signal?: AbortSignal,
  ): Promise<void> {
    const producer = await Producer.open(this.#context.format.definition, this.#context.registry)
    try {
      for (const file of files) {
        const fileName = files.length > 1 ? `${this.#context.fileName}/${file.name}` : this.#context.fileName
        if (file.sizeBytes > 0) await this.#read(file, fileName, producer, onProgress, signal)
      }
      await this.#append(true)
    } finally {
      await this.#appending
    }
    assert(this.#rowsMet === this.#progress.rowsDone, 'every row is accepted, quarantined or skipped')
    onProgress(this.counts)
  }

  async #read(
    file: StagedFile,
    fileName: string,
    producer: Producer,
    onProgress: (counts: LoadCounts) => void,
    signal: AbortSignal | undefined,
  ): Promise<void> {
    const source = { sourceId: this.#progress.sourceId, fileName }
    for await (const { chunk, query } of this.#chunks(file, signal)) {
      // Rows that an earlier run has done are read again and dropped: exact, whatever the format does.
      const done = Math.min(chunk.rowCount, this.#progress.rowsDone - this.#rowsMet)
      assert(done >= 0, 'a row is counted when it is met')
      if (done < chunk.rowCount) {
        const rows = sortRows(chunk, query.fields, done, this.#rowsMet, file.encoding)
        this.#collect(
          producer.accepted(rows.columns, rows.acceptedCount, source, rows.sourceRows),
          producer.refused(rows.refused, source),
        )
        this.#count(rows)
      }
      this.#rowsMet += chunk.rowCount
      const recordCount = this.#records.length + this.#quarantine.length
      if (recordCount >= APPEND_ROWS || this.#collectedBytes >= APPEND_BYTES) {
        await this.#context.calm(signal)
        await this.#append(false)
        onProgress(this.counts)
      }
    }
  }

  /** The chunks of a file, and the query that gave them. What the format's SQL does wrong is the input's error. */
  async *#chunks(
    file: StagedFile,
    signal: AbortSignal | undefined,
  ): AsyncGenerator<{ chunk: ResultChunk; query: SourceQuery }> {
    let sandbox: Sandbox | undefined
    try {
      sandbox = await Sandbox.open({
        files: [file.path],
        variables: this.#variables(file),
        setup: FORMAT_MACROS,
        memoryLimit: SANDBOX_MEMORY,
      })
      const query = await this.#prepare(sandbox, file)
      for await (const chunk of sandbox.stream(query.sql, signal)) yield { chunk, query }
    } catch (cause) {
      if (signal?.aborted || cause instanceof TicklakeError) throw cause
      const why = cause instanceof Error ? cause.message : String(cause)
      const { name } = this.#context.format
      throw new TicklakeError(
        'invalid_input',
        `format ${name} cannot read ${this.#context.fileName}: ${why}`,
        {
          field: 'format',
          value: name,
          expected: `a format that reads ${this.#context.fileName}`,
          cause,
        },
      )
    } finally {
      sandbox?.close()
    }
  }

  async #prepare(sandbox: Sandbox, file: StagedFile): Promise<SourceQuery> {
    const { format } = this.#context
    const statementCount = await sandbox.statementCount(format.sql)
    if (statementCount !== 1) {
      throw invalid(`format ${format.name}`, `${statementCount} statements`, 'one SELECT')
    }
    if (file.isParquet) {
      const names = await sandbox.columnNames("read_parquet(getvariable('file'))")
      await sandbox.setVariables({ header: names.join(',') })
    }
    return sourceQuery(format, await sandbox.columnNames(formatRelation(format)))
  }

  #variables(file: StagedFile): Readonly<Record<string, string | undefined>> {
    const { symbol, exchange, date } = this.#context.options
    const { path, name, header, encoding } = file
    return { file: path, file_name: name, header, encoding, symbol, exchange, date }
  }

  #collect(accepted: readonly LogRecord[], refused: readonly LogRecord[]): void {
    this.#records.push(...accepted)
    this.#quarantine.push(...refused)
    for (const { value } of accepted) this.#collectedBytes += value.length
    for (const { value } of refused) this.#collectedBytes += value.length
  }

  #count({ rowCount, acceptedCount, refused, skippedCount }: SourceRows): void {
    assert(
      rowCount === acceptedCount + refused.length + skippedCount,
      'no row is lost between the query and the log',
    )
    const reasons = { ...this.reasons }
    for (const { reason } of refused) reasons[reason] = (reasons[reason] ?? 0) + 1
    const { rowsDone, accepted, quarantined } = this.#progress
    this.#progress = {
      ...this.#progress,
      rowsDone: rowsDone + rowCount,
      accepted: accepted + acceptedCount,
      quarantined: quarantined + refused.length,
      reasons,
    }
  }

  /** Begins to append what has been collected, with the progress that it makes, once the append before it is durable. */
  async #append(finished: boolean): Promise<void> {
    await this.#appending
    this.#progress = { ...this.#progress, finished }
    const records = new Map([
      [this.#context.format.definition.topic, this.#records],
      [QUARANTINE.topic, this.#quarantine],
    ])
    this.#records = []
    this.#quarantine = []
    this.#collectedBytes = 0
    this.#appending = this.#context.log.append({ records, progress: this.#progress })
    // Thrown by the next await of it; unhandled it must not be meanwhile.
    this.#appending.catch(() => undefined)
  }
}
