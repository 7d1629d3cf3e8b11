import { existsSync, utimesSync, writeFileSync } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import { join, relative } from 'node:path'
import { ArmedKill } from './armed-kill.js'
import { hintedVersion, tableFolder, tablePaths } from './crashed-folder.js'
import { FedLake } from './fed-lake.js'
import {
  aimAtJob,
  type KilledJob,
  MAINTENANCE_AIMS,
  type MaintenanceAim,
  type MaintenanceStage,
  struckJobStage,
} from './maintenance-stage.js'
import { FED_TABLES, type FedRow, type FedTable, RowFeed } from './row-feed.js'
import { SeededRandom } from './seeded-random.js'
import { FolderReader, leftBehind, readMetadata } from './table-folder.js'
import { type ProcessOptions, TicklakeServer } from './ticklake-process.js'

/** Holds what was read of a table against rows: where it differs, which is to be nowhere. */
export type Reading = (rows: readonly FedRow[]) => readonly string[]

/** Somebody else who reads tables, by their folders. */
export type Stranger = (
  paths: Readonly<Record<FedTable, string>>,
) => Promise<Readonly<Record<FedTable, Reading>>>

export interface MaintenanceKillsOptions {
  readonly program: readonly string[]
  /** For the data folders. */
  readonly folder: string
  readonly random: SeededRandom
  readonly killCount: number
  readonly killsOfLake: number
  /** Bodies of rows, each of which becomes files of its own, before the first kill and before each aim. */
  readonly firstBodies: number
  readonly bodies: number
  /** Reads the tables after each kill as the killed process left them, and at the end; null: nobody does. */
  readonly stranger: Stranger | null
  /** A line on what has happened. */
  readonly report: (line: string) => void
}

export interface MaintenanceKillsResult {
  /** By job and stage: `compact, manifest`. */
  readonly kills: ReadonlyMap<string, number>
  readonly lakes: number
  /** Of the finished lakes. */
  readonly rows: number
  readonly corrections: number
  /** Rows that a table lacked after a kill, and rows that it had beyond those that were fed: of all looks together. */
  readonly lost: number
  readonly beyond: number
  /** Files that kills left behind, and those of them and others that lay there after the last removal of orphans. */
  readonly leftBehind: number
  readonly leftAtEnd: number
  /** Tables that were verified, and tables that the stranger read. */
  readonly verified: number
  readonly readByStranger: number
  readonly violations: readonly string[]
}

interface Lake {
  readonly data: string
  readonly feed: RowFeed
  /** What the version with the tag `first` held. */
  readonly first: Map<FedTable, string>
}

const TABLES = ['trades', 'quotes', 'quarantine', 'corrections', 'sequence_gaps'] as const
const HOUR_MS = 3_600_000
const LOST_FILES = 40
const SPECS = [
  { changes: [{ change: 'add', column: 'symbol', transform: 'bucket[2]' }] },
  { changes: [{ change: 'remove', name: 'symbol_bucket_2' }] },
] as const

const SETTINGS = {
  // Each body becomes files of its own, and what is committed is dropped from the log.
  TICKLAKE_FLUSH_ROWS: '20',
  TICKLAKE_LOG_MAX_PARTITION_BYTES: '0',
  // No job but those that are asked for.
  TICKLAKE_MAINTENANCE_EVERY_MS: '0',
}

/**
 * Lakes of many small files, whose server is killed at seeded moments of its maintenance, in that stage of that job which
 * was struck least so far, while rows come in. After each kill it is started again, and everything is looked at.
 */
