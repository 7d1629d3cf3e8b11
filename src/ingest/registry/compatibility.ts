import avro, { type Schema, type Type } from 'avsc'
import { TicklakeError } from '#core'
import { AnnotatedType, schemaShape } from '../schema-shape.js'
import { parseSchema } from './schema-text.js'

/**
 * BACKWARD compatibility: what was written with the writer schema can be read with the reader's; else `conflict`,
 * naming the field. Stricter than the Avro specification in one thing: a field keeps its logical type, precision and scale.
 */
export function requireReadable(subject: string, readerText: string, writerText: string): void {
  const [reader, writer] = [parseSchema(subject, readerText), parseSchema(subject, writerText)]
  const problem =
    resolutionProblem(reader, writer) ?? annotationProblem(schemaShape(reader), schemaShape(writer))
  if (problem === null) return
  throw new TicklakeError(
    'conflict',
    `${subject}: records of the registered schema would be unreadable: ${problem}`,
  )
}

function resolutionProblem(reader: Schema, writer: Schema): string | null {
  const readerType = avro.Type.forSchema(reader)
  const writerType = avro.Type.forSchema(writer)
  const whole = unreadable(readerType, writerType)
  if (whole === null) return null
  const { RecordType } = avro.types
  if (!(readerType instanceof RecordType && writerType instanceof RecordType)) return whole
  // avsc says what is wrong, but of a field's type not in which field: ask it field by field.
  for (const field of readerType.fields) {
    const written = writerType.fields.find(({ name }) => name === field.name)
    if (!written && field.defaultValue() === undefined) return `field ${field.name} is new and has no default`
    const problem = written ? unreadable(field.type, written.type) : null
    if (problem !== null) return `field ${field.name}: ${problem}`
  }
  return whole
}

function unreadable(reader: Type, writer: Type): string | null {
  try {
    reader.createResolver(writer)
    return null
  } catch (error) {
    // avsc reports an incompatibility as a plain Error.
    return error instanceof Error ? error.message : String(error)
  }
}

function annotationProblem(reader: Type, writer: Type): string | null {
  const { RecordType } = avro.types
  if (!(reader instanceof RecordType && writer instanceof RecordType)) return null
  for (const field of reader.fields) {
    const written = writer.fields.find(({ name }) => name === field.name)
    if (!written) continue
    const [now, before] = [annotations(field.type), annotations(written.type)]
    if (now !== before) return `field ${field.name}: ${before} can't be read as ${now}`
  }
  return null
}

/** The logical types of a field, those of a union's branches included. */
function annotations(type: Type): string {
  const branches = type instanceof avro.types.WrappedUnionType ? type.types : [type]
  const found = branches.flatMap((branch) => (branch instanceof AnnotatedType ? [branch.annotation] : []))
  return found.length === 0 ? 'a value without logical type' : found.join(' or ')
}
