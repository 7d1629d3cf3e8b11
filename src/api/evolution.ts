import { z } from 'zod'
import { parseAsOf } from '#query'
import {
  currentSchema,
  defaultOrder,
  defaultSpec,
  type Evolution,
  refNamed,
  type SchemaChange,
  type TableMetadata,
} from '#storage'

/** How a table is laid out, and what may be changed of it in metadata alone: forms of requests and answers. */

const expected = (what: string) => ({ error: what })
const text = (what: string, description: string) => z.string(expected(what)).meta({ description })

const kind = <const K extends string>(value: K, description: string) => z.literal(value).meta({ description })

const columnName = text('the name of a column', 'a column, by its name in the table')

const position = z
  .union(
    [
      z.strictObject({ at: kind('first', 'the foremost') }),
      z.strictObject({
        at: z.enum(['before', 'after']).meta({ description: 'of the other column' }),
        column: columnName,
      }),
    ],
    expected('{"at": "first"}, or {"at": "before" or "after", "column": …}'),
  )
  .meta({ description: 'where the column is to stand' })

const typeText = text(
  'a type such as long, double, string or decimal(18, 4)',
  "a primitive type, by Iceberg's name",
)

const schemaChange = z.discriminatedUnion(
  'change',
  [
    z.strictObject({
      change: kind('add', 'a new column, null in the rows there are'),
      name: text('a name', 'of the new column, which is optional'),
      type: typeText,
      doc: text('a text', 'what it means').optional(),
      position: position.optional(),
    }),
    z.strictObject({ change: kind('drop', 'take a column away'), name: columnName }),
    z.strictObject({
      change: kind('rename', 'give a column another name'),
      name: columnName,
      to: text('a name', 'its new name'),
    }),
    z.strictObject({ change: kind('move', 'put a column elsewhere'), name: columnName, position }),
    z.strictObject({
      change: kind('widen', 'int to long, float to double, a decimal to more digits at the same scale'),
      name: columnName,
      type: typeText,
    }),
    z.strictObject({
      change: kind('doc', 'say what a column means'),
      name: columnName,
      doc: z.string(expected('a text, or null')).nullable().meta({ description: 'null takes it away' }),
    }),
    z.strictObject({ change: kind('make-optional', 'let a column be null'), name: columnName }),
  ],
  expected('a change: add, drop, rename, move, widen, doc or make-optional'),
)

const specChange = z.discriminatedUnion(
  'change',
  [
    z.strictObject({
      change: kind('add', 'a new partition field'),
      column: columnName,
      transform: text(
        'a transform such as day or bucket[16]',
        'year, month, day, hour, identity, bucket[N] or truncate[N]',
      ),
    }),
    z.strictObject({
      change: kind('remove', 'take a partition field away'),
      name: text('the name of a partition field', 'a field of the partition spec, by its name'),
    }),
  ],
  expected('a change: add or remove'),
)

const sortBy = z.strictObject({
  column: columnName,
  direction: z
    .enum(['asc', 'desc'], expected('asc or desc'))
    .optional()
    .meta({ description: 'default: asc' }),
  null_order: z
    .enum(['nulls-first', 'nulls-last'], expected('nulls-first or nulls-last'))
    .optional()
    .meta({ description: 'default: nulls-last' }),
  transform: text('a transform such as day', 'what of the column is sorted by; default: identity').optional(),
})

const list = <S extends z.ZodType>(element: S, what: string) =>
  z.array(element, expected(`a list of ${what}`))

const age = (description: string) =>
  z
    .int(expected('a whole number from 1'))
    .min(1, expected('a whole number from 1'))
    .optional()
    .meta({ description })

export const schemaChanges = z.strictObject({
  changes: list(schemaChange, 'changes').meta({ description: 'made one after the other, all or none' }),
})
export const specChanges = z.strictObject({
  changes: list(specChange, 'changes').meta({ description: 'made one after the other, all or none' }),
})
export const orderChange = z.strictObject({
  by: list(sortBy, 'columns').meta({ description: 'the foremost first; none: files are not sorted' }),
})
export const newRef = z.strictObject({
  type: z
    .enum(['tag', 'branch'], expected('tag or branch'))
    .meta({ description: 'a branch can be committed to' }),
  as_of: text(
    'a snapshot id, a time or a name',
    'the state that it names; default: the newest snapshot',
  ).default('main'),
  max_ref_age_ms: age('once its snapshot is older, it goes by itself'),
  max_snapshot_age_ms: age('of branches: younger ancestors are kept'),
  min_snapshots_to_keep: age('of branches: so many ancestors are kept, however old'),
})

const id = (description: string) => z.int().meta({ description })

export const tableSchemaSchema = z
  .object({
    schema_id: id('number of the schema'),
    columns: z.array(
      z.object({
        id: id('field id, which no other column ever has'),
        name: z.string().meta({ description: 'name' }),
        type: z.string().meta({ description: "Iceberg's type; that of a nested column as JSON" }),
        required: z.boolean().meta({ description: 'false: it may be null' }),
        doc: z.string().nullable().meta({ description: 'what it means' }),
      }),
    ),
  })
  .meta({ id: 'TableSchema' })

