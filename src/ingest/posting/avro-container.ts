import { inflateRawSync } from 'node:zlib'
import avro, { type Schema, type Type } from 'avsc'
import { invalid, TicklakeError } from '#core'

/** What an Avro object container begins with, and a way to its records' bytes (Avro spec, "Object Container Files"). */
export interface AvroContainer {
  readonly schema: Schema
  /** Each block's records, inflated: `count` values of the schema, one after the other. */
  readonly blocks: Iterable<{ readonly count: number; readonly data: Buffer }>
}

const MAGIC = Buffer.from('Obj\u0001', 'latin1')

const HEADER = avro.Type.forSchema({
  type: 'record',
  name: 'Header',
  fields: [
    { name: 'magic', type: { type: 'fixed', name: 'Magic', size: 4 } },
    { name: 'meta', type: { type: 'map', values: 'bytes' } },
    { name: 'sync', type: { type: 'fixed', name: 'Sync', size: 16 } },
  ],
})

const BLOCK = avro.Type.forSchema({
  type: 'record',
  name: 'Block',
  fields: [
    { name: 'count', type: 'long' },
    { name: 'data', type: 'bytes' },
    { name: 'sync', type: { type: 'fixed', name: 'BlockSync', size: 16 } },
  ],
})

/** Opens a container. Inflated, its blocks may hold `maxBytes`: more is `too_large`, damage `invalid_input`. */
export function openContainer(body: Buffer, maxBytes: number): AvroContainer {
  const head = decodeAt(HEADER, body, 0)
  if (head === null || !MAGIC.equals(head.value.magic))
    throw damaged(0, 'the header of an Avro object container')
  const { meta, sync } = head.value
  const codec = meta['avro.codec']?.toString('utf8') ?? 'null'
  if (codec !== 'null' && codec !== 'deflate') throw invalid('avro.codec', codec, 'null or deflate')
  return {
    schema: schemaOf(meta['avro.schema']?.toString('utf8') ?? ''),
    blocks: blocks(body, head.offset, sync, codec === 'deflate', maxBytes),
  }
}

/** A value and where the next begins; null when the bytes end within it or cannot be one. */
export function decodeAt(type: Type, bytes: Buffer, at: number): ReturnType<Type['decode']> | null {
  try {
    const decoded = type.decode(bytes, at)
    return decoded.offset < 0 ? null : decoded
  } catch {
    // avsc throws plain Errors, of many kinds, at bytes that cannot be the value.
    return null
  }
}

export function damaged(at: number, expected: string): TicklakeError {
  return invalid('body', `the bytes at ${at}`, expected)
}

function* blocks(body: Buffer, start: number, sync: Buffer, isDeflated: boolean, maxBytes: number) {
  let left = maxBytes
  for (let at = start; at < body.length; ) {
    const block = decodeAt(BLOCK, body, at)
    if (block === null || block.value.count < 0 || !sync.equals(block.value.sync)) {
      throw damaged(at, 'a whole block of the container')
    }
    const { count, data } = block.value
    const inflated = isDeflated ? inflate(data, at, left, maxBytes) : data
    left -= inflated.length
    yield { count, data: inflated }
    at = block.offset
  }
}

function inflate(data: Buffer, at: number, left: number, maxBytes: number): Buffer {
  try {
    // zlib takes no bound of 0.
    return inflateRawSync(data, { maxOutputLength: left + 1 })
  } catch (cause) {
    const isTooLarge = cause instanceof Error && 'code' in cause && cause.code === 'ERR_BUFFER_TOO_LARGE'
    if (!isTooLarge) throw damaged(at, 'a block that inflates')
    throw new TicklakeError(
      'too_large',
      `body: inflated, it holds more than ${maxBytes} bytes: send it in parts`,
    )
  }
}

function schemaOf(text: string): Schema {
  try {
    return JSON.parse(text)
  } catch (cause) {
    throw invalid('avro.schema', text, 'an Avro schema', cause)
  }
}
