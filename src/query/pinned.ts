import type { Version } from '#core'
import type { AsOf, PinnedVersion, StreamTable } from '#storage'

/** The version that a request means: the one of its page token, a state of history, or the newest. */
export function pinOf(
  table: StreamTable,
  asOf: AsOf | undefined,
  version: Version | null,
): PinnedVersion | Promise<PinnedVersion> {
  if (asOf) return table.pinAsOf(asOf, version?.snapshotId ?? null)
  return version ? table.pinAt(version) : table.pin()
}

/** Uses a version and lets it go; a newest one in the very turn in which it was pinned. */
export async function using<T>(
  held: PinnedVersion | Promise<PinnedVersion>,
  use: (pinned: PinnedVersion) => Promise<T>,
): Promise<T> {
  const pinned = held instanceof Promise ? await held : held
  try {
    return await use(pinned)
  } finally {
    pinned.release()
  }
}
