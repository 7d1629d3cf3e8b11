import { randomUUID } from 'node:crypto'
import { createWriteStream } from 'node:fs'
import { rm } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import type { Request, Response } from 'express'
import { z } from 'zod'
import { invalid } from '#core'
import type { LoadRequest } from '#ingest'
import type { LoadJob, Loads } from './loads.js'
import { problemOf } from './problem.js'
import { NO_PARAMETERS, readParameters } from './request.js'

const flag = (description: string) =>
  z
    .enum(['true', 'false'], { error: 'true or false' })
    .default('false')
    .transform((text) => text === 'true')
    .meta({ description, type: 'boolean', default: false })
const text = (description: string, example?: string) =>
  z.string().min(1, 'a text').optional().meta({ description, example })

/** POST /v1/loads. The body is the file. */
export const loadParameters = z.object({
  // A name only: a loader reads a path as a file of the machine, which is not for clients to choose.
  format: z
    .string()
    .regex(/^[\w-]+$/, 'the name of a format, such as asx-trades')
    .optional()
    .meta({ description: 'name of a format', example: 'asx-trades' }),
  format_sql: text("SQL of a format of one's own, instead of a name"),
  file_name: text('name of the file, with its endings', '7078.csv.gz'),
  symbol: text('symbol of all rows, for formats whose files do not name it', 'BHP'),
  exchange: text('exchange of all rows, for formats that do not name it', 'ASX'),
  date: z
    .string()
    .regex(/^\d{4}-\d\d-\d\d$/, 'a date such as 2014-03-10')
    .optional()
    .meta({ description: 'date of all rows, for files that hold times of day only' }),
  again: flag('load a file again that was loaded before'),
  wait: flag('answer when the load has ended'),
})

const count = (description: string) => z.int().nullable().meta({ description })

/** A load, as it is answered. */
export const loadSchema = z
  .object({
    id: z.string().meta({ description: 'for GET /v1/loads/{id}' }),
    file_name: z.string().meta({ description: 'as it was given' }),
    state: z
      .enum(['queued', 'running', 'done', 'failed'])
      .meta({ description: 'done: the rows are committed; failed: error says why' }),
    already_loaded: z
      .boolean()
      .nullable()
      .meta({ description: 'the same content was loaded before in the same way: nothing was added' }),
    rows_read: count('rows read so far: accepted, quarantined and skipped'),
    accepted: count('rows that went to the table'),
    quarantined: count('rows that went to quarantine, whole and with their reason'),
    quarantine_reasons: z
      .record(z.string(), z.int())
      .nullable()
      .meta({ description: 'quarantined rows by reason; null until the load is done' }),
    skipped: count('lines that the format passes over, such as other streams and empty lines'),
    seconds: z.number().nullable().meta({
      description: 'until all rows were in the log, in seconds; the commit that follows is not counted',
    }),
    rows_per_second: z.int().nullable().meta({ description: 'rows_read / seconds' }),
    source_id: z
      .string()
      .nullable()
      .meta({ description: 'the attempt: message_id of its rows is <source_id>:<row>' }),
    snapshot_id: z
      .string()
      .nullable()
      .meta({ description: 'newest snapshot of the table that the rows went to' }),
    snapshot_ids: z
      .record(z.string(), z.string().nullable())
      .meta({ description: 'newest snapshot of each table that the load reached, by table' }),
    error: z.unknown().meta({ description: 'problem details of a failed load, else null' }),
  })
  .meta({ id: 'Load' })

export type LoadJson = z.output<typeof loadSchema>

export interface LoadRoutes {
  post(request: Request, response: Response, requestId: string): Promise<void>
  get(request: Request, response: Response, requestId: string): void
}

/** Uploads are written to `tempDirectory`, which exists, and removed when they are loaded. */
export function loadRoutes(loads: Loads, tempDirectory: string): LoadRoutes {
  return {
    post: async (request, response, requestId) => {
      const { wait, ...parameters } = readParameters(request, loadParameters)
      const path = join(tempDirectory, `upload-${randomUUID()}`)
      const load = loadRequest(parameters, path)
      const remove = () => rm(path, { force: true })
      loads.enter()
      try {
        await receive(request, path)
      } catch (error) {
        loads.leave()
        await remove()
        throw error
      }
      const job = loads.take(load, remove)
      if (wait) await job.ended
      response.setHeader('Location', `/v1/loads/${job.id}`)
      if (wait && job.error) throw job.error
      response
        .status(wait ? 200 : 202)
        .json({ data: loadJson(job, requestId), complete: true, next_page_token: null })
    },
    get: (request, response, requestId) => {
      readParameters(request, NO_PARAMETERS)
      const job = loads.get(String(request.params.id))
      response.json({ data: loadJson(job, requestId), complete: true, next_page_token: null })
    },
  }
}

function loadRequest(parameters: Omit<z.output<typeof loadParameters>, 'wait'>, path: string): LoadRequest {
  const { format, format_sql: sql, file_name: name = 'upload', symbol, exchange, date, again } = parameters
  if ((format === undefined) === (sql === undefined)) {
    throw invalid('format', format ?? '', 'one of a format name in `format` or SQL in `format_sql`')
  }
  return {
    path,
    fileName: basename(name),
    format: sql === undefined ? format! : { sql, name: 'of your own' },
    again,
    ...(symbol !== undefined && { symbol }),
    ...(exchange !== undefined && { exchange }),
    ...(date !== undefined && { date }),
  }
}

/** Streams the body to a file. A body that ends early is the client's leaving. */
async function receive(request: Request, path: string): Promise<void> {
  const file = createWriteStream(path, { flags: 'wx' })
  await pipeline(request, file)
  if (file.bytesWritten === 0) throw invalid('body', '', 'the bytes of the file to load')
}

/** A load as it is answered; while it runs, with the counts so far. */
export function loadJson(job: LoadJob, requestId: string): LoadJson {
  const { result, counts } = job
  const snapshotIds = [...job.snapshotIds].map(
    ([table, id]) => [table, id === null ? null : String(id)] as const,
  )
  return {
    id: job.id,
    file_name: job.fileName,
    state: job.state,
    already_loaded: result?.alreadyLoaded ?? null,
    rows_read: counts?.rowsRead ?? null,
    accepted: counts?.accepted ?? null,
    quarantined: counts?.quarantined ?? null,
    quarantine_reasons: result?.quarantineReasons ?? null,
    skipped: counts?.skipped ?? null,
    seconds: result && Math.round(result.seconds * 1000) / 1000,
    rows_per_second: result && result.seconds > 0 ? Math.round(result.rowsRead / result.seconds) : null,
    source_id: result?.sourceId ?? null,
    snapshot_id: snapshotIds.find(([table]) => table !== 'quarantine')?.[1] ?? null,
    snapshot_ids: Object.fromEntries(snapshotIds),
    error: job.error && problemOf(job.error, requestId).problem,
  }
}
