import { z } from 'zod'

const ARROW =
  'Arrow IPC stream: decimals are decimal128, times timestamps in UTC (µs; ts_ns: ns), lists and objects JSON texts. The metadata of its schema have ticklake.receipt, ticklake.complete and ticklake.next_page_token'
const PARQUET = 'a zstd Parquet file with the same columns; ts_ns is a timestamp without a zone'

function binary(description: string) {
  return z.string().meta({ format: 'binary', description })
}

/** What JSON has around data. */
export function envelope(data: z.ZodType) {
  return z.object({
    data,
    complete: z.boolean().meta({
      description:
        'true: nothing that the version holds of this page was left out; false: the answer was cut. More pages do not make it false, nor do gaps in what was sent (meta.gaps)',
    }),
    next_page_token: z
      .string()
      .nullable()
      .meta({ description: 'page_token of the next page; null: this is the last' }),
    covered: z
      .array(
        z.object({
          start: z.string().nullable().meta({ description: 'event time, inclusive; null: open' }),
          end: z.string().nullable().meta({ description: 'event time, exclusive; null: open' }),
        }),
      )
      .optional()
      .meta({ description: 'of an answer that was cut: what it covers; the next page goes on there' }),
    reason: z.string().optional().meta({ description: 'of an answer that was cut: why' }),
  })
}

/** An answer's rows in every format. */
export function rowsContent(data: z.ZodType, meta: z.ZodType) {
  return {
    'application/json': { schema: envelope(data).extend({ meta }) },
    'application/x-ndjson': { schema: z.string().meta({ description: 'a row of `data` a line' }) },
    'text/csv': { schema: z.string().meta({ description: 'RFC 4180, with a header of field names' }) },
    'application/vnd.apache.arrow.stream': { schema: binary(ARROW) },
    'application/vnd.apache.parquet': { schema: binary(PARQUET) },
  }
}
