import avro, { type Type } from 'avsc'
import { type AddedType, DECIMAL_PRECISION, type TableDefinition } from '#core'
import type { RecordColumn } from '#storage'
import { recordFields } from './avro-schema.js'
import type { recordShape } from './decode-program.js'
import { AnnotatedType } from './schema-shape.js'

/** The fields of a writer's records that its table's definition does not know. */
export interface FurtherFields {
  /** What may become columns. */
  readonly optional: readonly RecordColumn[]
  /** Why the others may not, by field. */
  readonly left: ReadonlyMap<string, string>
}

/** In the order of the schema. */
export function furtherFields(
  { fields }: ReturnType<typeof recordShape>,
  definition: TableDefinition,
): FurtherFields {
  const known = new Set(recordFields(definition).map(({ name }) => name))
  const optional: RecordColumn[] = []
  const left = new Map<string, string>()
  for (const { name, type } of fields) {
    if (known.has(name)) continue
    const found = optionalType(type)
    if (found.type === null) left.set(name, found.reason)
    else optional.push({ name, type: found.type })
  }
  return { optional, left }
}

type Found = { readonly type: AddedType } | { readonly type: null; readonly reason: string }

function optionalType(written: Type): Found {
  const branches = written instanceof avro.types.WrappedUnionType ? written.types : [written]
  const [type, ...others] = branches.filter((branch) => branch.typeName !== 'null')
  if (branches.length !== 2 || !type || others.length > 0)
    return { type: null, reason: 'it is not a union of null and one type' }
  const column = columnType(type)
  if (column) return { type: column }
  const expected = 'boolean, int, long, float, double, string, bytes, timestamp-micros, or bytes as decimal'
  return { type: null, reason: `its type is ${type.typeName}, which is none of ${expected}` }
}

/** The column that holds every value of a type, or null. */
function columnType(written: Type): AddedType | null {
  switch (written.typeName) {
    case 'boolean':
    case 'int':
    case 'long':
    case 'float':
    case 'double':
    case 'string':
      return written.typeName
    case 'bytes':
      return 'binary'
    case 'logical:timestamp-micros':
      return 'timestamptz'
    case 'logical:decimal': {
      if (!(written instanceof AnnotatedType) || written.underlyingType.typeName !== 'bytes') return null
      const { scale, precision } = written
      return scale >= 0 && scale <= precision && precision <= DECIMAL_PRECISION
        ? `decimal(18, ${scale})`
        : null
    }
    default:
      return null
  }
}
