import { type Clock, TicklakeError } from '#core'
import type { CommitOutcome, TableChange } from '../commit.js'
import type { TableMetadata } from '../iceberg/metadata.js'
import { formatMetadata } from '../iceberg/metadata-file.js'
import { checkRequirements } from '../iceberg/requirements.js'
import { applyUpdates } from '../iceberg/updates.js'
import type { LoadedTable } from './catalog.js'
import type { TableCommit } from './catalog-server.js'

/** What a table asks of commits of other engines. */
export interface CommitRules {
  /** What the table makes of `next`; throws when it refuses it. Pure. */
  admit(base: TableMetadata, next: TableMetadata): TableMetadata
  /** What the files that `next` brings make of it; throws when it refuses them. */
  inspect(base: TableMetadata, next: TableMetadata): Promise<TableMetadata>
}

/** A commit of another engine: its requirements are checked, and its updates made, on whatever is current by then. */
export class RequestedChange implements TableChange {
  readonly #commit: TableCommit
  readonly #rules: CommitRules
  readonly #clock: Clock
  #attempted: TableMetadata | null = null

  constructor(commit: TableCommit, rules: CommitRules, clock: Clock) {
    this.#commit = commit
    this.#rules = rules
    this.#clock = clock
  }

  id(): string {
    return 'requested'
  }

  isApplied(metadata: TableMetadata): boolean {
    return this.isIn(metadata) || this.#next(metadata) === metadata
  }

  async apply(base: TableMetadata): Promise<TableMetadata> {
    const next = await this.#rules.inspect(base, this.#next(base))
    this.#attempted = next
    return next
  }

  /** Whether a commit was begun: what failed before has changed nothing. */
  get wasAttempted(): boolean {
    return this.#attempted !== null
  }

  /** Whether this is what was attempted last. Nobody else commits while its outcome is not known. */
  isIn(metadata: TableMetadata): boolean {
    return this.#attempted !== null && unlogged(this.#attempted) === unlogged(metadata)
  }

  #next(base: TableMetadata): TableMetadata {
    checkRequirements(base, this.#commit.requirements)
    return this.#rules.admit(base, applyUpdates(base, this.#commit.updates, this.#clock.nowMs()))
  }
}

/**
 * Makes the change, and settles what an error leaves open: `unavailable` only when it can't be known whether it was made;
 * after any other error it was not. `readBack` gives the table if it was made, else null; nobody may commit before.
 */
export async function settledCommit(
  change: RequestedChange,
  commit: () => Promise<CommitOutcome>,
  readBack: () => Promise<LoadedTable | null>,
): Promise<LoadedTable> {
  try {
    return (await commit()).table
  } catch (cause) {
    if (!change.wasAttempted || !(cause instanceof TicklakeError)) throw notMade(cause)
    const current = await readBack().catch((error: Error) => {
      const message = `it is not known whether the commit was made: ${cause.message}, and then ${error.message}`
      throw new TicklakeError('unavailable', message, { cause })
    })
    if (current) return current
    throw notMade(cause)
  }
}

const TRY_AGAIN = new Set(['unavailable', 'timeout', 'corrupt'])

/** Errors that would say that the outcome is not known become ones that say that nothing was done. */
export function notMade(cause: unknown): unknown {
  if (!(cause instanceof TicklakeError && TRY_AGAIN.has(cause.code))) return cause
  return new TicklakeError('conflict', `nothing was committed: ${cause.message}`, { ...cause.detail, cause })
}

/** The text of metadata without the files that came before it. */
function unlogged(metadata: TableMetadata): string {
  return formatMetadata({ ...metadata, metadataLog: [] })
}
