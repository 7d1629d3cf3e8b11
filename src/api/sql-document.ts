import type { RouteConfig } from '@asteasolutions/zod-to-openapi'
import { z } from 'zod'
import { SQL_PATH, sqlBodySchema, sqlParameters } from './sql.js'

export const positionSchema = z.object({
  offset: z.int().meta({ description: 'in characters, from 0' }),
  line: z.int().meta({ description: 'from 1' }),
  column: z.int().meta({ description: 'from 1' }),
})

/** What `meta` holds besides. */
export const sqlMetaShape = {
  columns: z
    .array(
      z.object({
        name: z.string().meta({ description: 'unlike all others' }),
        type: z.string().meta({ description: "DuckDB's name", example: 'DECIMAL(18,8)' }),
      }),
    )
    .meta({ description: 'whole numbers of up to 64 bits are JSON numbers, decimals and longer ones texts' }),
  cut: z.enum(['rows', 'bytes']).optional().meta({
    description:
      'what the answer was cut at: `limit`, or 32 MiB (a file and what is streamed are not); absent: it is whole',
  }),
}

export const SQL_ROWS = z.array(
  z
    .record(z.string(), z.unknown())
    .meta({ description: 'values by column; what they look like is said by meta.columns', id: 'SqlRow' }),
)

/** POST /v1/sql in the OpenAPI document. */
export function sqlPath(responses: RouteConfig['responses']): RouteConfig {
  return {
    method: 'post',
    path: SQL_PATH,
    summary: 'One SELECT over the tables, each at one version',
    description:
      'An answer has one page: `complete` is false when there are more rows. In Arrow and Parquet integers are int64, or decimals where they are longer; lists, structs, maps and what else has no type there are texts, as in CSV.',
    tags: ['market data'],
    request: {
      query: sqlParameters,
      body: { required: true, content: { 'application/json': { schema: sqlBodySchema } } },
    },
    responses,
  }
}
