/**
 * The rows of an answer as bytes in its encoding, to be read once. Whoever does not read them to their end closes them:
 * until then what they come from is held.
 */
export class RowData implements AsyncIterable<Uint8Array> {
  /** False: all the bytes are here, or in a file of their own. True: rows are still being read from the tables. */
  readonly isStreamed: boolean
  readonly #chunks: AsyncIterable<Uint8Array> | Iterable<Uint8Array>
  readonly #releases: (() => void | Promise<void>)[] = []

  private constructor(chunks: AsyncIterable<Uint8Array> | Iterable<Uint8Array>, isStreamed: boolean) {
    this.#chunks = chunks
    this.isStreamed = isStreamed
  }

  /** Bytes that are here. */
  static of(chunks: readonly Uint8Array[]): RowData {
    return new RowData(chunks, false)
  }

  /** Bytes of a file that is nobody else's. */
  static ofFile(chunks: AsyncIterable<Uint8Array>, close: () => Promise<void>): RowData {
    const data = new RowData(chunks, false)
    data.onClose(close)
    return data
  }

  /** Bytes that are made as they are read. `close` ends what makes them, also when not one was read. */
  static streamed(chunks: AsyncIterable<Uint8Array>, close: () => Promise<void>): RowData {
    const data = new RowData(chunks, true)
    data.onClose(close)
    return data
  }

  /** To be done once, when the bytes have been read or are not wanted. */
  onClose(release: () => void | Promise<void>): void {
    this.#releases.push(release)
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array> {
    try {
      yield* this.#chunks
    } finally {
      await this.close()
    }
  }

  /** All of them at once: for data that are a page. */
  async bytes(): Promise<Buffer> {
    const chunks: Uint8Array[] = []
    for await (const chunk of this) chunks.push(chunk)
    return Buffer.concat(chunks)
  }

  async close(): Promise<void> {
    const release = this.#releases.shift()
    if (!release) return
    try {
      await release()
    } finally {
      await this.close()
    }
  }
}
