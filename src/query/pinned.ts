import type { Version } from '#core'
import type { AsOf, PinnedVersion, StreamTable } from '#storage'
import type { Answer } from './answer.js'

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
  let isHeld = false
  try {
    const answer = await use(pinned)
    isHeld = answer.data.isStreamed
    if (isHeld) answer.data.onClose(() => pinned.release())
    return answer
  } finally {
    if (!isHeld) pinned.release()
  }
}
