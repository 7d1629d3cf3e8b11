import { z } from 'zod'
import {
  type Answer,
  type AnswerOptions,
  type Field,
  type QueryRouter,
  SNAPSHOT_FIELDS,
  TABLE_QUALITY_FIELDS,
} from '#query'
import { formatParameter, timeoutParameter } from './parameters.js'

/** A route that answers from the tables: described once, for the router and for the OpenAPI document. */
export interface Resource {
  readonly path: string
  readonly summary: string
  /** Query parameters, `format` and `timeout_ms` included. */
  readonly parameters: z.ZodObject
  /** What `data` holds. */
  readonly data: z.ZodType
  /** Validated parameters in, answer out. */
  answer(router: QueryRouter, parameters: unknown, options: AnswerOptions): Promise<Answer>
}

/** Defines a resource; `answer` sees its parameters typed. */
export function defineResource<const P extends z.ZodRawShape>(definition: {
  readonly path: string
  readonly summary: string
  readonly parameters: P
  readonly data: z.ZodType
  answer(router: QueryRouter, parameters: z.output<z.ZodObject<P>>, options: AnswerOptions): Promise<Answer>
}): Resource {
  return {
    path: definition.path,
    summary: definition.summary,
    data: definition.data,
    parameters: z.object({ ...definition.parameters, ...formatParameter, ...timeoutParameter }),
    // The server hands in what these very parameters parsed; the two beside them do no harm.
    answer: (router, parameters, options) =>
      definition.answer(router, parameters as z.output<z.ZodObject<P>>, options),
  }
}

/** Rows of these fields, as JSON has them. */
export function rowsOf(name: string, fields: readonly Field[]): z.ZodType {
  return z.array(rowOf(fields).meta({ id: name }))
}

export function rowOf(fields: readonly Field[]): z.ZodObject {
  return z.object(
    Object.fromEntries(
      fields.map((field) => [field.name, jsonType(field).nullable().meta({ description: field.doc })]),
    ),
  )
}

const SNAPSHOT_DOCS: Readonly<Record<(typeof SNAPSHOT_FIELDS)[number], string>> = {
  snapshot_id: 'Iceberg snapshot id, as text: it may exceed 2^53',
  parent_snapshot_id: 'the snapshot it follows; null for the first',
  sequence_number: 'Iceberg sequence number: one more with each commit',
  ts: 'time of the commit, RFC 3339 in UTC, milliseconds',
  operation: 'Iceberg operation: append, overwrite, delete or replace',
  added_rows: 'rows that it added; null where its writer did not count, as below',
  added_files: 'data files that it added',
  total_rows: 'rows of the table with it',
  total_files: 'data files of the table with it',
  total_bytes: 'size of these files in bytes',
  offsets: 'for each log partition the next offset to be read: what is before it is in files',
  current: 'true for the newest',
}

export function snapshotRowsSchema(): z.ZodType {
  const counts = new Set([
    'sequence_number',
    'added_rows',
    'added_files',
    'total_rows',
    'total_files',
    'total_bytes',
  ])
  const type = (name: string) => {
    if (name === 'current') return z.boolean()
    if (name === 'offsets') return z.array(z.int())
    return counts.has(name) ? z.int() : z.string()
  }
  const members = SNAPSHOT_FIELDS.map(
    (name) => [name, type(name).nullable().meta({ description: SNAPSHOT_DOCS[name] })] as const,
  )
  return z.array(z.object(Object.fromEntries(members)).meta({ id: 'Snapshot' }))
}

const TABLE_QUALITY_DOCS: Readonly<Record<(typeof TABLE_QUALITY_FIELDS)[number], string>> = {
  table: 'trades or quotes',
  received: 'accepted + quarantined + duplicates',
  accepted: 'rows of the table, and those that were cancelled',
  quarantined:
    'all that was refused and meant for it: records of the log, rows of posted bodies, lines of loads',
  quarantined_reasons: 'these by reason',
  duplicates: 'records dropped because their message id came before, where quality.dedupe asks for that',
  cancelled: 'accepted rows that corrections have taken out again',
  receipt: 'names the version of the table whose rows were counted',
}

export function tableQualitySchema(): z.ZodType {
  const type = (name: string) => {
    if (name === 'quarantined_reasons') return z.record(z.string(), z.int())
    return name === 'table' || name === 'receipt' ? z.string() : z.int()
  }
  const members = TABLE_QUALITY_FIELDS.map(
    (name) => [name, type(name).meta({ description: TABLE_QUALITY_DOCS[name] })] as const,
  )
  return z.array(z.object(Object.fromEntries(members)).meta({ id: 'TableQuality' }))
}

function jsonType(field: Field): z.ZodType {
  switch (field.type) {
    case 'string':
      return z.string()
    case 'number':
      return z.int()
    case 'fraction':
      return z.number().min(0).max(1)
    case 'boolean':
      return z.boolean()
    case 'counts':
      return z.record(z.string(), z.int())
    case 'intervals':
      return z.array(
        z.object({
          from: z.int().meta({ description: 'the first number' }),
          to: z.int().meta({ description: 'the last number' }),
        }),
      )
  }
}
