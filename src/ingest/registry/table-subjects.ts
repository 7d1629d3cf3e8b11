import avro from 'avsc'
import { CORRECTIONS, QUARANTINE, QUOTES, type TableDefinition, TicklakeError, TRADES } from '#core'
import { avroSchema } from '../avro-schema.js'
import { compileProgram } from '../decode-program.js'
import { schemaShape } from '../schema-shape.js'
import { parseSchema } from './schema-text.js'

const TABLES: ReadonlyMap<string, TableDefinition> = new Map(
  [TRADES, QUOTES, QUARANTINE, CORRECTIONS].map((definition) => [`${definition.topic}-value`, definition]),
)

/**
 * The subjects of our topics take only schemas whose records become rows of their table, under the one name that all
 * versions share: another would be taken once, and block the subject for good. Else `conflict`, naming the field.
 */
export function requireTableSchema(subject: string, text: string): void {
  const definition = TABLES.get(subject)
  if (!definition) return
  const schema = parseSchema(subject, text)
  const type = schemaShape(schema)
  const expected = schemaShape(avroSchema(definition))
  const refuse = (problem: string): never => {
    throw new TicklakeError(
      'conflict',
      `${subject}: its records would be no rows of ${definition.name}: ${problem}`,
    )
  }
  if (type instanceof avro.types.RecordType && type.name !== expected.name) {
    refuse(`the record is called ${type.name}, and has to be ${expected.name}`)
  }
  try {
    compileProgram(schema, definition, () => 0)
  } catch (error) {
    if (!(error instanceof TicklakeError)) throw error
    refuse(error.message)
  }
}
