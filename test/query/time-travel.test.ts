import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { createLogger, SessionCalendars, TRADES } from '#core'
import { Engine } from '#engine'
import { AnswerCache, parseAsOf, QueryRouter, type RowsRequest } from '#query'
import { type AsOf, type Evolution, type SchemaChange, type StreamTable, Warehouse } from '#storage'
import { wholeColumns } from '../../src/storage/file-columns.js'
import { currentSchema } from '../../src/storage/iceberg/metadata.js'
import { compact } from '../../src/storage/maintenance/compact.js'
import { Manifests } from '../../src/storage/manifests.js'
import { prepareFiles } from '../../src/storage/prepare.js'
import { FileIndex } from '../../src/storage/prune.js'
import { Rewrite } from '../../src/storage/rewrite.js'
import { UnnumberedFiles } from '../../src/storage/unnumbered-files.js'
import { logRows } from '../support/log-rows.js'
import { ManualClock } from '../support/manual-clock.js'
import { MarketRows } from '../support/market-rows.js'
import { queryLimits } from '../support/query-limits.js'
import { ROWS } from '../support/request-defaults.js'
import { SeededRandom } from '../support/seeded-random.js'
import { type TextRouter, textRouter } from '../support/text-router.js'

let directory: string
let engine: Engine

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'ticklake-travel-'))
  engine = await Engine.open({
    memoryLimit: '1GB',
    threads: 2,
    tempDirectory: join(directory, 'tmp'),
    connections: 4,
  })
})

afterEach(async () => {
  await engine.close()
  await rm(directory, { recursive: true })
})

/** Rows, sorted: of each its message id (which need not be its own), and the column that was added first. */
type Model = readonly string[]

const shown = (id: string, feed: string | null) => JSON.stringify([id, feed])

const JSON_ROWS = { encoding: 'json' } as const

/** A lake's trades, what they should hold now, and what they held at each snapshot. */
class Travelled {
  readonly history = new Map<bigint, { readonly rows: Model; readonly hasFeed: boolean }>()
  readonly router: TextRouter
  readonly table: StreamTable
  readonly clock = new ManualClock()
  readonly #rows: string[] = []
  hasFeed = false
  readonly #warehouse: Warehouse
  readonly #market: MarketRows
  #foreign = 0

  private constructor(warehouse: Warehouse, clock: ManualClock, seed: number) {
    this.#warehouse = warehouse
    this.clock = clock
    this.table = warehouse.tables.get('trades')!
    this.#market = new MarketRows(TRADES, { seed, partitionCount: 2, days: [19_000, 19_001] })
    const sessions = new SessionCalendars([])
    this.router = textRouter(
      new QueryRouter({
        cache: new AnswerCache([]),
        tables: warehouse.tables,
        engine,
        sessions,
        limits: queryLimits(),
        clock,
        tempDirectory: directory,
      }),
    )
  }

  static async open(seed: number): Promise<Travelled> {
    const clock = new ManualClock()
    const warehouse = await Warehouse.open({
      directory: join(directory, String(seed)),
      engine,
      clock,
      random: new SeededRandom(seed),
      logger: createLogger({ level: 'silent', format: 'text' }),
      partitionCount: 2,
      flush: { rows: 1e6, bytes: 2 ** 30, ageMs: 1e9 },
      fence: 1,
    })
    await warehouse.start()
    return new Travelled(warehouse, clock, seed)
  }

  close(): Promise<void> {
    return this.#warehouse.stop()
  }

