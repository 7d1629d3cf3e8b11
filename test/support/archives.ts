import { crc32, deflateRawSync } from 'node:zlib'

/** A .zip of deflated entries, by the book: .ZIP File Format Specification (APPNOTE.TXT), 4.3. */
export function zipOf(entries: Readonly<Record<string, Uint8Array | string>>): Buffer {
  const local: Buffer[] = []
  const directory: Buffer[] = []
  let offset = 0
  for (const [name, content] of Object.entries(entries)) {
    const bytes = Buffer.from(content)
    const packed = deflateRawSync(bytes)
    const sizes = Buffer.alloc(12)
    sizes.writeUInt32LE(crc32(bytes), 0)
    sizes.writeUInt32LE(packed.length, 4)
    sizes.writeUInt32LE(bytes.length, 8)
    // Version 2.0, no flags, deflate, a time and a date.
    const shared = Buffer.concat([
      Buffer.from([20, 0, 0, 0, 8, 0, 0, 0, 0x21, 0x58]),
      sizes,
      uint16(name.length),
      uint16(0),
    ])
    const header = Buffer.concat([Buffer.from('PK\x03\x04'), shared, Buffer.from(name), packed])
    const position = Buffer.alloc(4)
    position.writeUInt32LE(offset)
    // Made by version 2.0; no comment, disk 0, no attributes.
    directory.push(
      Buffer.from('PK\x01\x02'),
      Buffer.from([20, 0]),
      shared,
      Buffer.alloc(10),
      position,
      Buffer.from(name),
    )
    local.push(header)
    offset += header.length
  }
  const entryCount = uint16(Object.keys(entries).length)
  const listed = Buffer.concat(directory)
  const place = Buffer.alloc(8)
  place.writeUInt32LE(listed.length, 0)
  place.writeUInt32LE(offset, 4)
  return Buffer.concat([
    ...local,
    listed,
    Buffer.from('PK\x05\x06'),
    uint16(0),
    uint16(0),
    entryCount,
    entryCount,
    place,
    uint16(0),
  ])
}

/** A .zst frame of raw blocks: RFC 8878, 3.1.1. */
export function zstdOf(content: Uint8Array | string, blockBytes = 1000): Buffer {
  const bytes = Buffer.from(content)
  // No checksum, no content size; a window of 8 MiB.
  const parts = [Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0x00, 0x68])]
  for (let from = 0; from === 0 || from < bytes.length; from += blockBytes) {
    const block = bytes.subarray(from, from + blockBytes)
    const isLast = from + blockBytes >= bytes.length
    const header = Buffer.alloc(3)
    header.writeUIntLE((block.length << 3) | (isLast ? 1 : 0), 0, 3)
    parts.push(header, block)
  }
  return Buffer.concat(parts)
}

function uint16(value: number): Buffer {
  const bytes = Buffer.alloc(2)
  bytes.writeUInt16LE(value)
  return bytes
}
