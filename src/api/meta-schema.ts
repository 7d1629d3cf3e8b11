import { z } from 'zod'

/** Where rows were read, at which version. */
const TABLE_META = {
  route: z
    .enum(['real-time', 'historical', 'hybrid'])
    .meta({ description: 'where rows were read: the tail in memory, files, or both' }),
  receipt: z
    .string()
    .meta({ description: 'names the version that was read: table, snapshot and log positions' }),
  snapshot_id: z.string().nullable().meta({ description: 'snapshot of that version; null before the first' }),
}

/** What that took. */
const TABLE_COST = {
  files_total: z.int().meta({ description: 'data files of the snapshot, and of a rollup that was read' }),
  files_read: z.int().meta({ description: 'of these, the files that statistics could not leave out' }),
  rows_scanned: z.int().meta({ description: 'rows of the files and tail segments that were read' }),
  bytes_read: z.int().meta({ description: 'size of the files that were read, in bytes' }),
}

/** `meta` of an answer. */
export const META = z
  .object({
    ...TABLE_META,
    engine: z.literal('duckdb').meta({ description: 'what ran the query' }),
    cache: z
      .enum(['none', 'memory', 'redis'])
      .meta({ description: 'the farthest layer of the cache that had some of the rows' }),
    rollup: z
      .string()
      .nullable()
      .meta({ description: 'table that parts of the bars were read from; null: none was' }),
    ...TABLE_COST,
    elapsed_ms: z.number().meta({ description: 'time spent on the query, in milliseconds' }),
    gaps: z
      .object({
        count: z.int().meta({ description: 'gaps that are open now, of the symbols and times asked for' }),
        missing: z.string().meta({ description: 'how many sequence numbers they are' }),
        listed: z
          .array(
            z.object({
              symbol: z.string().meta({ description: 'instrument' }),
              exchange: z.string().meta({ description: 'the feed that counts' }),
              from: z.string().meta({ description: 'first missing number' }),
              to: z.string().meta({ description: 'last missing number' }),
              after: z.string().meta({ description: 'event time of the row before them' }),
              before: z.string().meta({ description: 'event time of the row after them' }),
            }),
          )
          .meta({ description: 'the first hundred' }),
      })
      .optional()
      .meta({ description: 'what sequence numbers tell to be missing; absent when nothing is known to be' }),
    tables: z
      .array(
        z.object({
          table: z.string().meta({ description: 'name of the table' }),
          ...TABLE_META,
          ...TABLE_COST,
        }),
      )
      .optional()
      .meta({
        description:
          'of an answer from several tables, or to SQL: each at its version, all pinned in one moment; a rollup at that of its source. The receipt above names them all, and snapshot_id is null where they are several',
      }),
  })
  .meta({ id: 'Meta' })
