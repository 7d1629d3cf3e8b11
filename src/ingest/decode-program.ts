import avro, { type Schema, type Type } from 'avsc'
import { type AddedType, assert, DECIMAL_SCALE, invalid, type TableDefinition, unreachable } from '#core'
import { type RecordField, recordFields } from './avro-schema.js'
import { AnnotatedType, schemaShape } from './schema-shape.js'

/** What to do with the next bytes of a record. The comment names the argument of the instruction. */
export const Op = {
  /** column */
  string: 0,
  /** column */
  int: 1,
  /** column; timestamps too */
  long: 2,
  /** column */
  decimal: 3,
  /** column */
  binary: 4,
  /** column: nothing on the wire, the row has no value */
  null: 5,
  /** – */
  skipVarint: 6,
  /** – */
  skipBytes: 7,
  /** width in bytes */
  skipFixed: 8,
  /** index into `subprograms`: one program a branch */
  union: 9,
  /** index into `subprograms`: one program, that of an item */
  blocks: 10,
  /** index into `subprograms`: one program, that of a nested record */
  record: 11,

  // Of added columns, whose values may not be what they should without an end of the record: then the row has none.
  /** column */
  addedString: 12,
  /** column */
  addedInt: 13,
  /** column */
  addedTime: 14,
  /** column */
  addedDecimal: 15,
  /** column */
  boolean: 16,
  /** column */
  float: 17,
  /** column */
  double: 18,
  /** column: a double, of a float on the wire */
  floatAsDouble: 19,
} as const

/** Numbers of an instruction: operation, argument, and which branch of a two-branch union is null, or -1. */
export const INSTRUCTION_LENGTH = 3

/** How records of one writer schema become rows of a table: instructions in wire order. */
export interface DecodeProgram {
  readonly code: readonly number[]
  readonly subprograms: readonly (readonly DecodeProgram[])[]
}

/** A column of the batch beyond those of the definition, and what fills it. */
export interface AddedTarget {
  readonly column: number
  readonly type: AddedType
  /** The field of this writer's records; null: none. */
  readonly field: string | null
}

/**
 * Resolves a writer schema to a table by the rules of the Avro specification, section "Schema Resolution": fields
 * go by name, unknown ones are skipped, a missing optional one is null, int reads as long and bytes as string.
 * Beyond them a timestamp must be timestamp-micros and a decimal must have the table's scale: anything else would
 * change values without a word. What can't be resolved is `invalid_input` that names the field.
 *
 * `columnOf` gives the batch column of a field. A field that fills an added column is a union of null and one type, which
 * is the column's or widens to it.
 */
export function compileProgram(
  writer: Schema,
  definition: TableDefinition,
  columnOf: (field: string) => number,
  added: readonly AddedTarget[] = [],
): DecodeProgram {
  const type = recordShape(writer)
  const fields = recordFields(definition)
  const program = new ProgramBuilder()
  const nested = new Map<Type, DecodeProgram>()
  for (const { name, type: written } of type.fields) {
    const field = fields.find((candidate) => candidate.name === name)
    const target = added.find((candidate) => candidate.field === name)
    if (field) addRead(program, written, field, columnOf(name))
    else if (target) addAddedRead(program, written, target)
    else addSkip(program, written, nested)
  }
  for (const field of fields) {
    if (type.fields.some(({ name }) => name === field.name)) continue
    if (field.required)
      throw invalid(field.name, 'absent', `a field that a record of ${definition.name} may lack`)
    program.add(Op.null, columnOf(field.name))
  }
  for (const { column, field } of added) if (field === null) program.add(Op.null, column)
  return program
}

/** The record that a schema is of; `invalid_input` when it is of something else. */
export function recordShape(writer: Schema): InstanceType<typeof avro.types.RecordType> {
  const type = schemaShape(writer)
  if (type instanceof avro.types.RecordType) return type
  throw invalid('schema', type.typeName, 'a record schema')
}

class ProgramBuilder implements DecodeProgram {
  readonly code: number[] = []
  readonly subprograms: (readonly DecodeProgram[])[] = []

  add(operation: number, argument = 0, nullBranch = -1): void {
    this.code.push(operation, argument, nullBranch)
  }

  addCall(operation: number, programs: readonly DecodeProgram[]): void {
    this.add(operation, this.subprograms.push(programs) - 1)
  }
}

