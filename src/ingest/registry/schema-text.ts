import avro, { type Schema } from 'avsc'
import { isLosslessNumber, parse, stringify } from 'lossless-json'
import { invalid } from '#core'

/** The schema of a JSON text; `invalid_input`, naming the field, when it is no Avro schema. */
export function parseSchema(field: string, text: string): Schema {
  try {
    const schema: Schema = JSON.parse(text)
    avro.Type.forSchema(schema, { noAnonymousTypes: true })
    return schema
  } catch (cause) {
    throw invalid(field, text, 'an Avro schema', cause)
  }
}

/**
 * The text that all writings of one schema share: attributes in the order of their names, no space. Nothing is left
 * out, as Avro's parsing canonical form does with defaults and logical types, and no number is changed.
 */
export function canonicalText(field: string, text: string): string {
  const sorted = (value: unknown): unknown => {
    if (Array.isArray(value)) return value.map(sorted)
    if (typeof value !== 'object' || value === null || isLosslessNumber(value)) return value
    const entries = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1))
    return Object.fromEntries(entries.map(([name, inner]) => [name, sorted(inner)]))
  }
  try {
    // A parsed text always has a text again.
    return stringify(sorted(parse(text))) as string
  } catch (cause) {
    throw invalid(field, text, 'an Avro schema', cause)
  }
}
