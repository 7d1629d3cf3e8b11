import type { RouteConfig } from '@asteasolutions/zod-to-openapi'
import { z } from 'zod'
import { SQL_PATH, sqlBodySchema, sqlParameters } from './sql.js'

export const positionSchema = z.object({
  offset: z.int().meta({ description: 'in characters, from 0' }),
  line: z.int().meta({ description: 'from 1' }),
  column: z.int().meta({ description: 'from 1' }),
})

/** What `meta` holds besides. */
const sqlMetaSchema = {
  columns: z
    .array(
      z.object({
        name: z.string().meta({ description: 'unlike all others' }),
        type: z.string().meta({ description: "DuckDB's name", example: 'DECIMAL(18,8)' }),
      }),
    )
    .meta({ description: 'whole numbers of up to 64 bits are JSON numbers, decimals and longer ones texts' }),
  cut: z
    .enum(['rows', 'bytes'])
    .optional()
    .meta({ description: 'what the answer was cut at: `limit`, or 32 MiB; absent: it is whole' }),
  tables: z
    .array(
      z.object({
        table: z.string().meta({ description: 'name of the table' }),
        route: z
          .enum(['real-time', 'historical', 'hybrid'])
          .meta({ description: 'where its rows were read' }),
        receipt: z.string().meta({ description: 'names its version' }),
        snapshot_id: z.string().nullable().meta({ description: 'snapshot of that version' }),
        files_total: z.int().meta({ description: 'data files of the snapshot' }),
        files_read: z.int().meta({ description: 'of these, the files that were read' }),
        rows_scanned: z.int().meta({ description: 'rows of the files and tail segments' }),
        bytes_read: z.int().meta({ description: 'size of the files in bytes' }),
      }),
    )
    .meta({ description: 'the tables that were read, each with its version; all were pinned in one moment' }),
}

const ROW = z
  .record(z.string(), z.unknown())
  .meta({ description: 'values by column; what they look like is said by meta.columns', id: 'SqlRow' })

/** POST /v1/sql in the OpenAPI document; `meta`, `page` and `problem` are those of all answers. */
export function sqlPath(
  envelope: (data: z.ZodType) => z.ZodObject,
  meta: z.ZodObject,
  page: string,
  problem: RouteConfig['responses'][string],
): RouteConfig {
  const whole = envelope(z.array(ROW)).extend({ meta: meta.extend(sqlMetaSchema).meta({ id: 'SqlMeta' }) })
  return {
    method: 'post',
    path: SQL_PATH,
    summary: 'One SELECT over the tables, each at one version',
    tags: ['market data'],
    request: {
      query: sqlParameters,
      body: { required: true, content: { 'application/json': { schema: sqlBodySchema } } },
    },
    responses: {
      200: {
        description: `${page} An answer to SQL has one page; \`complete\` is false when there were more rows.`,
        content: {
          'application/json': { schema: whole },
          'application/x-ndjson': { schema: z.string().meta({ description: 'a row of `data` a line' }) },
          'text/csv': { schema: z.string().meta({ description: 'RFC 4180, with a header of column names' }) },
        },
      },
      default: problem,
    },
  }
}
