/**
 * Confluent's wire format: a zero byte, the schema id as a big-endian uint32, the Avro body.
 * https://docs.confluent.io/platform/current/schema-registry/fundamentals/serdes-develop/index.html#wire-format
 */
export const WIRE_HEADER_BYTES = 5

/** The schema id of the value at [start, end), or -1 when it is not in the wire format. */
export function wireId(bytes: Uint8Array, start: number, end: number): number {
  if (end - start < WIRE_HEADER_BYTES || bytes[start] !== 0) return -1
  return (
    ((bytes[start + 1]! << 24) | (bytes[start + 2]! << 16) | (bytes[start + 3]! << 8) | bytes[start + 4]!) >>>
    0
  )
}
