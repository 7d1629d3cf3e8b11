import type { Schema, schema } from 'avsc'
import {
  type ColumnDefinition,
  DECIMAL_PRECISION,
  DECIMAL_SCALE,
  type TableDefinition,
  type TableName,
} from '#core'

const RECORD_NAMES: Record<TableName, string> = {
  trades: 'Trade',
  quotes: 'Quote',
  quarantine: 'QuarantinedRecord',
  corrections: 'Correction',
}

/** One field of a table's records. */
export type RecordField = Pick<ColumnDefinition, 'name' | 'type' | 'required' | 'doc'>

const SOURCE_ROW: RecordField = {
  name: 'source_row',
  type: 'long',
  required: false,
  doc: 'row of the source, from which a loaded row gets its message_id',
}

/**
 * The fields of a table's records, in wire order: the columns that producers give, then `source_row` where the
 * table has a `message_id`. A loaded row carries source and row instead of `<source>:<row>`, which would be most
 * of its bytes.
 */
export function recordFields(definition: TableDefinition): readonly RecordField[] {
  const given = definition.columns.filter((column) => column.origin === 'record')
  return given.some((column) => column.name === 'message_id') ? [...given, SOURCE_ROW] : given
}

/** The Avro schema in which ticklake writes a table's records; it is the reader schema of every foreign writer too. */
export function avroSchema(definition: TableDefinition): Schema {
  return {
    type: 'record',
    name: RECORD_NAMES[definition.name],
    namespace: 'ticklake',
    fields: recordFields(definition).map(({ name, type, required, doc }) =>
      required
        ? { name, type: avroType(type), doc }
        : { name, type: ['null', avroType(type)], default: null, doc },
    ),
  }
}

/** Logical types as in the Avro specification, section "Logical Types", so that any Avro client reads the values. */
function avroType(type: ColumnDefinition['type']): schema.DefinedType {
  switch (type) {
    case 'timestamptz':
      return { type: 'long', logicalType: 'timestamp-micros' }
    case 'decimal':
      return { type: 'bytes', logicalType: 'decimal', precision: DECIMAL_PRECISION, scale: DECIMAL_SCALE }
    case 'binary':
      return 'bytes'
    default:
      return type
  }
}
