import type { Version } from '#core'
import type { AsOf, PinnedVersion, StreamTable } from '#storage'
import type { Answer } from './answer.js'
import type { RowData } from './row-data.js'

/** The version that a request means: the one of its page token, a state of history, or the newest. */
export function pinOf(
  table: StreamTable,
  asOf: AsOf | undefined,
  version: Version | null,
): PinnedVersion | Promise<PinnedVersion> {
  if (asOf) return table.pinAsOf(asOf, version?.snapshotId ?? null)
  return version ? table.pinAt(version) : table.pin()
}

/**
 * Answers from a version and lets it go, once the answer's data have been read where these are streamed; uses a newest
 * one in the very turn in which it was pinned.
 */
export async function using(
  held: PinnedVersion | Promise<PinnedVersion>,
  use: (pinned: PinnedVersion) => Promise<Answer>,
): Promise<Answer> {
  const pinned = held instanceof Promise ? await held : held
  return releasing([pinned], () => use(pinned))
}

/** The same with versions of several tables: newest ones are all pinned in one turn, and so are of one moment. */
export async function usingAll(
  pins: readonly (() => PinnedVersion | Promise<PinnedVersion>)[],
  use: (pinned: readonly PinnedVersion[]) => Promise<Answer>,
): Promise<Answer> {
  const versions: PinnedVersion[] = []
  try {
    for (const pin of pins) {
      const held = pin()
      versions.push(held instanceof Promise ? await held : held)
    }
  } catch (error) {
    for (const pinned of versions) pinned.release()
    throw error
  }
  return releasing(versions, () => use(versions))
}

/** Lets what is held go once the data are there, or, where these are streamed, once they have been read. */
export async function releasing<Read extends { readonly data: RowData }>(
  pins: readonly Pick<PinnedVersion, 'release'>[],
  answerOf: () => Promise<Read>,
): Promise<Read> {
  let isHeld = false
  try {
    const answer = await answerOf()
    isHeld = answer.data.isStreamed
    if (isHeld) for (const pinned of pins) answer.data.onClose(() => pinned.release())
    return answer
  } finally {
    if (!isHeld) for (const pinned of pins) pinned.release()
  }
}
