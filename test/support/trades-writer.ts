import type { Schema } from 'avsc'
import { TRADES } from '#core'
import { avroSchema } from '../../src/ingest/avro-schema.js'
import { framed, oracleType } from './avro-oracle.js'
import type { Road } from './road.js'
import type { Row } from './row-batch.js'
import { avroRecord } from './table-records.js'

/** A field that a producer writes beside ours; values as avsc takes them. */
export interface ExtraField {
  readonly name: string
  readonly type: unknown
  readonly default?: unknown
}

/** An optional one. */
export function optional(name: string, type: unknown): ExtraField {
  return { name, type: ['null', type], default: null }
}

/** What a producer writes of one trade besides what every trade has. */
export type Extras = Readonly<Record<string, unknown>>

/** Our schema of trades with more fields. */
export function tradesSchema(extras: readonly ExtraField[]): Schema {
  // `avroSchema` gives a record schema.
  const own = avroSchema(TRADES) as { readonly fields: readonly object[] }
  return { ...own, fields: [...own.fields, ...extras] } as unknown as Schema
}

/** A trade of BHP with nothing but what it must have, and this id. */
export function plainTrade(messageId: string): Row {
  return {
    symbol: 'BHP',
    exchange: 'ASX',
    exchange_timestamp: 1_394_406_000_000_000n,
    exchange_nanos: 0,
    price: 10n ** 8n,
    size: 10n ** 8n,
    side: 'unknown',
    source: 'feed',
    quality_flags: 0,
    message_id: messageId,
  }
}

/** A producer of trades in one version of their schema. */
export class TradesWriter {
  readonly #road: Road
  readonly #schema: Schema
  readonly #id: number

  private constructor(road: Road, schema: Schema, id: number) {
    this.#road = road
    this.#schema = schema
    this.#id = id
  }

  /** Registers the schema first, as serializers do; `conflict` when the registry does not take it. */
  static async open(road: Road, extras: readonly ExtraField[]): Promise<TradesWriter> {
    const schema = tradesSchema(extras)
    const { id } = await road.registry.register(`${TRADES.topic}-value`, JSON.stringify(schema))
    return new TradesWriter(road, schema, id)
  }

  /** Values in the log's form. */
  encode(trades: ReadonlyMap<string, Extras>): readonly Uint8Array[] {
    const type = oracleType(this.#schema)
    return [...trades].map(([id, extras]) =>
      framed(this.#id, type.toBuffer({ ...avroRecord(TRADES, plainTrade(id)), ...extras })),
    )
  }

  /** Appends one trade for each message id. */
  async produce(trades: ReadonlyMap<string, Extras>): Promise<void> {
    await this.produceValues(this.encode(trades))
  }

  async produceValues(values: readonly Uint8Array[]): Promise<void> {
    const records = values.map((value) => ({ key: 'BHP', value }))
    await this.#road.log.append({ records: new Map([[TRADES.topic, records]]) })
  }
}