function addRead(program: ProgramBuilder, written: Type, field: RecordField, column: number): void {
  if (!(written instanceof avro.types.WrappedUnionType)) {
    program.add(readOperation(written, field), column)
    return
  }
  const nullBranch = written.types.findIndex((branch) => branch.typeName === 'null')
  if (nullBranch !== -1 && field.required) throw invalid(field.name, written.toString(), 'never null')
  if (written.types.length === 2 && nullBranch !== -1) {
    program.add(readOperation(written.types[1 - nullBranch]!, field), column, nullBranch)
    return
  }
  const branches = written.types.map((branch) => {
    const read = new ProgramBuilder()
    read.add(branch.typeName === 'null' ? Op.null : readOperation(branch, field), column)
    return read
  })
  program.addCall(Op.union, branches)
}

/** A null and one type, in either order; by the same steps as it would be skipped, so that it fails no record alone. */
function addAddedRead(program: ProgramBuilder, written: Type, { column, type }: AddedTarget): void {
  assert(written instanceof avro.types.WrappedUnionType, 'a field of an added column is optional')
  const branches = written.types.map((branch) => {
    const read = new ProgramBuilder()
    read.add(branch.typeName === 'null' ? Op.null : addedReadOperation(branch, type), column)
    return read
  })
  program.addCall(Op.union, branches)
}

function addedReadOperation(written: Type, type: AddedType): number {
  switch (type) {
    case 'boolean':
      return Op.boolean
    case 'int':
      return Op.addedInt
    case 'long':
      return Op.long
    case 'float':
      return Op.float
    case 'double':
      return written.typeName === 'float' ? Op.floatAsDouble : Op.double
    case 'string':
      return Op.addedString
    case 'binary':
      return Op.binary
    case 'timestamptz':
      return Op.addedTime
    default:
      return Op.addedDecimal
  }
}

function readOperation(written: Type, field: RecordField): number {
  const name = written.typeName
  switch (field.type) {
    case 'string':
      if (name === 'string' || name === 'bytes') return Op.string
      break
    case 'binary':
      if (name === 'string' || name === 'bytes') return Op.binary
      break
    case 'int':
      if (name === 'int') return Op.int
      break
    case 'long':
      if (name === 'int' || name === 'long') return Op.long
      break
    case 'timestamptz':
      if (name === 'logical:timestamp-micros') return Op.long
      break
    case 'decimal':
      if (
        name === 'logical:decimal' &&
        written instanceof AnnotatedType &&
        written.scale === DECIMAL_SCALE &&
        written.underlyingType.typeName === 'bytes'
      ) {
        return Op.decimal
      }
      break
    default:
      unreachable(field.type)
  }
  throw invalid(field.name, JSON.stringify(written.schema({ exportAttrs: true })), EXPECTED[field.type])
}

const EXPECTED: Record<RecordField['type'], string> = {
  string: 'a string',
  binary: 'bytes',
  int: 'an int',
  long: 'a long',
  timestamptz: 'a long with logicalType timestamp-micros',
  decimal: `bytes with logicalType decimal and scale ${DECIMAL_SCALE}`,
}

/** `nested` holds the programs of named records, so that a recursive one is compiled once. */
function addSkip(program: ProgramBuilder, written: Type, nested: Map<Type, DecodeProgram>): void {
  const { types } = avro
  const sub = (type: Type): DecodeProgram => {
    const skip = new ProgramBuilder()
    addSkip(skip, type, nested)
    return skip
  }
  if (written instanceof types.LogicalType) addSkip(program, written.underlyingType, nested)
  else if (written instanceof types.WrappedUnionType) program.addCall(Op.union, written.types.map(sub))
  else if (written instanceof types.ArrayType) program.addCall(Op.blocks, [sub(written.itemsType)])
  else if (written instanceof types.MapType) {
    const entry = new ProgramBuilder()
    entry.add(Op.skipBytes)
    addSkip(entry, written.valuesType, nested)
    program.addCall(Op.blocks, [entry])
  } else if (written instanceof types.RecordType) {
    let record = nested.get(written)
    if (!record) {
      const built = new ProgramBuilder()
      nested.set(written, built)
      for (const field of written.fields) addSkip(built, field.type, nested)
      record = built
    }
    program.addCall(Op.record, [record])
  } else if (written instanceof types.FixedType) program.add(Op.skipFixed, written.size)
  else {
    const skip = SKIP_PRIMITIVE[written.typeName]
    assert(skip !== undefined, `${written.typeName} is an Avro type`)
    program.add(...skip)
  }
}

/** Widths: Avro specification, section "Binary Encoding". */
const SKIP_PRIMITIVE: Readonly<Record<string, readonly [operation: number, argument: number]>> = {
  null: [Op.skipFixed, 0],
  boolean: [Op.skipFixed, 1],
  float: [Op.skipFixed, 4],
  double: [Op.skipFixed, 8],
  int: [Op.skipVarint, 0],
  long: [Op.skipVarint, 0],
  enum: [Op.skipVarint, 0],
  string: [Op.skipBytes, 0],
  bytes: [Op.skipBytes, 0],
}
