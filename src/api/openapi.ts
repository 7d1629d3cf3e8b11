import { OpenAPIRegistry, OpenApiGeneratorV31 } from '@asteasolutions/zod-to-openapi'
import { z } from 'zod'
import { JOB_KINDS, type JobKind } from '#storage'
import { tableDetailSchema, tableSchema } from './admin.js'
import { envelope, rowsContent } from './answer-document.js'
import { cacheLayerSchema, clearedLayerSchema } from './cache.js'
import { CORRECTIONS_PATH } from './corrections.js'
import { estimateRequestSchema, estimateSchema } from './estimate.js'
import { EVOLUTION_ROUTES } from './evolution-routes.js'
import { healthSchema } from './health.js'
import {
  correctionParameters,
  INGEST_BODIES,
  ingestHeaders,
  ingestParameters,
  ingestSchema,
} from './ingest-routes.js'
import { loadParameters, loadSchema } from './load-routes.js'
import { jobRequestSchema, jobSchema, planSchema } from './maintenance-routes.js'
import { META } from './meta-schema.js'
import { REGISTRY_MEDIA_TYPE, REGISTRY_ROOT, REGISTRY_ROUTES } from './registry-routes.js'
import { replayParameters, replaySchema } from './replay.js'
import type { Resource } from './resource.js'
import { rollupSchema } from './rollups.js'
import { positionSchema, SQL_ROWS, sqlMetaShape, sqlPath } from './sql-document.js'

const JOB_SUMMARIES: Readonly<Record<JobKind, string>> = {
  compact:
    'Writes small files anew as fewer, sorted ones, by the newest partition spec and order, without deleted rows',
  'rewrite-manifests': 'Writes the manifests anew, each with the files of neighbouring partitions',
  'expire-snapshots': 'Lets old snapshots go, and the files that nobody else needs',
  'remove-orphans': 'Removes files that belong to no snapshot, or tells which there are',
  verify: 'Reads every data file and compares it with what its manifest says',
  backfill:
    'Computes the days of a rollup that are waiting, and those that are asked for, from the rows of its source',
  audit: 'Computes a bucket of a rollup that is drawn from the rows of its source, and compares',
}

const PROBLEM = z
  .object({
    type: z.string().meta({ description: 'kind of problem', example: 'urn:ticklake:problem:invalid_input' }),
    title: z.string().meta({ description: 'the status in words' }),
    status: z.int().meta({ description: 'the HTTP status' }),
    detail: z.string().meta({ description: 'what went wrong, in a sentence' }),
    request_id: z.string().meta({ description: 'as in X-Request-Id and in the log' }),
    field: z.string().optional().meta({ description: 'the parameter that is wrong' }),
    value: z.string().optional().meta({ description: 'its value, as it was given' }),
    expected: z.string().optional().meta({ description: 'what would be right' }),
    position: positionSchema.optional().meta({ description: 'where in a text (SQL) it is wrong' }),
  })
  .meta({ id: 'Problem' })

const PROBLEM_RESPONSE = {
  description: 'What went wrong (RFC 9457); for bad input the field, its value and what would be right',
  content: { 'application/problem+json': { schema: PROBLEM } },
}

const REGISTRY_PROBLEM_RESPONSE = {
  description:
    "What went wrong, by Confluent's error codes. 404 to all when another registry is used (registry.url)",
  content: {
    [REGISTRY_MEDIA_TYPE]: {
      schema: z
        .object({
          error_code: z
            .int()
            .meta({ description: 'an HTTP status, or one followed by two digits', example: 40403 }),
          message: z.string().meta({ description: 'what went wrong, in a sentence' }),
        })
        .meta({ id: 'RegistryProblem' }),
    },
  },
}

const REGISTRY_PARAMETERS: Readonly<Record<string, z.ZodType>> = {
  id: z.string().meta({ description: 'schema id, as records carry it on the wire', example: '1' }),
  subject: z.string().meta({ description: '<topic>-value', example: 'market-data.trades-value' }),
  version: z.string().meta({ description: 'a number from 1, or latest', example: 'latest' }),
}

const TABLE = z.string().meta({ description: 'trades, quotes, quarantine or corrections', example: 'trades' })
const MAINTAINED = z.string().meta({
  description: 'trades, quotes, quarantine, corrections, sequence_gaps or a rollup',
  example: 'trades',
})
const REF = z.string().meta({ description: 'name of a branch or tag', example: 'end-of-2025' })

const PAGE =
  'A page of the answer, or all of it. All but JSON hold rows only; X-Next-Page-Token, X-Complete, X-Receipt and X-Open-Gaps are then headers.'

