import type { DuckDBConnection } from '@duckdb/node-api'
import { systemClock } from '#core'

const AGAIN_MS = 5

/**
 * Interrupts what runs on a connection once the signal aborts, until the result is called. DuckDB forgets an interrupt
 * that comes while a statement is still being parsed, planned or waiting for a thread: so it is told again and again. In
 * real time, whatever clock the lake has: DuckDB's threads know no other.
 */
export function interruptOnAbort(connection: DuckDBConnection, signal: AbortSignal | undefined): () => void {
  let cancel = () => {}
  const interrupt = () => {
    connection.interrupt()
    cancel = systemClock.after(AGAIN_MS, interrupt)
  }
  signal?.addEventListener('abort', interrupt, { once: true })
  return () => {
    signal?.removeEventListener('abort', interrupt)
    cancel()
  }
}
