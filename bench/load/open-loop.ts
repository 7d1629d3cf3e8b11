import { setTimeout as after } from 'node:timers/promises'

/**
 * Calls `fire` at moments fixed beforehand, whatever became of what it began before: who is late is late for everybody
 * after it too, as with clients who do not know of each other. Ends at the first moment that is `untilMs` or later.
 */
export async function openLoop(
  startMs: number,
  untilMs: number,
  gapMs: () => number,
  fire: (dueMs: number) => void,
): Promise<void> {
  for (let dueMs = startMs + gapMs(); dueMs < untilMs; dueMs += gapMs()) {
    const waitMs = dueMs - nowMs()
    if (waitMs > 0) await after(waitMs)
    fire(dueMs)
  }
}

/** Milliseconds since 1970, finer than whole ones, as all processes of this machine tell them. */
export function nowMs(): number {
  return performance.timeOrigin + performance.now()
}
