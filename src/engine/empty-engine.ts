import { type DuckDBConnection, DuckDBInstance, type DuckDBType, DuckDBTypeId } from '@duckdb/node-api'
import { TicklakeError } from '#core'
import { interruptOnAbort } from './interruption.js'
import type { SqlParameters } from './query-result.js'

/** The type of a column of a result, as far as one needs to know to write its values. `name` is DuckDB's. */
export type SqlType =
  | { readonly kind: 'plain'; readonly name: string; readonly width: number; readonly scale: number }
  | { readonly kind: 'list'; readonly of: SqlType }
  | { readonly kind: 'struct'; readonly members: readonly (readonly [name: string, type: SqlType])[] }
  | { readonly kind: 'map'; readonly key: SqlType; readonly value: SqlType }

export interface BoundColumn {
  readonly name: string
  readonly type: SqlType
}

/** DuckDB does not take a statement: what it says, and where, in bytes from the start, if it says so. */
export class StatementError extends Error {
  readonly position: number | null

  constructor(message: string, position: number | null, options?: ErrorOptions) {
    super(message, options)
    this.name = 'StatementError'
    this.position = position
  }
}

/** Statements that may wait for their turn. */
const MAX_WAITING = 100

/**
 * A DuckDB that holds nothing, and has no files, network, extensions or settings to reach for. Statements are parsed,
 * written and bound here before they run where the data are: what binds here refers to nothing but itself.
 */
export class EmptyEngine {
  readonly #instance: DuckDBInstance
  readonly #connection: DuckDBConnection
  #last: Promise<unknown> = Promise.resolve()
  #waiting = 0

  private constructor(instance: DuckDBInstance, connection: DuckDBConnection) {
    this.#instance = instance
    this.#connection = connection
  }

  static async open(): Promise<EmptyEngine> {
    const instance = await DuckDBInstance.create(':memory:', {
      threads: '1',
      memory_limit: '256MB',
      temp_directory: '',
      errors_as_json: 'true',
      autoinstall_known_extensions: 'false',
      autoload_known_extensions: 'false',
    })
    const connection = await instance.connect()
    await connection.run("SET TimeZone = 'UTC'")
    await connection.run('SET enable_external_access = false')
    await connection.run('SET lock_configuration = true')
    return new EmptyEngine(instance, connection)
  }

  /** The statements of a text as JSON (json_serialize_sql). Only SELECT has such a form. */
  async parse(sql: string, signal?: AbortSignal): Promise<string> {
    const json = await this.#text('SELECT json_serialize_sql($text::VARCHAR)', sql, signal)
    if (!json.startsWith('{"error":true')) return json
    const said = failureOf(json)
    throw new StatementError(said.error_message ?? json, positionOf(said))
  }

  /** The text of a statement that `parse` gave. */
  write(json: string, signal?: AbortSignal): Promise<string> {
    return this.#text('SELECT json_deserialize_sql($text::JSON)', json, signal)
  }

  /** The columns that a SELECT has behind `before`, a WITH or nothing, with these values bound in it. Places count from its own start. */
  async bind(
    before: string,
    sql: string,
    parameters: SqlParameters,
    signal?: AbortSignal,
  ): Promise<readonly BoundColumn[]> {
    const start = `${before}SELECT * FROM (`
    return this.#inTurn(async () => {
      const result = await this.#connection.run(`${start}${sql}\n) LIMIT 0`, parameters)
      const types = result.columnTypes()
      return result.columnNames().map((name, index) => ({ name, type: sqlType(types[index]!) }))
    }, signal).catch((error: Error) => {
      if (!(error instanceof StatementError) || error.position === null) throw error
      const place = error.position - Buffer.byteLength(start)
      throw new StatementError(error.message, place, { cause: error })
    })
  }

  close(): void {
    this.#connection.closeSync()
    this.#instance.closeSync()
  }

  #text(sql: string, text: string, signal: AbortSignal | undefined): Promise<string> {
    return this.#inTurn(async () => {
      const rows = await (await this.#connection.run(sql, { text })).getRowsJS()
      return String(rows[0]?.[0])
    }, signal)
  }

  /** One after the other: a connection would make each wait in a thread of the pool. */
  async #inTurn<T>(work: () => Promise<T>, signal: AbortSignal | undefined): Promise<T> {
    if (this.#waiting >= MAX_WAITING) {
      throw new TicklakeError('overloaded', `${this.#waiting} statements are waiting: try again later`)
    }
    this.#waiting++
    const done = this.#last.then(async () => {
      const release = interruptOnAbort(this.#connection, signal)
      try {
        signal?.throwIfAborted()
        return await work()
      } catch (error) {
        signal?.throwIfAborted()
        throw error instanceof Error ? told(error) : error
      } finally {
        release()
        this.#waiting--
      }
    })
    this.#last = done.catch(() => undefined)
    return done
  }
}

interface Failure {
  readonly error_message?: string
  readonly exception_message?: string
  readonly position?: string
}

function told(error: Error): Error {
  if (!error.message.startsWith('{')) return new StatementError(error.message, null, { cause: error })
  const said = failureOf(error.message)
  return new StatementError(said.exception_message ?? error.message, positionOf(said), { cause: error })
}

/** DuckDB wrote it: an object of texts. */
function failureOf(json: string): Failure {
  return JSON.parse(json) as Failure
}

function positionOf({ position }: Failure): number | null {
  return position === undefined ? null : Number(position)
}

function sqlType(type: DuckDBType): SqlType {
  switch (type.typeId) {
    case DuckDBTypeId.LIST:
    case DuckDBTypeId.ARRAY:
      return { kind: 'list', of: sqlType(type.valueType) }
    case DuckDBTypeId.MAP:
      return { kind: 'map', key: sqlType(type.keyType), value: sqlType(type.valueType) }
    case DuckDBTypeId.STRUCT:
      return {
        kind: 'struct',
        members: type.entryNames.map((name, index) => [name, sqlType(type.entryTypes[index]!)] as const),
      }
    case DuckDBTypeId.DECIMAL:
      return { kind: 'plain', name: 'DECIMAL', width: type.width, scale: type.scale }
    default:
      return { kind: 'plain', name: type.alias ?? DuckDBTypeId[type.typeId] ?? 'UNKNOWN', width: 0, scale: 0 }
  }
}
