import { z } from 'zod'
import { type Answer, type AnswerOptions, type Field, type QueryRouter, SNAPSHOT_FIELDS } from '#query'
import { formatParameter } from './parameters.js'

/** A route that answers from the tables: described once, for the router and for the OpenAPI document. */
export interface Resource {
  readonly path: string
  readonly summary: string
  /** Query parameters, `format` included. */
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
    parameters: z.object({ ...definition.parameters, ...formatParameter }),
    // The server hands in what these very parameters parsed; `format` beside them does no harm.
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

export function snapshotRowsSchema(): z.ZodType {
  const counts = new Set([
    'sequence_number',
    'added_rows',
    'added_files',
    'total_rows',
    'total_files',
    'total_bytes',
  ])
  const type = (name: string) =>
    name === 'current' ? z.boolean() : counts.has(name) ? z.number() : z.string()
  const members = SNAPSHOT_FIELDS.map((name) => [name, type(name).nullable()] as const)
  return z.array(z.object(Object.fromEntries(members)).meta({ id: 'Snapshot' }))
}

function jsonType(field: Field): z.ZodType {
  switch (field.type) {
    case 'string':
      return z.string()
    case 'number':
      return z.int()
    case 'boolean':
      return z.boolean()
  }
}
