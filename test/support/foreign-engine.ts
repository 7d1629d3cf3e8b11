import { dayOfMicros, type Random, systemClock, TRADES } from '#core'
import type { TableEngine } from '#engine'
import { formatJson, type Json, type TableMetadata } from '#storage'
import type { CommitContext } from '../../src/storage/commit.js'
import { type JsonObject, parseJson } from '../../src/storage/iceberg/json.js'
import { parseMetadata } from '../../src/storage/iceberg/metadata-file.js'
import { LocalObjectStore } from '../../src/storage/objects/local.js'
import { prepareFiles } from '../../src/storage/prepare.js'
import { DUCKDB_TYPES } from '../../src/storage/tail-segment.js'
import { commitContext } from './commit-context.js'
import { additionRequest } from './foreign-commit.js'

export interface IcebergResponse {
  readonly status: number
  /** Whole numbers beyond 2^53 are bigints; null: no body. */
  readonly body: Json
}

/** A trade as another engine has it: all that is not said is null. */
export interface ForeignTrade {
  readonly symbol: string
  readonly micros: bigint
  /** Decimal texts. */
  readonly price: string
  readonly size: string
}

/** Another engine: it knows the tables by the REST catalog alone, writes its files itself and commits them there. */
export class ForeignEngine {
  readonly #root: string
  readonly #engine: TableEngine
  readonly #random: Random
  readonly #name: string
  readonly #context: CommitContext
  #files = 0

  /** @param url of the lake. `name` begins those of its files. */
  constructor(url: string, engine: TableEngine, random: Random, name: string) {
    this.#root = `${url}/iceberg/v1`
    this.#engine = engine
    this.#random = random
    this.#name = name
    const objects = new LocalObjectStore()
    // Not asked: what it knows comes over HTTP.
    this.#context = commitContext(objects, 'file:///nowhere', { clock: systemClock, random, fence: 0 })
  }

  async ask(
    method: string,
    path: string,
    body?: Json,
    headers: Readonly<Record<string, string>> = {},
  ): Promise<IcebergResponse> {
    const response = await fetch(this.#root + path, {
      method,
      headers: { 'content-type': 'application/json', ...headers },
      ...(body !== undefined && { body: formatJson(body) }),
    })
    const text = await response.text()
    return { status: response.status, body: text === '' ? null : parseJson(text, path) }
  }

  async load(table: string): Promise<TableMetadata> {
    const { body } = await this.ask('GET', `/namespaces/market_data/tables/${table}`)
    return metadataIn(body)
  }

  /** What a commit on top of `base` says that appends the rows to trades. Their files are written. */
  async appendOf(base: TableMetadata, trades: readonly ForeignTrade[]): Promise<JsonObject> {
    const { files, specId } = await prepareFiles(
      { layout: TRADES, engine: this.#engine, objects: this.#context.objects, metadata: base },
      { relation: relationOf(trades), rowCount: trades.length, days: daysOf(trades) },
      `${this.#name}-${this.#files++}`,
    )
    // Ids of other engines have 63 bits.
    const snapshotId = 2n ** 62n + BigInt(this.#random.id())
    return additionRequest(this.#context, base, { data: [{ specId, files }], deletes: [], snapshotId })
  }

  /** Appends the rows to trades, anew after each lost race, and gives how many there were. */
  async append(trades: readonly ForeignTrade[]): Promise<number> {
    for (let lostRaces = 0; ; lostRaces++) {
      const commit = await this.appendOf(await this.load('trades'), trades)
      const { status, body } = await this.ask('POST', '/namespaces/market_data/tables/trades', commit)
      if (status === 200) return lostRaces
      if (status !== 409) throw new Error(`status ${status}: ${formatJson(body)}`)
    }
  }
}

/** The metadata in the answer to a load or a commit. */
export function metadataIn(body: Json): TableMetadata {
  return parseMetadata(formatJson(Object(body).metadata), 'an answer')
}

function daysOf(trades: readonly ForeignTrade[]): ReadonlySet<number> {
  return new Set(trades.map(({ micros }) => dayOfMicros(micros)))
}

function relationOf(trades: readonly ForeignTrade[]): string {
  const rows = trades.map((trade) => {
    const cells: Readonly<Record<string, string>> = {
      symbol: `'${trade.symbol}'`,
      exchange: `'MADE'`,
      exchange_timestamp: `make_timestamptz(${trade.micros})`,
      price: `'${trade.price}'`,
      size: `'${trade.size}'`,
    }
    const columns = TRADES.columns.map(
      ({ name, type }) => `CAST(${cells[name] ?? 'NULL'} AS ${DUCKDB_TYPES[type]})`,
    )
    return `(${columns.join(', ')})`
  })
  return `(SELECT * FROM (VALUES ${rows.join(', ')}) AS t(${TRADES.columns.map(({ name }) => name).join(', ')}))`
}
