import { once } from 'node:events'
import type { Response } from 'express'
import type { Answer, AnswerMeta, OpenGaps, SqlMeta } from '#query'
import type { Format } from './parameters.js'
import { mediaType } from './request.js'

/** Rows are joined and written so many at a time: one long join would hold up everybody else. */
const ROWS_A_CHUNK = 1_000

/**
 * Sends an answer, waiting for a slow reader. JSON has the envelope; NDJSON and CSV hold rows alone, and their
 * next page token, completeness, receipt and number of open gaps are headers.
 */
export async function sendAnswer(
  response: Response,
  answer: Answer,
  format: Format,
  signal: AbortSignal,
): Promise<void> {
  response.setHeader('Content-Type', `${mediaType(format)}; charset=utf-8`)
  response.setHeader('X-Complete', String(answer.complete))
  response.setHeader('X-Receipt', answer.meta.receipt)
  if (answer.meta.gaps) response.setHeader('X-Open-Gaps', String(answer.meta.gaps.count))
  if (answer.nextPageToken !== null) response.setHeader('X-Next-Page-Token', answer.nextPageToken)
  for (const chunk of chunks(answer, format)) {
    if (!response.write(chunk)) await once(response, 'drain', { signal })
  }
  response.end()
}

function* chunks(answer: Answer, format: Format): Generator<string> {
  switch (format) {
    case 'csv':
      yield `${answer.fields.join(',')}\r\n`
      yield* joined(answer.rows, '\r\n', true)
      return
    case 'ndjson':
      yield* joined(answer.rows, '\n', true)
      return
    case 'json': {
      yield answer.single ? '{"data":' : '{"data":['
      yield* joined(answer.rows, ',', false)
      const rest = {
        complete: answer.complete,
        next_page_token: answer.nextPageToken,
        meta: metaJson(answer.meta),
      }
      yield `${answer.single ? '' : ']'},${JSON.stringify(rest).slice(1)}`
    }
  }
}

function* joined(rows: readonly string[], separator: string, terminated: boolean): Generator<string> {
  for (let start = 0; start < rows.length; start += ROWS_A_CHUNK) {
    const end = Math.min(start + ROWS_A_CHUNK, rows.length)
    yield rows.slice(start, end).join(separator) + (terminated || end < rows.length ? separator : '')
  }
}

/** `meta` as it is sent. */
function metaJson(meta: AnswerMeta) {
  return {
    route: meta.route,
    receipt: meta.receipt,
    snapshot_id: meta.snapshotId,
    engine: meta.engine,
    cache: meta.cache,
    files_total: meta.filesTotal,
    files_read: meta.filesRead,
    rows_scanned: meta.rowsScanned,
    bytes_read: meta.bytesRead,
    elapsed_ms: meta.elapsedMs,
    ...(meta.gaps && { gaps: gapsJson(meta.gaps) }),
    ...(meta.sql && sqlJson(meta.sql)),
  }
}

function sqlJson({ columns, cut, tables }: SqlMeta) {
  const read = tables.map((table) => ({
    table: table.table,
    route: table.route,
    receipt: table.receipt,
    snapshot_id: table.snapshotId,
    files_total: table.filesTotal,
    files_read: table.filesRead,
    rows_scanned: table.rowsScanned,
    bytes_read: table.bytesRead,
  }))
  return { columns, ...(cut && { cut }), tables: read }
}

/** Sequence numbers as text: they may exceed 2^53. */
function gapsJson({ count, missing, listed }: OpenGaps) {
  return {
    count,
    missing: String(missing),
    listed: listed.map((gap) => ({ ...gap, from: String(gap.from), to: String(gap.to) })),
  }
}
