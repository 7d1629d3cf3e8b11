import { TicklakeError } from '#core'

/** Bytes of dropped tables that one stream may make DuckDB keep. */
const MAX_KEPT_BYTES = 256 * 1024 * 1024

interface OpenStream {
  readonly ended: AbortController
  keptBytes: number
}

/**
 * The streams that are being read, as slowly as their readers like. DuckDB keeps a table that is dropped until all
 * transactions have ended that began before: a stream that makes it keep too much is ended.
 */
export class OpenStreams {
  readonly #streams = new Set<OpenStream>()

  /** A stream that begins now. Its signal ends it; close it when it has ended. */
  open(): { readonly signal: AbortSignal; readonly close: () => void } {
    const stream = { ended: new AbortController(), keptBytes: 0 }
    this.#streams.add(stream)
    return { signal: stream.ended.signal, close: () => this.#streams.delete(stream) }
  }

  /** A table of so many bytes is dropped. */
  dropped(bytes: number): void {
    for (const stream of this.#streams) {
      stream.keptBytes += bytes
      if (stream.keptBytes > MAX_KEPT_BYTES) stream.ended.abort(tooSlow())
    }
  }
}

function tooSlow(): TicklakeError {
  const message = `a stream was read so slowly that ${MAX_KEPT_BYTES / 1024 ** 2} MiB of rows that came since could not leave memory: ask for less of it, or read it faster`
  return new TicklakeError('timeout', message)
}
