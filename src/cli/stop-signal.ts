import { TicklakeError } from '#core'

/**
 * Aborts at the first SIGINT or SIGTERM, so that what runs can finish what it took. A second one ends the process
 * at once; what the log holds is recovered at the next start.
 */
export function stopSignal(): AbortSignal {
  const controller = new AbortController()
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.on(signal, () => {
      if (controller.signal.aborted) process.exit(1)
      controller.abort(new TicklakeError('unavailable', `stopped by ${signal}`))
    })
  }
  return controller.signal
}

/** Resolves when the signal aborts. */
export function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve()
  return new Promise((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }))
}