export const partitionSpecSchema = z
  .object({
    spec_id: id('number of the spec'),
    fields: z.array(
      z.object({
        name: z.string().meta({ description: 'name of the partition field' }),
        column: z.string().nullable().meta({ description: 'its column; null: of an earlier schema' }),
        transform: z.string().meta({ description: 'what of the column rows are told apart by' }),
      }),
    ),
  })
  .meta({ id: 'PartitionSpec' })

export const sortOrderSchema = z
  .object({
    order_id: id('number of the order; 0: unsorted'),
    fields: z.array(
      z.object({
        column: z.string().nullable().meta({ description: 'column; null: of an earlier schema' }),
        transform: z.string().meta({ description: 'what of the column is sorted by' }),
        direction: z.string().meta({ description: 'asc or desc' }),
        null_order: z.string().meta({ description: 'nulls-first or nulls-last' }),
      }),
    ),
  })
  .meta({ id: 'SortOrder' })

export const refSchema = z
  .object({
    name: z.string().meta({ description: 'name, for as_of' }),
    type: z.enum(['branch', 'tag']).meta({ description: 'branch or tag' }),
    snapshot_id: z.string().meta({ description: 'the snapshot that it names' }),
    max_ref_age_ms: id('once its snapshot is older, it goes by itself').nullable(),
    max_snapshot_age_ms: id('of branches: younger ancestors are kept').nullable(),
    min_snapshots_to_keep: id('of branches: so many ancestors are kept').nullable(),
  })
  .meta({ id: 'Ref' })

export type RefJson = z.output<typeof refSchema>

export function describeSchema(metadata: TableMetadata): z.output<typeof tableSchemaSchema> {
  const { schemaId, fields } = currentSchema(metadata)
  const columns = fields.map(({ id, name, type, required, doc }) => ({
    id,
    name,
    type: typeof type === 'string' ? type : JSON.stringify(type),
    required,
    doc,
  }))
  return { schema_id: schemaId, columns }
}

export function describeSpec(metadata: TableMetadata): z.output<typeof partitionSpecSchema> {
  const { specId, fields } = defaultSpec(metadata)
  const described = fields.map(({ name, sourceId, transform }) => ({
    name,
    column: columnOf(metadata, sourceId),
    transform,
  }))
  return { spec_id: specId, fields: described }
}

export function describeOrder(metadata: TableMetadata): z.output<typeof sortOrderSchema> {
  const { orderId, fields } = defaultOrder(metadata)
  const described = fields.map(({ sourceId, transform, direction, nullOrder }) => ({
    column: columnOf(metadata, sourceId),
    transform,
    direction,
    null_order: nullOrder,
  }))
  return { order_id: orderId, fields: described }
}

/** Branches and tags, by name. */
export function describeRefs(metadata: TableMetadata): readonly RefJson[] {
  return Object.keys(metadata.refs)
    .sort()
    .flatMap((name) => describeRef(metadata, name) ?? [])
}

/** Null when there is none of that name. */
export function describeRef(metadata: TableMetadata, name: string): RefJson | null {
  const ref = refNamed(metadata, name)
  return (
    ref && {
      name,
      type: ref.type,
      snapshot_id: String(ref.snapshotId),
      max_ref_age_ms: ref.maxRefAgeMs ?? null,
      max_snapshot_age_ms: ref.maxSnapshotAgeMs ?? null,
      min_snapshots_to_keep: ref.minSnapshotsToKeep ?? null,
    }
  )
}

export function schemaEvolution({ changes }: z.output<typeof schemaChanges>): Evolution {
  return { of: 'schema', changes: changes.map(withoutAbsent) }
}

export function orderEvolution({ by }: z.output<typeof orderChange>): Evolution {
  return {
    of: 'sort-order',
    by: by.map(({ column, direction, null_order: nullOrder, transform }) => ({
      column,
      ...(direction && { direction }),
      ...(nullOrder && { nullOrder }),
      ...(transform !== undefined && { transform }),
    })),
  }
}

export function refEvolution(name: string, ref: z.output<typeof newRef>): Evolution {
  const { type, as_of, max_ref_age_ms, max_snapshot_age_ms, min_snapshots_to_keep } = ref
  return {
    of: 'ref',
    make: {
      name,
      type,
      asOf: parseAsOf('as_of', as_of),
      ...(max_ref_age_ms !== undefined && { maxRefAgeMs: max_ref_age_ms }),
      ...(max_snapshot_age_ms !== undefined && { maxSnapshotAgeMs: max_snapshot_age_ms }),
      ...(min_snapshots_to_keep !== undefined && { minSnapshotsToKeep: min_snapshots_to_keep }),
    },
  }
}

/** zod gives an absent member of an object as absent or undefined; a change has it or not. */
function withoutAbsent(change: z.output<typeof schemaChange>): SchemaChange {
  if (change.change !== 'add') return change
  const { doc, position: at, ...rest } = change
  return { ...rest, ...(doc !== undefined && { doc }), ...(at && { position: at }) }
}

function columnOf(metadata: TableMetadata, fieldId: number): string | null {
  return currentSchema(metadata).fields.find(({ id: other }) => other === fieldId)?.name ?? null
}