const CORRECTION_ROWS = z.string().meta({
  description:
    'corrections: `table` (trades, quotes), `action` (cancel, replace), the row by `message_id` or by `log_partition` and `log_offset`, `reason`; of a replace the fields that change, named as in answers. `symbol` and `exchange`, if given, must be those of the row. With an `id`, of one source, it is made once',
  example: '{"table":"trades","action":"replace","message_id":"m1","price":"36.67","reason":"fat finger"}',
})

function status<const S extends string>(value: S) {
  return z.literal(value).meta({ description: 'the answer itself' })
}

function json(description: string, schema: z.ZodType) {
  return { description, content: { 'application/json': { schema } } }
}

/** The OpenAPI 3.1 document, from the very schemas that requests are read with. */
export function openApiDocument(resources: readonly Resource[], version: string): object {
  const registry = new OpenAPIRegistry()
  for (const { path, summary, parameters, data } of resources) {
    registry.registerPath({
      method: 'get',
      path,
      summary,
      tags: ['market data'],
      request: { query: parameters },
      responses: { 200: { description: PAGE, content: rowsContent(data, META) }, default: PROBLEM_RESPONSE },
    })
  }
  const sqlContent = rowsContent(SQL_ROWS, META.extend(sqlMetaShape).meta({ id: 'SqlMeta' }))
  registry.registerPath(
    sqlPath({ 200: { description: PAGE, content: sqlContent }, default: PROBLEM_RESPONSE }),
  )
  for (const table of ['trades', 'quotes'] as const) {
    const rows = z.string().meta({
      description: `rows of ${table}, by the fields of GET /v1/${table} and no others: a row with another one is refused (malformed), and brings no column`,
    })
    registry.registerPath({
      method: 'post',
      path: `/v1/ingest/${table}`,
      summary: `Takes ${table}, which are the body`,
      tags: ['ingest'],
      request: {
        query: ingestParameters,
        headers: ingestHeaders,
        body: {
          required: true,
          content: Object.fromEntries(INGEST_BODIES.map((type) => [type, { schema: rows }])),
        },
      },
      responses: {
        200: json(
          'The accepted rows are durable in the log, the others in quarantine',
          envelope(ingestSchema),
        ),
        default: PROBLEM_RESPONSE,
      },
    })
  }
  registry.registerPath({
    method: 'post',
    path: CORRECTIONS_PATH,
    summary: 'Takes corrections, which are the body: each cancels or replaces one row',
    tags: ['ingest'],
    request: {
      query: correctionParameters,
      headers: ingestHeaders,
      body: {
        required: true,
        content: Object.fromEntries(INGEST_BODIES.map((type) => [type, { schema: CORRECTION_ROWS }])),
      },
    },
    responses: {
      202: json(
        'They are durable in the log, and are made soon, in its order: GET says what became of them. When one of a body is wrong, that is a 400 and none is taken',
        envelope(ingestSchema),
      ),
      default: PROBLEM_RESPONSE,
    },
  })
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
    request: { params: z.object({ id: z.string().meta({ description: '`id` of the load' }) }) },
    responses: { 200: json('The load', envelope(loadSchema)), default: PROBLEM_RESPONSE },
  })
  for (const [path, summary, item] of [
    ['/admin/tables', 'The tables', tableSchema],
    ['/admin/rollups', 'The tables that are derived from others, and what they reflect', rollupSchema],
    ['/admin/cache', 'What is kept of answers, and how often it was found', cacheLayerSchema],
    [
      '/admin/jobs',
      'The jobs of this process, newest first; ended ones are forgotten after some time',
      jobSchema,
    ],
  ] as const) {
    const responses = { 200: json('All of them', envelope(z.array(item))), default: PROBLEM_RESPONSE }
    registry.registerPath({ method: 'get', path, summary, tags: ['admin'], responses })
  }
  registry.registerPath({
    method: 'post',
    path: '/v1/estimate',
    summary: 'What the answer to a list would cost; nothing is read',
    tags: ['market data'],
    request: { body: { required: true, content: { 'application/json': { schema: estimateRequestSchema } } } },
    responses: { 200: json('The estimate', envelope(estimateSchema)), default: PROBLEM_RESPONSE },
  })
  registry.registerPath({
    method: 'delete',
    path: '/admin/cache',
    summary: 'Forgets what is kept of answers',
    tags: ['admin'],
    responses: {
      200: json('What was forgotten', envelope(z.array(clearedLayerSchema))),
      default: PROBLEM_RESPONSE,
    },
  })
  registry.registerPath({
    method: 'get',
    path: '/admin/tables/{table}',
    summary: 'A table and its partitions',
    tags: ['admin'],
    request: { params: z.object({ table: MAINTAINED }) },
    responses: { 200: json('The table', envelope(tableDetailSchema)), default: PROBLEM_RESPONSE },
  })
  for (const { method, path, summary, body, data } of EVOLUTION_ROUTES) {
    const params = { table: TABLE, ...(path.includes('{name}') && { name: REF }) }
    registry.registerPath({
      method,
      path: `/admin/tables/{table}${path}`,
      summary,
      tags: ['admin'],
      request: {
        params: z.object(params),
        ...(body && { body: { required: true, content: { 'application/json': { schema: body } } } }),
      },
      responses: {
        ...(data ? { 200: json('As it is now', envelope(data)) } : { 204: { description: 'It is gone' } }),
        default: PROBLEM_RESPONSE,
      },
    })
  }
  registry.registerPath({
    method: 'get',
    path: '/admin/tables/{table}/plan',
    summary: 'What a compaction of a table would do now',
    tags: ['admin'],
    request: { params: z.object({ table: MAINTAINED }) },
    responses: { 200: json('The plan', envelope(planSchema)), default: PROBLEM_RESPONSE },
  })
  for (const kind of JOB_KINDS) {
    registry.registerPath({
      method: 'post',
      path: `/admin/tables/{table}/${kind}`,
      summary: JOB_SUMMARIES[kind],
      tags: ['admin'],
      request: {
        params: z.object({ table: MAINTAINED }),
        body: { required: false, content: { 'application/json': { schema: jobRequestSchema } } },
      },
      responses: {
        202: json('The job; its Location tells how far it is', envelope(jobSchema)),
        default: PROBLEM_RESPONSE,
      },
    })
  }
  for (const [method, path, summary] of [
    ['get', '/admin/jobs/{id}', 'A job'],
    ['post', '/admin/jobs/{id}/cancel', 'Tells a job to stop; what it has committed stays'],
  ] as const) {
    registry.registerPath({
      method,
      path,
      summary,
      tags: ['admin'],
      request: { params: z.object({ id: z.string().meta({ description: 'id of the job' }) }) },
      responses: { 200: json('As it is now', envelope(jobSchema)), default: PROBLEM_RESPONSE },
    })
  }
  registry.registerPath({
    method: 'post',
    path: '/admin/quarantine/replay',
    summary:
      'Sends refused records of the log down the road again, each at most once; those that would be refused again stay',
    tags: ['admin'],
    request: { query: replayParameters },
    responses: { 200: json('The table has judged them', envelope(replaySchema)), default: PROBLEM_RESPONSE },
  })
  for (const { method, path, summary, body, data } of REGISTRY_ROUTES) {
    const names = [...path.matchAll(/{(\w+)}/g)].map(([, name]) => name!)
    registry.registerPath({
      method,
      path: REGISTRY_ROOT + path,
      summary,
      tags: ['schema registry'],
      request: {
        ...(names.length > 0 && {
          params: z.object(Object.fromEntries(names.map((name) => [name, REGISTRY_PARAMETERS[name]!]))),
        }),
        ...(body && { body: { content: { [REGISTRY_MEDIA_TYPE]: { schema: body } } } }),
      },
      responses: {
        200: { description: 'The answer', content: { [REGISTRY_MEDIA_TYPE]: { schema: data } } },
        default: REGISTRY_PROBLEM_RESPONSE,
      },
    })
  }
  registry.registerPath({
    method: 'get',
    path: '/health/live',
    summary: 'The process runs',
    tags: ['health'],
    responses: { 200: json('Yes', z.object({ status: status('live') })), default: PROBLEM_RESPONSE },
  })
  registry.registerPath({
    method: 'get',
    path: '/health/ready',
    summary:
      'The tables have caught up with the log; 503 until then, and when the log cannot be read any more',
    tags: ['health'],
    responses: {
      200: json('Yes', healthSchema.extend({ status: status('ready') })),
      default: {
        description: 'Not yet, or not any more (RFC 9457), with the same details',
        content: { 'application/problem+json': { schema: PROBLEM.extend(healthSchema.shape) } },
      },
    },
  })
  registry.registerPath({
    method: 'get',
    path: '/metrics',
    summary: 'Numbers of this process for Prometheus',
    tags: ['health'],
    responses: {
      200: {
        description: "Prometheus' text format; each metric says what it means",
        content: { 'text/plain': { schema: z.string().meta({ description: 'the metrics' }) } },
      },
      default: PROBLEM_RESPONSE,
    },
  })
  return new OpenApiGeneratorV31(registry.definitions).generateDocument({
    openapi: '3.1.0',
    info: {
      title: 'ticklake',
      version,
      description:
        'Trades, quotes and bars, exact and within milliseconds of arriving. Prices and sizes are decimal texts, or decimals; a price is in ' +
        "the row's currency, a size in the exchange's unit. Times are RFC 3339 in UTC, and nanoseconds since 1970 as text. " +
        'RateLimit headers (draft-ietf-httpapi-ratelimit-headers) tell how many more queries would be taken now; 429 and 503 have Retry-After. ' +
        "/iceberg is a catalog of the tables by Iceberg's REST Catalog Open API specification, which describes it.",
    },
  })
}
