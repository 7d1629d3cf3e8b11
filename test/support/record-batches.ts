import type { RecordBatch } from '../../src/ingest/log/log.js'

/** Values as a batch of the log. */
export function recordBatch(values: readonly Uint8Array[], baseOffset = 0, partition = 0): RecordBatch {
  let end = 0
  const ends = Uint32Array.from(values, (value) => {
    end += value.length
    return end
  })
  const bytes = Buffer.concat(values)
  return {
    partition,
    baseOffset,
    count: values.length,
    appendedAtMicros: 1_700_000_000_000_000n,
    bytes,
    ends,
  }
}
