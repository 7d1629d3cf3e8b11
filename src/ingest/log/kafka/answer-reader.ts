/** Reads what a broker answers, field after field, big-endian. https://kafka.apache.org/protocol#protocol_types */
export class AnswerReader {
  readonly #answer: Buffer
  #at = 0

  constructor(answer: Buffer) {
    this.#answer = answer
  }

  int16(): number {
    this.#at += 2
    return this.#answer.readInt16BE(this.#at - 2)
  }

  int32(): number {
    this.#at += 4
    return this.#answer.readInt32BE(this.#at - 4)
  }

  int64(): bigint {
    this.#at += 8
    return this.#answer.readBigInt64BE(this.#at - 8)
  }

  /** Seven bits a byte, the lowest first. */
  unsignedVarint(): number {
    let value = 0
    for (let shift = 0; ; shift += 7) {
      const byte = this.#answer.readUInt8(this.#at++)
      value += (byte & 0x7f) << shift
      if (byte < 0x80) return value
    }
  }

  /** Their length is written one larger. */
  compactBytes(): Buffer {
    return this.bytes(this.unsignedVarint() - 1)
  }

  /** A negative length stands for null, which is none here. */
  bytes(length: number): Buffer {
    const from = this.#at
    this.#at += Math.max(0, length)
    return this.#answer.subarray(from, this.#at)
  }

  list<T>(item: () => T): T[] {
    return Array.from({ length: Math.max(0, this.int32()) }, item)
  }
}
