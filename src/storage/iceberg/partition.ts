import { assert, type TableLayout } from '#core'
import { Fields, type Json, type JsonObject, NO_FIELDS } from './json.js'
import type { Schema } from './schema.js'

export interface PartitionField {
  readonly sourceId: number
  /** From 1000, unique across the specs of a table. */
  readonly fieldId: number
  readonly name: string
  /** As written: day, bucket[16], or one that this version does not know. */
  readonly transform: string
  readonly extra: JsonObject
}

/** How rows map to partitions (spec: Partitioning). Each manifest keeps the spec that it was written with. */
export interface PartitionSpec {
  readonly specId: number
  readonly fields: readonly PartitionField[]
  readonly extra: JsonObject
}

export interface SortField {
  readonly sourceId: number
  readonly transform: string
  readonly direction: 'asc' | 'desc'
  readonly nullOrder: 'nulls-first' | 'nulls-last'
  readonly extra: JsonObject
}

/** Order 0 is the unsorted one and is always listed. */
export interface SortOrder {
  readonly orderId: number
  readonly fields: readonly SortField[]
  readonly extra: JsonObject
}

export type Transform =
  | { readonly kind: 'identity' | 'year' | 'month' | 'day' | 'hour' | 'void' }
  | { readonly kind: 'bucket' | 'truncate'; readonly width: number }
  | { readonly kind: 'unknown' }

export const FIRST_PARTITION_FIELD_ID = 1000
export const UNSORTED: SortOrder = { orderId: 0, fields: [], extra: NO_FIELDS }

/** Partition by the UTC day of the layout's partition column. */
export function dayPartitionSpec(layout: TableLayout): PartitionSpec {
  const field = {
    sourceId: columnId(layout, layout.partitionColumn),
    fieldId: FIRST_PARTITION_FIELD_ID,
    name: `${layout.partitionColumn}_day`,
    transform: 'day',
    extra: NO_FIELDS,
  }
  return { specId: 0, fields: [field], extra: NO_FIELDS }
}

/** Whether a spec is the UTC day of the layout's partition column, and nothing else. */
export function isDayOnly(layout: TableLayout, { fields }: PartitionSpec): boolean {
  const [field] = fields
  if (!field || fields.length > 1 || field.transform !== 'day') return false
  return layout.columns.find(({ id }) => id === field.sourceId)?.name === layout.partitionColumn
}

/** The order in which ticklake sorts its files: the layout's sort columns, ascending, nulls last. */
export function sortOrder(layout: TableLayout): SortOrder {
  const fields = layout.sortColumns.map((name) => ({
    sourceId: columnId(layout, name),
    transform: 'identity',
    direction: 'asc' as const,
    nullOrder: 'nulls-last' as const,
    extra: NO_FIELDS,
  }))
  return { orderId: 1, fields, extra: NO_FIELDS }
}

export function parseTransform(text: string): Transform {
  switch (text) {
    case 'identity':
    case 'year':
    case 'month':
    case 'day':
    case 'hour':
    case 'void':
      return { kind: text }
  }
  const match = /^(bucket|truncate)\[(\d+)\]$/.exec(text)
  if (!match) return { kind: 'unknown' }
  return { kind: match[1] === 'bucket' ? 'bucket' : 'truncate', width: Number(match[2]) }
}

/** The Iceberg type of a field's partition values, or null when it cannot be known. */
export function partitionType(field: PartitionField, schema: Schema): string | null {
  switch (parseTransform(field.transform).kind) {
    case 'day':
      return 'date'
    case 'year':
    case 'month':
    case 'hour':
    case 'bucket':
      return 'int'
    case 'identity':
    case 'truncate':
    case 'void': {
      const source = schema.fields.find((column) => column.id === field.sourceId)
      return typeof source?.type === 'string' ? source.type : null
    }
    case 'unknown':
      return null
  }
}

export function parsePartitionSpec(json: Json, path: string): PartitionSpec {
  const from = new Fields(json, path)
  return {
    specId: from.integer('spec-id'),
    fields: from.list('fields', parsePartitionField),
    extra: from.rest(),
  }
}

export function partitionSpecJson(spec: PartitionSpec): JsonObject {
  return { 'spec-id': spec.specId, fields: partitionFieldsJson(spec), ...spec.extra }
}

/** The list alone, as a manifest's header has it. */
export function partitionFieldsJson(spec: PartitionSpec): readonly JsonObject[] {
  return spec.fields.map((field) => ({
    'source-id': field.sourceId,
    'field-id': field.fieldId,
    name: field.name,
    transform: field.transform,
    ...field.extra,
  }))
}

export function parseSortOrder(json: Json, path: string): SortOrder {
  const from = new Fields(json, path)
  return {
    orderId: from.integer('order-id'),
    fields: from.list('fields', parseSortField),
    extra: from.rest(),
  }
}

export function sortOrderJson(order: SortOrder): JsonObject {
  const fields = order.fields.map((field) => ({
    transform: field.transform,
    'source-id': field.sourceId,
    direction: field.direction,
    'null-order': field.nullOrder,
    ...field.extra,
  }))
  return { 'order-id': order.orderId, fields, ...order.extra }
}

function parsePartitionField(json: Json, path: string): PartitionField {
  const from = new Fields(json, path)
  return {
    sourceId: from.integer('source-id'),
    fieldId: from.integer('field-id'),
    name: from.string('name'),
    transform: from.string('transform'),
    extra: from.rest(),
  }
}

function parseSortField(json: Json, path: string): SortField {
  const from = new Fields(json, path)
  return {
    sourceId: from.integer('source-id'),
    transform: from.string('transform'),
    direction: from.choice('direction', ['asc', 'desc']),
    nullOrder: from.choice('null-order', ['nulls-first', 'nulls-last']),
    extra: from.rest(),
  }
}

function columnId(layout: TableLayout, name: string): number {
  const column = layout.columns.find((candidate) => candidate.name === name)
  assert(column !== undefined, `${layout.name} has a column ${name}`)
  return column.id
}
