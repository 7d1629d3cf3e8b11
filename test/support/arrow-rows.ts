import { type Data, DataType, tableFromIPC } from 'apache-arrow'
import { isLosslessNumber, parse, stringify } from 'lossless-json'
import { type Answer, arrowOpening } from '#query'

/** A row as texts, whatever encoding it was in: cells that mean the same are equal. */
export type TextRow = Readonly<Record<string, string | null>>

/** The whole stream of an answer. */
export async function arrowStream({ columns, data }: Answer): Promise<Uint8Array> {
  return Buffer.concat([arrowOpening(columns ?? [], new Map()), await data.bytes()])
}

/** What Arrow's own reader finds in a stream, read from the very bits: its JavaScript values would round some. */
export function arrowRows(stream: Uint8Array): readonly TextRow[] {
  const table = tableFromIPC(stream)
  return table.batches.flatMap((batch) =>
    Array.from({ length: batch.numRows }, (_, row) => {
      const cells = batch.schema.fields.map(({ name }, column) => [
        name,
        cellText(batch.data.children[column]!, row),
      ])
      return Object.fromEntries(cells)
    }),
  )
}

export function jsonRow(text: string): TextRow {
  // Every row is written as an object.
  const row = parse(text) as Record<string, unknown>
  return Object.fromEntries(Object.entries(row).map(([name, value]) => [name, jsonText(value)]))
}

function jsonText(value: unknown): string | null {
  if (value === null) return null
  if (isLosslessNumber(value)) return value.value.includes('.') ? String(Number(value.value)) : value.value
  return typeof value === 'object' ? (stringify(value) ?? null) : String(value)
}

function cellText(data: Data, row: number): string | null {
  if (!data.getValid(row)) return null
  const { type } = data
  if (DataType.isDictionary(type)) return String(data.dictionary?.get(data.values[row]))
  if (DataType.isUtf8(type))
    return Buffer.from(data.values).toString('utf8', data.valueOffsets[row], data.valueOffsets[row + 1])
  if (DataType.isBool(type)) return String((data.values[row >> 3] & (1 << (row & 7))) !== 0)
  if (DataType.isDecimal(type)) return decimalText(data.values.subarray(row * 4, row * 4 + 4), type.scale)
  if (DataType.isTimestamp(type) && type.unit === 2) return microsText(data.values[row])
  return String(data.values[row])
}

function decimalText(words: Uint32Array, scale: number): string {
  const value = [...words].reduceRight((sum, word) => (sum << 32n) | BigInt(word), 0n)
  const scaled = BigInt.asIntN(128, value)
  const magnitude = String(scaled < 0n ? -scaled : scaled).padStart(scale + 1, '0')
  const fraction = magnitude.slice(magnitude.length - scale).replace(/0+$/, '')
  const whole = magnitude.slice(0, magnitude.length - scale)
  return `${scaled < 0n ? '-' : ''}${whole}${fraction === '' ? '' : `.${fraction}`}`
}

function microsText(micros: bigint): string {
  const rest = ((micros % 1000n) + 1000n) % 1000n
  const millis = new Date(Number((micros - rest) / 1000n)).toISOString()
  return `${millis.slice(0, -1)}${String(rest).padStart(3, '0')}Z`
}