export class MaintenanceKills {
  readonly #options: MaintenanceKillsOptions
  readonly #process: ProcessOptions
  readonly #reader = new FolderReader()
  readonly #kills = new Map<string, number>()
  /** A stage that is aimed at and not struck must not be aimed at for ever. */
  readonly #aims = new Map<string, number>()
  readonly #leftBehind = new Set<string>()
  readonly #violations: string[] = []
  readonly #counts = {
    rows: 0,
    corrections: 0,
    lost: 0,
    beyond: 0,
    leftAtEnd: 0,
    verified: 0,
    readByStranger: 0,
  }
  #killCount = 0
  /** Aims in a row that met nothing: the job had ended before. */
  #misses = 0
  #lostFiles = 0

  private constructor(options: MaintenanceKillsOptions) {
    this.#options = options
    this.#process = { program: options.program, settings: SETTINGS }
  }

  static run(options: MaintenanceKillsOptions): Promise<MaintenanceKillsResult> {
    return new MaintenanceKills(options).#run()
  }

  async #run(): Promise<MaintenanceKillsResult> {
    let lakes = 0
    for (; this.#killCount < this.#options.killCount; lakes++) await this.#liveThrough(`lake-${lakes}`)
    const { size } = this.#leftBehind
    return { ...this.#counts, kills: this.#kills, lakes, leftBehind: size, violations: this.#violations }
  }

  async #liveThrough(name: string): Promise<void> {
    const { folder, random, killCount, killsOfLake, firstBodies, report } = this.#options
    // Of its own, since it goes on for as long as a job takes.
    const feed = new RowFeed(new SeededRandom(random.uint32()))
    const lake: Lake = { data: join(folder, name), feed, first: new Map() }
    await mkdir(lake.data, { recursive: true })
    let server = await TicklakeServer.start(lake.data, this.#process)
    try {
      await lake.feed.send(server, firstBodies)
      await this.#tag(lake, new FedLake(server, lake.feed))
      const end = Math.min(killCount, this.#killCount + killsOfLake)
      while (this.#killCount < end) {
        await this.#killOnce(lake, server)
        const readings = await this.#askStranger(lake.data)
        age(lake.data)
        server = await TicklakeServer.start(lake.data, this.#process)
        const fed = new FedLake(server, lake.feed)
        await this.#look(lake, fed)
        for (const { table, snapshotId, differences } of readings) {
          const wrong = differences(await fed.rows(table, snapshotId))
          for (const difference of wrong) this.#violate(lake, table, `a stranger reads: ${difference}`)
        }
      }
      server = await this.#finish(lake, server)
    } finally {
      server.kill()
      await server.ended
    }
    const { trades, quotes } = lake.feed.kept
    this.#counts.rows += trades.size + quotes.size
    this.#counts.corrections += lake.feed.corrections
    report(
      `${this.#killCount} kills so far; ${name}: ${trades.size} trades, ${quotes.size} quotes, ` +
        `${this.#violations.length} violations`,
    )
  }

  /** Names a version of each table, which expiry has to keep. */
  async #tag(lake: Lake, fed: FedLake): Promise<void> {
    await fed.settle()
    for (const table of FED_TABLES) {
      await fed.ask(`/admin/tables/${table}/refs/first`, { type: 'tag' })
      lake.first.set(table, JSON.stringify(await fed.rows(table, 'first')))
    }
  }

  /** Feeds the server and asks for jobs while it goes on, until a kill has come in between. */
  async #killOnce(lake: Lake, server: TicklakeServer): Promise<void> {
    const { random, bodies, report } = this.#options
    const { data, feed } = lake
    const fed = new FedLake(server, feed)
    for (;;) {
      const table = random.oneIn(4) ? 'quotes' : 'trades'
      await feed.send(server, bodies)
      if (random.oneIn(4)) await this.#changeSpec(lake, fed, table)
      await fed.settle()
      this.#loseFiles(data, table)
      const before = await this.#reader.read(data, table)
      const aim = this.#aim(table, new Set(before.files.map((path) => relative(data, path))))
      const { job } = aim
      let kill: ArmedKill | null = null
      let isFeeding = true
      const feeding = (async () => {
        while (isFeeding) await feed.send(server, 1)
      })()
      try {
        const asked = fed.begin(table, job, bodyOf(job, random))
        kill = new ArmedKill(server, data, aim.moment)
        // Both are asked of the same server: when it is gone, both say so.
        const work = asked
          .then((begun) => fed.ended(begun))
          .finally(() => {
            isFeeding = false
          })
        const [{ state, error }] = await Promise.all([work, feeding])
        kill.disarm()
        if (state !== 'done') this.#violate(lake, table, `${job}: ${state}, ${error}`)
        this.#misses++
      } catch (error) {
        // Asked in vain, because it has been killed; anything else is none of our doing.
        if (!(error instanceof TypeError)) throw error
        isFeeding = false
        await feeding.catch(() => {})
        await server.ended
        if (!server.wasKilled) throw new Error(`the server has ended: ${server.said.join('\n')}`)
        const now = await this.#reader.read(data, table)
        for (const path of leftBehind(now)) if (!before.files.includes(path)) this.#leftBehind.add(path)
        const stage = struckJobStage(data, table, job, before, now)
        this.#misses = 0
        this.#killCount++
        count(this.#kills, nameOf(job, stage))
        report(`  ${table}: aimed at ${nameOf(job, aim.stage)}, struck ${stage}`)
        return
      } finally {
        kill?.disarm()
      }
    }
  }

  async #changeSpec({ data }: Lake, fed: FedLake, table: FedTable): Promise<void> {
    const { body } = await fed.server.get(`/admin/tables/${table}/partition-spec`)
    const { fields } = JSON.parse(body).data
    const isBucketed = fields.some(({ name }: { name: string }) => name === SPECS[1].changes[0].name)
    await fed.ask(`/admin/tables/${table}/partition-spec`, SPECS[isBucketed ? 1 : 0])
    this.#options.report(`  ${relative(this.#options.folder, data)}, ${table}: another spec`)
  }

  /** At the stage of a job that was struck and aimed at least so far. */
  #aim(table: FedTable, there: ReadonlySet<string>): MaintenanceAim {
    const { random } = this.#options
    const turns = ([job, stage]: readonly [KilledJob, MaintenanceStage]) =>
      (this.#kills.get(nameOf(job, stage)) ?? 0) + (this.#aims.get(nameOf(job, stage)) ?? 0)
    const least = Math.min(...MAINTENANCE_AIMS.map(turns))
    const [job, stage] = random.pick(MAINTENANCE_AIMS.filter((aim) => turns(aim) === least))
    count(this.#aims, nameOf(job, stage))
    return aimAtJob(job, stage, { table, misses: this.#misses, there, random })
  }

  /** After a kill and a start: every table opens and is sound, and holds what was fed, each row once. */
  async #look(lake: Lake, fed: FedLake): Promise<void> {
    await fed.settle()
    for (const table of FED_TABLES) {
      const { lost, beyond } = await fed.differences(table)
      this.#counts.lost += lost
      this.#counts.beyond += beyond
      if (lost + beyond > 0) this.#violate(lake, table, `${lost} rows are lost, ${beyond} are beyond`)
      if (JSON.stringify(await fed.rows(table, 'first')) !== lake.first.get(table)) {
        this.#violate(lake, table, 'the tagged version holds other rows')
      }
    }
    const unlike = await fed.unlikeFed()
    if (unlike !== null) this.#violate(lake, 'quarantine and corrections', unlike)
    for (const table of TABLES) {
      const { report } = await fed.done(table, 'verify', {})
      // Of the form of a report of `verify`.
      const { problems } = report as { readonly problems: readonly string[] }
      for (const problem of problems) this.#violate(lake, table, problem)
      this.#counts.verified++
      const { needed } = await this.#reader.read(lake.data, table)
      for (const path of needed) if (!existsSync(path)) this.#violate(lake, table, `${path} is gone`)
    }
  }

  /** In order at last: one version, and no file beside what it is made of. Gives the server, which is another. */
  async #finish(lake: Lake, before: TicklakeServer): Promise<TicklakeServer> {
    await new FedLake(before, lake.feed).settle()
    await before.stop()
    age(lake.data)
    const server = await TicklakeServer.start(lake.data, this.#process)
    const fed = new FedLake(server, lake.feed)
    for (const table of FED_TABLES) {
      await fed.server.drop(`/admin/tables/${table}/refs/first`)
      lake.first.set(table, JSON.stringify(await fed.rows(table, null)))
      await fed.done(table, 'compact', {})
      await fed.done(table, 'rewrite-manifests', {})
      await fed.done(table, 'expire-snapshots', { max_age_ms: 0, min_to_keep: 1 })
    }
    for (const table of TABLES) {
      await fed.done(table, 'remove-orphans', { older_than_ms: HOUR_MS, dry_run: false })
      const folder = await this.#reader.read(lake.data, table)
      const kept = FED_TABLES.some((name) => name === table)
        ? folder.files.filter((path) => !folder.needed.has(path))
        : leftBehind(folder)
      this.#counts.leftAtEnd += kept.length
      for (const path of kept) this.#violate(lake, table, `${path} is left, and no snapshot has it`)
    }
    for (const table of FED_TABLES) {
      const rows = await fed.rows(table, null)
      if (JSON.stringify(rows) !== lake.first.get(table))
        this.#violate(lake, table, 'maintenance changed rows')
      const { lost, beyond } = await fed.differences(table)
      if (lost + beyond > 0)
        this.#violate(lake, table, `${lost} rows are lost, ${beyond} are beyond at the end`)
    }
    await server.stop()
    for (const { table, differences } of await this.#askStranger(lake.data)) {
      const wrong = differences([...lake.feed.kept[table].values()])
      for (const difference of wrong) this.#violate(lake, table, `a stranger reads at the end: ${difference}`)
    }
    return server
  }

  /** Lets the stranger read what is in the folder, by its version hint. */
  async #askStranger(data: string) {
    const { stranger } = this.#options
    if (stranger === null) return []
    const readings = await stranger({
      trades: tableFolder(data, 'trades'),
      quotes: tableFolder(data, 'quotes'),
    })
    this.#counts.readByStranger += FED_TABLES.length
    return FED_TABLES.map((table) => {
      const metadata = readMetadata(data, table, hintedVersion(data, table))
      return { table, snapshotId: String(metadata['current-snapshot-id']), differences: readings[table] }
    })
  }

  /** Files as a crash may leave them, old enough to be removed. */
  #loseFiles(data: string, table: FedTable): void {
    for (let file = 0; file < LOST_FILES; file++) {
      const name = `lost-${this.#lostFiles++}`
      const place = file % 2 === 0 ? `data/${name}.parquet` : `metadata/${name}.avro`
      const path = join(tableFolder(data, table), place)
      writeFileSync(path, 'lost')
      makeOld(path)
    }
  }

  #violate({ data }: Lake, table: string, what: string): void {
    const violation = `${relative(this.#options.folder, data)}, ${table}: ${what}`
    this.#violations.push(violation)
    this.#options.report(`  WRONG: ${violation}`)
  }
}

function bodyOf(job: KilledJob, random: SeededRandom): object {
  switch (job) {
    case 'compact':
      // Several groups of each partition, or one.
      return random.oneIn(2) ? {} : { target_bytes: 4_000 + random.below(20_000) }
    case 'rewrite-manifests':
      return {}
    case 'expire-snapshots':
      return { max_age_ms: 0, min_to_keep: 1 + random.below(5) }
    case 'remove-orphans':
      return { older_than_ms: HOUR_MS, dry_run: false }
  }
}

function nameOf(job: KilledJob, stage: MaintenanceStage): string {
  return `${job}, ${stage}`
}

function count(counts: Map<string, number>, name: string): void {
  counts.set(name, (counts.get(name) ?? 0) + 1)
}

/** Lets two hours pass for the files of a lake that no server owns: nothing younger than one is an orphan. */
function age(data: string): void {
  for (const table of TABLES) for (const path of tablePaths(data, table)) makeOld(path)
}

function makeOld(path: string): void {
  const old = new Date(Date.now() - 2 * HOUR_MS)
  utimesSync(path, old, old)
}
