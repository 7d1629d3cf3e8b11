/** What goes into a batch. */
export interface ProducedRecord {
  readonly key: Buffer
  readonly value: Uint8Array
}

/**
 * Goes through the records of a decompressed batch in place. A record: length, attributes (int8), timestamp delta,
 * offset delta, key and value with their lengths (-1: null), headers. Numbers are zigzag varints.
 * https://kafka.apache.org/documentation/#record
 */
export class RecordCursor {
  readonly bytes: Buffer
  readonly #count: number
  #index = 0
  #position = 0
  offsetDelta = 0
  keyStart = 0
  keyEnd = 0
  valueStart = 0
  valueEnd = 0
  /** False for a tombstone. */
  hasValue = false

  constructor(bytes: Buffer, count: number) {
    this.bytes = bytes
    this.#count = count
  }

  /** False at the end, also when the bytes end within the next record. */
  next(): boolean {
    if (this.#index === this.#count) return false
    this.#index++
    const length = this.#varint()
    const end = this.#position + length
    if (length <= 0 || end > this.bytes.length) return false
    this.#position++
    this.#skipVarint()
    this.offsetDelta = this.#varint()
    const keyLength = this.#varint()
    this.keyStart = this.#position
    this.keyEnd = this.keyStart + Math.max(0, keyLength)
    this.#position = this.keyEnd
    const valueLength = this.#varint()
    this.hasValue = valueLength >= 0
    this.valueStart = this.#position
    this.valueEnd = this.valueStart + Math.max(0, valueLength)
    this.#position = end
    return this.valueEnd <= end
  }

  #varint(): number {
    let value = 0
    for (let shift = 0; shift < 35; shift += 7) {
      const byte = this.bytes[this.#position++]!
      value |= (byte & 0x7f) << shift
      if (byte < 0x80) break
    }
    return (value >>> 1) ^ -(value & 1)
  }

  #skipVarint(): void {
    while (this.bytes[this.#position++]! >= 0x80);
  }
}

/** The longest varint of 32 bits. */
const VARINT_BYTES = 5

/** Records of one time without headers, as they are inside a batch. */
export class RecordWriter {
  readonly #buffer: Buffer
  #position = 0

  constructor(records: readonly ProducedRecord[]) {
    let bound = 0
    for (const { key, value } of records) bound += key.length + value.length + 4 * VARINT_BYTES + 3
    this.#buffer = Buffer.allocUnsafe(bound)
    for (let index = 0; index < records.length; index++) this.#record(index, records[index]!)
  }

  get bytes(): Buffer {
    return this.#buffer.subarray(0, this.#position)
  }

  #record(offsetDelta: number, { key, value }: ProducedRecord): void {
    // Attributes, timestamp delta and the number of headers are zeros of one byte each.
    this.#varint(
      3 +
        varintBytes(offsetDelta) +
        varintBytes(key.length) +
        key.length +
        varintBytes(value.length) +
        value.length,
    )
    this.#buffer[this.#position++] = 0
    this.#buffer[this.#position++] = 0
    this.#varint(offsetDelta)
    this.#varint(key.length)
    this.#buffer.set(key, this.#position)
    this.#position += key.length
    this.#varint(value.length)
    this.#buffer.set(value, this.#position)
    this.#position += value.length
    this.#buffer[this.#position++] = 0
  }

  /** Of a number from 0 to 2^31 - 1, whose zigzag form is its double. */
  #varint(value: number): void {
    let rest = (value << 1) >>> 0
    while (rest > 0x7f) {
      this.#buffer[this.#position++] = (rest & 0x7f) | 0x80
      rest >>>= 7
    }
    this.#buffer[this.#position++] = rest
  }
}

function varintBytes(value: number): number {
  let bytes = 1
  for (let rest = (value << 1) >>> 0; rest > 0x7f; rest >>>= 7) bytes++
  return bytes
}
