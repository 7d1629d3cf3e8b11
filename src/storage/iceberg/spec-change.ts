import { invalid } from '#core'
import { LAST_ADDED } from './draft.js'
import { NO_FIELDS } from './json.js'
import { addSpec, setDefaultSpec } from './layout-updates.js'
import { currentSchema, defaultSpec, type TableMetadata } from './metadata.js'
import { parseTransform } from './partition.js'
import { refused } from './refusal.js'
import { isEquivalent, type RequestedField } from './spec-rules.js'
import { applyUpdates } from './updates.js'

/** One change of how rows map to partitions. */
export type SpecChange =
  /** `transform` as Iceberg writes it: day, hour, month, year, identity, bucket[N], truncate[N], void. */
  | { readonly change: 'add'; readonly column: string; readonly transform: string }
  /** By the name of the partition field. */
  | { readonly change: 'remove'; readonly name: string }

/** Each of these implies the ones before it. */
const TIME_KINDS: readonly string[] = ['year', 'month', 'day', 'hour']

/**
 * The table with a partition spec of the changes, made one after the other, as the default: what is written from now on
 * goes by it. Files keep the spec that they were written with. A field that the table once had comes back under its name
 * and id. The same table if nothing changes. `invalid_input` names the field and the reason. Pure.
 */
export function changeSpec(
  table: TableMetadata,
  changes: readonly SpecChange[],
  nowMs: number,
): TableMetadata {
  const { fields, extra } = defaultSpec(table)
  const next = changes.reduce<readonly RequestedField[]>(
    (fields, change) =>
      change.change === 'add'
        ? withField(table, fields, change.column, change.transform)
        : withoutField(fields, change.name),
    fields,
  )
  return applyUpdates(table, [(draft) => setDefaultSpec(addSpec(draft, next, extra), LAST_ADDED)], nowMs)
}

/** The name that Iceberg gives a partition field. */
export function partitionFieldName(column: string, transform: string): string {
  const parsed = parseTransform(transform)
  switch (parsed.kind) {
    case 'identity':
      return column
    case 'bucket':
      return `${column}_bucket_${parsed.width}`
    case 'truncate':
      return `${column}_trunc_${parsed.width}`
    case 'void':
      return `${column}_null`
    default:
      return `${column}_${transform}`
  }
}

function withField(
  table: TableMetadata,
  fields: readonly RequestedField[],
  column: string,
  transform: string,
): readonly RequestedField[] {
  const columns = currentSchema(table).fields
  const source = columns.find(({ name }) => name === column)
  if (!source) throw invalid('column', column, `one of ${columns.map(({ name }) => name).join(', ')}`)
  const wanted = { sourceId: source.id, transform }
  const same = fields.find((field) => isEquivalent(field, wanted))
  if (same) throw refused(`the table is partitioned by ${transform} of ${column} already (${same.name})`)
  const time = fields.find(
    (field) =>
      field.sourceId === source.id && TIME_KINDS.includes(field.transform) && TIME_KINDS.includes(transform),
  )
  if (time) {
    const message = `the table is partitioned by ${time.transform} of ${column}, and ${transform} beside it says nothing more`
    throw refused(`${message}: remove ${time.name} first`)
  }
  const past = table.partitionSpecs
    .flatMap((spec) => spec.fields)
    .find((field) => isEquivalent(field, wanted))
  return [
    ...fields,
    past ?? { ...wanted, fieldId: null, name: partitionFieldName(column, transform), extra: NO_FIELDS },
  ]
}

function withoutField(fields: readonly RequestedField[], name: string): readonly RequestedField[] {
  if (!fields.some((field) => field.name === name)) {
    const expected =
      fields.length === 0 ? 'there, since the table has no partitions' : fields.map((f) => f.name).join(', ')
    throw invalid('partition field', name, fields.length === 0 ? expected : `one of ${expected}`)
  }
  return fields.filter((field) => field.name !== name)
}
