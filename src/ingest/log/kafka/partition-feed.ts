import type { RecordBatch } from '../log.js'

/** What has been fetched of one partition ahead of its reader: everything from `start` to `position`. */
export class PartitionFeed {
  #start: number
  #position: number
  #batches: RecordBatch[] = []
  #bufferedBytes = 0

  constructor(start: number) {
    this.#start = start
    this.#position = start
  }

  /** Where the next fetch begins. */
  get position(): number {
    return this.#position
  }

  get bufferedBytes(): number {
    return this.#bufferedBytes
  }

  /** The reader is here: what lies wholly before is let go. A move to what was not fetched begins anew there. */
  moveTo(offset: number): void {
    if (offset < this.#start || offset > this.#position) {
      this.#batches = []
      this.#bufferedBytes = 0
      this.#position = offset
    }
    this.#start = offset
    while (this.#batches.length > 0 && endOf(this.#batches[0]!) <= offset)
      this.#bufferedBytes -= this.#batches.shift()!.bytes.length
  }

  /** Takes in what was fetched at `position`, up to `next`. */
  add(batches: readonly RecordBatch[], next: number): void {
    this.#batches.push(...batches)
    for (const { bytes } of batches) this.#bufferedBytes += bytes.length
    this.#position = next
  }

  /** The batch at this place of the buffer, and where one goes on after it: past the control records that follow. */
  at(index: number): { readonly batch: RecordBatch; readonly next: number } | undefined {
    const batch = this.#batches[index]
    if (!batch) return undefined
    return { batch, next: this.#batches[index + 1]?.baseOffset ?? this.#position }
  }
}

function endOf({ baseOffset, count }: RecordBatch): number {
  return baseOffset + count
}
