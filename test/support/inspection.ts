import { createLogger, EMPTY_LEDGER, type Ledger, SessionCalendars, type TableDefinition } from '#core'
import { avroSchema } from '../../src/ingest/avro-schema.js'
import { ColumnarDecoder } from '../../src/ingest/columnar-decoder.js'
import { Inspector, type InspectorOptions } from '../../src/ingest/inspector.js'
import { RecordEncoder } from '../../src/ingest/record-encoder.js'
import { rowsOfBatch } from './batch-rows.js'
import { recordBatch } from './record-batches.js'
import type { Row } from './row-batch.js'
import { encodeColumns } from './table-records.js'

/** What became of a row: its flags, or why it is none. */
export type Outcome = number | 'duplicate' | { readonly reason: string; readonly detail: string }

const logger = createLogger({ level: 'silent', format: 'text' })

/** What every record must have beside what a test is about. */
const REQUIRED: Row = { side: 'buy', source: 'test', exchange_nanos: 0, quality_flags: 0 }

/** An inspector behind a decoder, as in a consumer, that reads records as a log would give them. */
export class Inspection {
  readonly inspector: Inspector
  readonly #definition: TableDefinition
  readonly #decoder: ColumnarDecoder
  readonly #encoder: RecordEncoder
  #nextOffset = 0

  private constructor(
    definition: TableDefinition,
    decoder: ColumnarDecoder,
    start: Ledger,
    policy: Partial<InspectorOptions>,
  ) {
    this.#definition = definition
    this.#decoder = decoder
    this.#encoder = new RecordEncoder(definition, 1)
    this.inspector = new Inspector({
      definition,
      start,
      deduplicator: null,
      largeGap: 'continue',
      logger,
      sessions: new SessionCalendars([]),
      ...policy,
    })
  }

  static async open(
    definition: TableDefinition,
    start: Ledger = EMPTY_LEDGER,
    policy: Partial<InspectorOptions> = {},
  ): Promise<Inspection> {
    const schemas = new Map([[1, JSON.stringify(avroSchema(definition))]])
    const decoder = new ColumnarDecoder(definition, {
      schemasOf: async () => schemas,
      unknownBefore: () => [],
    })
    await decoder.prepare([1])
    return new Inspection(definition, decoder, start, policy)
  }

  /** Rows that the log took at one time (µs), in one batch. */
  inspect(rows: readonly Row[], appendedAtMicros: bigint): Outcome[] {
    const records = rows.map((row) => ({ ...REQUIRED, ...row }))
    const values = this.#encoder.encode(encodeColumns(this.#definition, records), rows.length, 0, rows.length)
    const start = this.#nextOffset
    this.#nextOffset += rows.length
    const read = this.#decoder.decode(
      [{ ...recordBatch(values, start), appendedAtMicros }],
      [start],
      this.inspector,
    )
    const outcomes = new Array<Outcome>(rows.length).fill('duplicate')
    for (const { log_offset: offset, quality_flags: flags } of rowsOfBatch(read.batch)) {
      outcomes[Number(offset) - start] = Number(flags)
    }
    for (const { offset, reason, detail } of read.refused) outcomes[offset - start] = { reason, detail }
    return outcomes
  }
}
