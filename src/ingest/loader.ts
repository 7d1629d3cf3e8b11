import {
  type Clock,
  type Logger,
  type OffsetVector,
  QUARANTINE,
  type QuarantineReason,
  TicklakeError,
} from '#core'
import {
  checkFileName,
  checkOptions,
  type FormatOptions,
  type FormatReference,
  findFormat,
} from './formats.js'
import { findAttempt } from './load-identity.js'
import type { Log } from './log/log.js'
import type { Pressure } from './pressure.js'
import type { SchemaRegistry } from './registry/registry.js'
import { type LoadCounts, SourceLoad } from './source-load.js'
import { stageInput } from './staged-input.js'

export interface LoaderDependencies {
  readonly log: Log
  readonly registry: SchemaRegistry
  readonly clock: Clock
  readonly logger: Logger
  /** An existing folder for decompressed inputs. */
  readonly tempDirectory: string
  /** Where formats are looked for by name; a later folder wins. */
  readonly formatFolders: readonly string[]
  /** Loads wait while there is pressure; without it, never. */
  readonly pressure?: Pick<Pressure, 'untilCalm'>
}

export interface LoadRequest extends FormatOptions {
  readonly path: string
  /** The name under which the file is known: date and symbol may be parts of it. */
  readonly fileName: string
  readonly format: FormatReference
  /** Load it once more although it has been loaded. */
  readonly again?: boolean
}

export interface LoadResult extends LoadCounts {
  readonly sourceId: string
  /** The file was loaded before, with these counts; nothing was done now. */
  readonly alreadyLoaded: boolean
  /** Refused rows by reason, those of interrupted runs included. */
  readonly quarantineReasons: Readonly<Partial<Record<QuarantineReason, number>>>
  readonly seconds: number
  /** End of the topics after the load: once a table covers it, the load is in the table. */
  readonly end: ReadonlyMap<string, OffsetVector>
}

/** Brings files into the log, each row exactly once. */
export class Loader {
  readonly #dependencies: LoaderDependencies
  readonly #underWay = new Set<string>()

  constructor(dependencies: LoaderDependencies) {
    this.#dependencies = dependencies
  }

  /**
   * Loads a file, or goes on with a load that was interrupted. Resolves when all rows are durable in the log.
   * A damaged archive is loaded up to its last whole line and then ends with `incomplete`.
   */
  async load(
    request: LoadRequest,
    onProgress: (counts: LoadCounts) => void = () => {},
    signal?: AbortSignal,
  ): Promise<LoadResult> {
    const { clock, log, registry, logger, tempDirectory, formatFolders, pressure } = this.#dependencies
    const calm = async (until?: AbortSignal) => pressure?.untilCalm(until)
    const startedMs = clock.monotonicMs()
    const format = await findFormat(request.format, formatFolders)
    checkFileName(request.fileName)
    checkOptions(format, request)
    const input = await stageInput(request.path, request.fileName, tempDirectory, signal)
    try {
      const identity = findAttempt(input, format, request, request.again ?? false, (id) => log.progress(id))
      const load = new SourceLoad(
        { log, registry, format, options: request, fileName: request.fileName, calm },
        identity,
      )
      if (!identity.progress?.finished) {
        await this.#alone(identity.sourceId, () => load.run(input.files, onProgress, signal)).catch(
          (error: unknown) => {
            throw input.incomplete ? unreadableRest(input.incomplete, error) : error
          },
        )
      }
      const { counts } = load
      if (input.incomplete) throw incompleteLoad(input.incomplete, identity.sourceId, counts)
      const result: LoadResult = {
        sourceId: identity.sourceId,
        alreadyLoaded: identity.progress?.finished ?? false,
        ...counts,
        quarantineReasons: load.reasons,
        seconds: Math.round(clock.monotonicMs() - startedMs) / 1000,
        end: new Map([format.definition.topic, QUARANTINE.topic].map((topic) => [topic, log.end(topic)])),
      }
      logger.info(result.alreadyLoaded ? 'file was loaded before' : 'file loaded', {
        file: request.fileName,
        format: format.name,
        source_id: result.sourceId,
        rows_read: counts.rowsRead,
        accepted: counts.accepted,
        quarantined: counts.quarantined,
        skipped: counts.skipped,
        seconds: result.seconds,
      })
      return result
    } finally {
      await input.dispose()
    }
  }

  async #alone(sourceId: string, run: () => Promise<void>): Promise<void> {
    if (this.#underWay.has(sourceId)) {
      throw new TicklakeError('conflict', `source ${sourceId} is being loaded already`)
    }
    this.#underWay.add(sourceId)
    try {
      await run()
    } finally {
      this.#underWay.delete(sourceId)
    }
  }
}

/** A format that fails may do so because the input broke off: both are said. Other failures are as they are. */
function unreadableRest(incomplete: TicklakeError, error: unknown): unknown {
  if (!(error instanceof TicklakeError) || error.code !== 'invalid_input') return error
  const message = `${incomplete.message}. What came before cannot be loaded: ${error.message}`
  return new TicklakeError('incomplete', message, { ...incomplete.detail, cause: error })
}

/** Says what was read before an archive broke off: those rows are in the log and stay there. */
function incompleteLoad(cause: TicklakeError, sourceId: string, counts: LoadCounts): TicklakeError {
  const { rowsRead, accepted, quarantined, skipped } = counts
  const message =
    `${cause.message}. Loaded up to its last whole line as source ${sourceId}: ${rowsRead} rows read, ` +
    `${accepted} accepted, ${quarantined} quarantined, ${skipped} skipped. The whole file will be another source`
  return new TicklakeError('incomplete', message, { ...cause.detail, cause })
}
