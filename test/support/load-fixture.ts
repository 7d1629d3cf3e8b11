import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { type Logger, QUARANTINE, QUOTES, TRADES } from '#core'
import { Loader, type LoadRequest, type LoadResult } from '../../src/ingest/loader.js'
import { MemoryLog } from '../../src/ingest/log/memory.js'
import { EmbeddedRegistry } from '../../src/ingest/registry/embedded.js'
import { type LoggedRecord, loggedRecords } from './log-records.js'
import { ManualClock } from './manual-clock.js'

export interface LoggedLine {
  readonly message: string
  readonly fields: object
}

function keepingLogger(lines: LoggedLine[]): Logger {
  const keep = (message: string, fields: object = {}) => void lines.push({ message, fields })
  const logger: Logger = { debug: keep, info: keep, warn: keep, error: keep, child: () => logger }
  return logger
}

/** A loader over an empty log in memory, and a folder for its inputs. */
export class LoadFixture {
  readonly clock: ManualClock
  readonly log: MemoryLog
  readonly loader: Loader
  readonly folder: string
  /** What loads wait for between appends. */
  untilCalm = async (): Promise<void> => {}
  /** What the loader has logged. */
  readonly logged: readonly LoggedLine[]

  private constructor(
    clock: ManualClock,
    log: MemoryLog,
    loader: Loader,
    folder: string,
    logged: readonly LoggedLine[],
  ) {
    this.clock = clock
    this.log = log
    this.loader = loader
    this.folder = folder
    this.logged = logged
  }

  static async open(): Promise<LoadFixture> {
    const folder = await mkdtemp(join(tmpdir(), 'ticklake-load-'))
    const clock = new ManualClock(Date.UTC(2024, 0, 1))
    const log = new MemoryLog(clock)
    await log.start()
    for (const { topic } of [TRADES, QUOTES, QUARANTINE]) await log.createTopic(topic, 3)
    const logged: LoggedLine[] = []
    const pressure = { untilCalm: (): Promise<void> => fixture.untilCalm() }
    const loader = new Loader({
      log,
      registry: new EmbeddedRegistry(log.store),
      clock,
      logger: keepingLogger(logged),
      tempDirectory: folder,
      formatFolders: [new URL('../../config/formats', import.meta.url).pathname],
      pressure,
    })
    const fixture: LoadFixture = new LoadFixture(clock, log, loader, folder, logged)
    return fixture
  }

  async close(): Promise<void> {
    await this.log.stop()
    await rm(this.folder, { recursive: true, force: true })
  }

  /** Writes an input file and gives its path. */
  async file(name: string, content: string | Uint8Array): Promise<string> {
    const path = join(this.folder, name)
    await writeFile(path, content)
    return path
  }

  /** Loads a file that lies in the folder, or anywhere else by its path. */
  async load(
    path: string,
    format: LoadRequest['format'],
    options: Partial<LoadRequest> = {},
    signal?: AbortSignal,
  ): Promise<LoadResult> {
    return this.loader.load({ path, fileName: basename(path), format, ...options }, undefined, signal)
  }

  /** Writes a file and loads it. */
  async loadText(
    name: string,
    content: string | Uint8Array,
    format: LoadRequest['format'],
    options: Partial<LoadRequest> = {},
  ): Promise<LoadResult> {
    return this.load(await this.file(name, content), format, options)
  }

  trades(): LoggedRecord[] {
    return loggedRecords(this.log, TRADES)
  }

  quotes(): LoggedRecord[] {
    return loggedRecords(this.log, QUOTES)
  }

  quarantined(): LoggedRecord[] {
    return loggedRecords(this.log, QUARANTINE)
  }
}
