import { z } from 'zod'
import { invalid, QUOTES, type TableName, TRADES } from '#core'
import type { QuarantinedRecord, Replay, ReplayResult } from '#ingest'
import { type Answer, MARKET_TABLES, type QuarantineRequest, type QueryRouter } from '#query'
import type { StreamTable } from '#storage'
import { quarantineParameters } from './parameters.js'

/** What the server asks of a replay. */
export type RecordReplay = Pick<Replay, 'replay'>

/** POST /admin/quarantine/replay */
export const replayParameters = z.object({
  of: z
    .enum(MARKET_TABLES, { error: `one of ${MARKET_TABLES.join(', ')}` })
    .meta({ description: 'records that were meant for which table' }),
  reason: quarantineParameters.reason,
  source: z
    .string()
    .optional()
    .meta({ description: 'only those of <topic>/<partition>', example: 'market-data.trades/0' }),
})

const count = (description: string) => z.int().meta({ description })

export const replaySchema = z
  .object({
    replayed: count('records that were appended to their topic once more'),
    already: count('records that an earlier replay had appended'),
    refused: count('records that would be refused again, and stay'),
    problems: z
      .array(
        z.object({
          log_partition: count('its place in the quarantine: partition'),
          log_offset: count('its place in the quarantine: offset'),
          reason: z.string().meta({ description: 'why it would be refused' }),
          detail: z.string().meta({ description: 'field, value and what would be right' }),
        }),
      )
      .meta({ description: 'why records would be refused again: the first hundred' }),
  })
  .meta({ id: 'Replay' })

export type ReplayJson = z.output<typeof replaySchema>

const DEFINITIONS = { trades: TRADES, quotes: QUOTES } as const

/** Records that are held at a time. */
const PAGE_RECORDS = 500

/** Replays what the quarantine holds now; answers once the table has judged it. */
export async function replayQuarantine(
  router: QueryRouter,
  tables: ReadonlyMap<TableName, StreamTable>,
  replay: RecordReplay,
  parameters: z.output<typeof replayParameters>,
  signal: AbortSignal,
): Promise<ReplayJson> {
  const { of } = parameters
  const { reason, source } = { reason: parameters.reason ?? null, source: parameters.source ?? null }
  const definition = DEFINITIONS[of]
  if (source !== null && !source.startsWith(`${definition.topic}/`)) {
    throw invalid(
      'source',
      source,
      `${definition.topic}/<partition>: a line of a file needs its header and options to be read, so it cannot be ` +
        'replayed; `ticklake quarantine export` writes such lines to files, to be mended and loaded with `ticklake load`',
    )
  }
  const pages = quarantinedRecords(router, { of, reason, sourceId: source }, signal)
  const result = await replay.replay(definition, pages)
  await tables.get(of)?.visible(result.end, signal)
  return replayJson(result)
}

async function* quarantinedRecords(
  router: QueryRouter,
  filter: Pick<QuarantineRequest, 'of' | 'reason' | 'sourceId'>,
  signal: AbortSignal,
): AsyncGenerator<readonly QuarantinedRecord[]> {
  const everything = { symbols: null, exchange: null, startNanos: null, endNanos: null } as const
  const fields = ['log_partition', 'log_offset', 'original_base64']
  for (let pageToken: string | null = null, isFirst = true; isFirst || pageToken !== null; isFirst = false) {
    const page = { order: 'asc', fields, limit: PAGE_RECORDS, pageToken } as const
    const request = { ...everything, ...filter, kind: 'record', ...page } as const
    const answer = await router.quarantine(request, { encoding: 'ndjson', signal })
    yield (await linesOf(answer)).map(parseRecord)
    pageToken = answer.nextPageToken
  }
}

async function linesOf({ data }: Answer): Promise<readonly string[]> {
  const text = (await data.bytes()).toString()
  return text.split('\n').slice(0, -1)
}

function parseRecord(row: string): QuarantinedRecord {
  // The router wrote it, with the three fields that it was asked for; none is null in a record of the log.
  const { log_partition, log_offset, original_base64 } = JSON.parse(row) as {
    log_partition: number
    log_offset: number
    original_base64: string
  }
  return { partition: log_partition, offset: log_offset, original: Buffer.from(original_base64, 'base64') }
}

function replayJson({ replayed, already, refused, problems }: ReplayResult): ReplayJson {
  return {
    replayed,
    already,
    refused,
    problems: problems.map(({ partition, offset, reason, detail }) => ({
      log_partition: partition,
      log_offset: offset,
      reason,
      detail,
    })),
  }
}
