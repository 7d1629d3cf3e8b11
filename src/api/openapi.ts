import { OpenAPIRegistry, OpenApiGeneratorV31 } from '@asteasolutions/zod-to-openapi'
import { z } from 'zod'
import { tableDetailSchema, tableSchema } from './admin.js'
import { loadParameters, loadSchema } from './load-routes.js'
import type { Resource } from './resource.js'

const META = z
  .object({
    route: z.enum(['real-time', 'historical', 'hybrid']),
    receipt: z.string().meta({ description: 'the version that was read' }),
    snapshot_id: z.string().nullable(),
    engine: z.literal('duckdb'),
    cache: z.literal('none'),
    files_total: z.int(),
    files_read: z.int(),
    rows_scanned: z.int(),
    bytes_read: z.int(),
    elapsed_ms: z.number(),
  })
  .meta({ id: 'Meta' })

const PROBLEM = z
  .object({
    type: z.string(),
    title: z.string(),
    status: z.int(),
    detail: z.string(),
    request_id: z.string(),
    field: z.string().optional(),
    value: z.string().optional(),
    expected: z.string().optional(),
  })
  .meta({ id: 'Problem' })

const PROBLEM_RESPONSE = {
  description: 'What went wrong (RFC 9457); for bad input the field, its value and what would be right',
  content: { 'application/problem+json': { schema: PROBLEM } },
}

function envelope(data: z.ZodType) {
  return z.object({ data, complete: z.boolean(), next_page_token: z.string().nullable() })
}

function json(description: string, schema: z.ZodType) {
  return { description, content: { 'application/json': { schema } } }
}

/** The OpenAPI 3.1 document, from the very schemas that requests are read with. */
export function openApiDocument(resources: readonly Resource[], version: string): object {
  const registry = new OpenAPIRegistry()
  for (const { path, summary, parameters, data } of resources) {
    const content = {
      'application/json': { schema: envelope(data).extend({ meta: META }) },
      'application/x-ndjson': { schema: z.string() },
      'text/csv': { schema: z.string() },
    }
    registry.registerPath({
      method: 'get',
      path,
      summary,
      tags: ['market data'],
      request: { query: parameters },
      responses: { 200: { description: 'A page of the answer', content }, default: PROBLEM_RESPONSE },
    })
  }
  registry.registerPath({
    method: 'post',
    path: '/v1/loads',
    summary: 'Loads a file, which is the body',
    tags: ['loads'],
    request: {
      query: loadParameters,
      body: { content: { 'application/octet-stream': { schema: z.string().meta({ format: 'binary' }) } } },
    },
    responses: {
      200: json('The load has ended (wait=true)', envelope(loadSchema)),
      202: json('The load was taken; Location says where to ask', envelope(loadSchema)),
      default: PROBLEM_RESPONSE,
    },
  })
  registry.registerPath({
    method: 'get',
    path: '/v1/loads/{id}',
    summary: 'How a load is going',
    tags: ['loads'],
    request: { params: z.object({ id: z.string() }) },
    responses: { 200: json('The load', envelope(loadSchema)), default: PROBLEM_RESPONSE },
  })
  registry.registerPath({
    method: 'get',
    path: '/admin/tables',
    summary: 'The tables',
    tags: ['admin'],
    responses: { 200: json('All tables', envelope(z.array(tableSchema))), default: PROBLEM_RESPONSE },
  })
  registry.registerPath({
    method: 'get',
    path: '/admin/tables/{table}',
    summary: 'A table and its partitions',
    tags: ['admin'],
    request: { params: z.object({ table: z.string() }) },
    responses: { 200: json('The table', envelope(tableDetailSchema)), default: PROBLEM_RESPONSE },
  })
  for (const [name, summary] of [
    ['live', 'The process runs'],
    ['ready', 'The tables have caught up with the log; 503 until then'],
  ] as const) {
    registry.registerPath({
      method: 'get',
      path: `/health/${name}`,
      summary,
      tags: ['health'],
      responses: { 200: json('Yes', z.object({ status: z.string() })), default: PROBLEM_RESPONSE },
    })
  }
  return new OpenApiGeneratorV31(registry.definitions).generateDocument({
    openapi: '3.1.0',
    info: {
      title: 'ticklake',
      version,
      description: 'Trades, quotes and bars, exact and within milliseconds of arriving.',
    },
  })
}