  get rows(): Model {
    return [...this.#rows].sort()
  }

  get snapshotId(): bigint | null {
    return this.table.metadata().currentSnapshotId
  }

  async append(count: number): Promise<void> {
    const rows = this.#market.take(count)
    await this.table.append(logRows(TRADES, rows), this.#market.next, false)
    for (const row of rows)
      this.#rows.push(shown(String(row.message_id ?? `${row.source}:${row.source_row}`), null))
    this.clock.advance(20)
    await this.table.visible(this.#market.next, new AbortController().signal)
  }

  async flush(): Promise<void> {
    await this.table.flush()
    this.#remember()
  }

  async evolve(evolution: Evolution): Promise<void> {
    await this.table.evolve(evolution)
  }

  /** Rows of another engine, with values in the column that was added. */
  async foreign(): Promise<void> {
    const head = this.#warehouse.compactables.get('trades')!.head
    const { metadata, context } = head
    const columns = wholeColumns(TRADES, currentSchema(metadata))
    const id = `foreign-${this.#foreign++}`
    const cells = columns.map(({ name }) => {
      const cell: Record<string, string> = {
        symbol: `'BHP'`,
        exchange: `'ASX'`,
        exchange_timestamp: 'make_timestamptz(1641600000000000)',
        message_id: `'${id}'`,
        feed: `'${id} "x"'`,
      }
      return `${cell[name] ?? 'NULL'} AS "${name}"`
    })
    const relation = `(SELECT ${columns.map(({ name, type }) => `CAST("${name}" AS ${{ string: 'VARCHAR', long: 'BIGINT', binary: 'BLOB' }[type] ?? type}) AS "${name}"`).join(', ')} FROM (SELECT ${cells.join(', ')}))`
    const { files, specId } = await prepareFiles(
      { layout: TRADES, engine, objects: context.objects, metadata },
      { relation, columns, rowCount: 1, days: new Set([19_000]) },
      head.claimNames().next(),
    )
    const snapshotId = metadata.currentSnapshotId!
    await head.commit(
      new Rewrite(context, { operation: 'overwrite', snapshotId, removed: [], added: [{ files, specId }] }),
    )
    this.#rows.push(shown(id, this.hasFeed ? `${id} "x"` : null))
    // Rows that are still in the tail are in no snapshot.
    this.#remember()
  }

  async compact(): Promise<number> {
    const head = this.#warehouse.compactables.get('trades')!.head
    const index = new FileIndex(new Manifests(head.context.objects))
    const { filesBefore } = await compact(
      { head, layout: TRADES, engine, index, unnumbered: new UnnumberedFiles(engine) },
      { targetBytes: 2 ** 27, minInputs: 2, patient: false },
      { signal: new AbortController().signal, progress: () => {} },
    )
    this.#remember()
    return filesBefore
  }

  /** What the table holds, page by page, with the added column where the version has it. */
  async read(
    asOf: AsOf | null,
    hasFeed: boolean,
    between: () => Promise<void> = async () => {},
  ): Promise<Model> {
    const fields = ['message_id', ...(hasFeed ? ['feed'] : [])]
    const request: RowsRequest = { ...ROWS, fields, limit: 25, ...(asOf && { asOf }) }
    const found: string[] = []
    for (let pageToken: string | null = null, first = true; first || pageToken !== null; first = false) {
      const answer = await this.router.rows({ ...request, pageToken }, JSON_ROWS)
      for (const text of answer.rows) {
        const { message_id, feed = null }: { message_id: string; feed?: string | null } = JSON.parse(text)
        found.push(shown(message_id, feed))
      }
      pageToken = answer.nextPageToken
      await between()
    }
    const selection = { ...ROWS, ...(asOf && { asOf }) }
    const { rows } = await this.router.count(selection, JSON_ROWS)
    expect(JSON.parse(rows[0]!)).toEqual({ count: found.length })
    return found.sort()
  }

  #remember(): void {
    const { snapshotId } = this
    if (snapshotId === null || this.history.has(snapshotId)) return
    this.history.set(snapshotId, { rows: this.rows, hasFeed: this.hasFeed })
  }
}

const SCHEMA_CHANGES: readonly ((count: number) => readonly SchemaChange[])[] = [
  (count) => [{ change: 'add', name: `added_${count}`, type: 'double', position: { at: 'first' } }],
  (count) => [
    { change: 'add', name: `added_${count}`, type: 'int' },
    { change: 'widen', name: `added_${count}`, type: 'long' },
  ],
  (count) => [
    { change: 'add', name: `gone_${count}`, type: 'uuid' },
    { change: 'drop', name: `gone_${count}` },
  ],
  () => [{ change: 'move', name: 'price', position: { at: 'first' } }],
]

describe('a table whose schema, spec and order change while it is written', () => {
  test.each([1, 2, 3])(
    'holds the same rows at every version: seed %i [inv 1]',
    async (seed) => {
      console.log(`seed ${seed}`)
      const random = new SeededRandom(seed)
      const lake = await Travelled.open(seed)
      const clean = async () => {
        // A rewrite remembers rows, and the tail is in no snapshot: settle it first.
        await lake.flush()
      }
      let changes = 0
      let moved = 0
      const steps: readonly (() => Promise<void>)[] = [
        () => lake.append(1 + random.below(30)),
        () => lake.flush(),
        async () => {
          await clean()
          await lake.foreign()
        },
        async () => {
          await clean()
          moved += await lake.compact()
        },
        () => lake.evolve({ of: 'schema', changes: random.pick(SCHEMA_CHANGES)(changes++) }),
        async () => {
          if (!lake.hasFeed)
            await lake.evolve({ of: 'schema', changes: [{ change: 'add', name: 'feed', type: 'string' }] })
          lake.hasFeed = true
        },
        async () => {
          const fields = lake.table
            .metadata()
            .partitionSpecs.find(({ specId }) => specId === lake.table.metadata().defaultSpecId)!.fields
          const bucket = fields.find(({ transform }) => transform === 'bucket[3]')
          const change = bucket
            ? ({ change: 'remove', name: bucket.name } as const)
            : ({ change: 'add', column: 'symbol', transform: 'bucket[3]' } as const)
          await lake.evolve({ of: 'partition-spec', changes: [change] })
        },
        () =>
          lake.evolve({ of: 'sort-order', by: [{ column: random.pick(['symbol', 'exchange_timestamp']) }] }),
      ]
      await lake.append(10)
      await lake.flush()
      for (let step = 0; step < 40; step++) {
        await random.pick(steps)()
        expect(await lake.read(null, lake.hasFeed)).toEqual(lake.rows)
        const [snapshotId, past] = random.pick([...lake.history])
        expect(await lake.read({ kind: 'snapshot', snapshotId }, past.hasFeed)).toEqual(past.rows)
      }
      expect(moved, 'files that were compacted').toBeGreaterThan(0)
      await lake.close()
    },
    120_000,
  )
})

describe('a state of history', () => {
  test('is named by snapshot, time, tag or branch, and stays what it is over all pages', async () => {
    const lake = await Travelled.open(9)
    await lake.append(60)
    await lake.flush()
    const first = lake.snapshotId!
    const made = lake.clock.nowMs()
    const then = lake.history.get(first)!.rows
    await lake.evolve({
      of: 'ref',
      make: { name: 'eod', type: 'tag', asOf: { kind: 'snapshot', snapshotId: first } },
    })
    await lake.evolve({
      of: 'ref',
      make: { name: 'audit', type: 'branch', asOf: { kind: 'snapshot', snapshotId: first } },
    })
    await lake.evolve({ of: 'schema', changes: [{ change: 'add', name: 'feed', type: 'string' }] })
    lake.hasFeed = true
    lake.clock.advance(1000)
    await lake.append(10)
    await lake.flush()
    await lake.append(5)
    const states: readonly string[] = [String(first), new Date(made).toISOString(), 'eod', 'audit', 'main']
    const [snapshot, time, tag, branch, main] = states.map((text) => parseAsOf('as_of', text))
    for (const asOf of [snapshot!, time!, tag!, branch!]) {
      const meanwhile = async () => {
        await lake.append(1)
        await lake.flush()
      }
      expect(await lake.read(asOf, false, meanwhile)).toEqual(then)
    }
    // What is in no snapshot yet is no history.
    const committed = lake.rows
    await lake.append(5)
    expect(await lake.read(main!, true)).toEqual(committed)
    expect(await lake.read(null, true)).toEqual(lake.rows)
    // A branch goes on with the table's schema; what was is read by the schema of its time.
    expect(await lake.read(branch!, true)).toEqual(then)
    for (const asOf of [snapshot!, time!, tag!]) {
      const asked = lake.router.rows({ ...ROWS, fields: ['feed'], asOf }, JSON_ROWS)
      await expect(asked).rejects.toMatchObject({
        code: 'invalid_input',
        detail: { field: 'fields', value: 'feed' },
      })
    }
    const answer = await lake.router.latest({ ...ROWS, limit: 10, asOf: tag! }, JSON_ROWS)
    expect(answer.meta.snapshotId).toBe(String(first))
    expect(answer.meta.route).toBe('historical')
    await lake.close()
  })

  test('that is not there says so', async () => {
    const lake = await Travelled.open(10)
    await lake.append(1)
    await lake.flush()
    const asked = (text: string) => lake.router.rows({ ...ROWS, asOf: parseAsOf('as_of', text) }, JSON_ROWS)
    await expect(asked('17')).rejects.toMatchObject({ code: 'gone' })
    await expect(asked('eod')).rejects.toThrow('has no branch or tag eod; there are: main')
    await expect(asked('1970-01-01')).rejects.toMatchObject({ code: 'not_found' })
    expect(() => parseAsOf('as_of', '2020-01-01T00:00:00')).toThrow('as_of')
    await lake.close()
  })
})
