import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  CORRECTIONS,
  type ConditionTable,
  QUARANTINE,
  QUOTES,
  SessionCalendars,
  systemClock,
  type TableName,
  TRADES,
} from '#core'
import { EmptyEngine, Engine } from '#engine'
import {
  AnswerCache,
  type LimitBounds,
  type QueryEngine,
  type QueryLimits,
  QueryRouter,
  SqlRouter,
} from '#query'
import { FixtureTable } from './fixture-table.js'
import { queryLimits } from './query-limits.js'
import { type TextRouter, textRouter } from './text-router.js'

/** An engine, fixture tables and a router over them, in a folder of their own. */
export interface LakeFixture {
  readonly directory: string
  readonly engine: Engine
  readonly trades: FixtureTable
  readonly quotes: FixtureTable
  readonly tables: ReadonlyMap<TableName, FixtureTable>
  readonly router: TextRouter
  readonly sql: SqlRouter
  /** The same as a server has it. */
  readonly queries: QueryRouter
  readonly limits: QueryLimits
  /** Makes queries wait until they are let go; `reached` resolves once one waits, with its signal. */
  holdQueries(): { readonly reached: Promise<AbortSignal | undefined>; letGo(): void }
  close(): void
}

export async function openLakeFixture(
  sessions = new SessionCalendars([]),
  conditions: readonly ConditionTable[] = [],
  bounds: Partial<LimitBounds> = {},
): Promise<LakeFixture> {
  const directory = mkdtempSync(join(tmpdir(), 'ticklake-test-'))
  const engine = await Engine.open({
    memoryLimit: '1GB',
    threads: 2,
    tempDirectory: directory,
    connections: 2,
  })
  const reader = await EmptyEngine.open()
  const tables = new Map(
    [TRADES, QUOTES, QUARANTINE, CORRECTIONS].map((definition) => [
      definition.name,
      new FixtureTable(definition, engine, directory),
    ]),
  )
  let held: { reach(signal?: AbortSignal): void; readonly gone: Promise<void> } | null = null
  const wait = async (signal?: AbortSignal) => {
    held?.reach(signal)
    await held?.gone
  }
  const gated: QueryEngine = {
    query: async (sql, parameters, signal) => {
      await wait(signal)
      return engine.query(sql, parameters, signal)
    },
    rows: async function* (sql, parameters, signal) {
      await wait(signal)
      yield* engine.rows(sql, parameters, signal)
    },
    stream: (sql, parameters, signal) => engine.stream(sql, parameters, signal),
    exportParquet: (request, signal) => engine.exportParquet(request, signal),
  }
  const limits = queryLimits(bounds)
  const queries = new QueryRouter({
    cache: new AnswerCache([]),
    tables,
    engine: gated,
    sessions,
    conditions,
    limits,
    clock: systemClock,
    tempDirectory: directory,
    sliceRows: 7,
  })
  return {
    directory,
    engine,
    trades: tables.get('trades')!,
    quotes: tables.get('quotes')!,
    tables,
    router: textRouter(queries),
    queries,
    sql: new SqlRouter({
      tables,
      rollups: [],
      engine: gated,
      reader,
      limits,
      clock: systemClock,
      tempDirectory: directory,
    }),
    limits,
    holdQueries: () => {
      let reach: (signal?: AbortSignal) => void = () => {}
      let letGo = () => {}
      const reached = new Promise<AbortSignal | undefined>((resolve) => {
        reach = resolve
      })
      const gone = new Promise<void>((resolve) => {
        letGo = resolve
      })
      held = { reach, gone }
      return { reached, letGo }
    },
    close: () => {
      engine.close()
      reader.close()
      rmSync(directory, { recursive: true })
    },
  }
}
