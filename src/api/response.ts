import { once } from 'node:events'
import type { Response } from 'express'
import { type Clock, formatMicros, TicklakeError, unreachable } from '#core'
import {
  type Answer,
  type AnswerMeta,
  arrowOpening,
  type Covered,
  isText,
  type OpenGaps,
  type SqlMeta,
  type TableMeta,
} from '#query'
import { mediaType } from './request.js'

/**
 * Sends an answer, waiting for a slow reader: what it does not take is not read from the tables. JSON has the envelope;
 * the other formats hold rows alone, and their next page token, completeness, receipt and number of open gaps are headers;
 * the schema of an Arrow stream has them too.
 */
export async function sendAnswer(
  response: Response,
  answer: Answer,
  signal: AbortSignal,
  clock: Clock,
): Promise<void> {
  const { encoding, data, meta } = answer
  response.setHeader('Content-Type', `${mediaType(encoding)}${isText(encoding) ? '; charset=utf-8' : ''}`)
  response.setHeader('X-Complete', String(answer.complete))
  response.setHeader('X-Receipt', meta.receipt)
  if (meta.gaps) response.setHeader('X-Open-Gaps', String(meta.gaps.count))
  if (answer.nextPageToken !== null) response.setHeader('X-Next-Page-Token', answer.nextPageToken)
  if (!answer.complete) {
    response.setHeader('Cache-Control', 'no-store')
  } else if (answer.tag !== undefined) {
    // Weak: the data are the same to the byte, what is told beside them (elapsed_ms) is not.
    response.setHeader('ETag', `W/"${answer.tag}"`)
    response.setHeader('Cache-Control', 'no-cache')
    response.vary('Accept')
  }
  if (answer.isKnown) {
    response.status(304).end()
    return
  }
  const stalled = new AbortController()
  // One for the whole answer: the signal remembers each that is made of it for as long as it lives.
  const ended = AbortSignal.any([signal, stalled.signal])
  try {
    // Nobody reads the body of an answer to HEAD.
    const isRead = response.req.method !== 'HEAD'
    for await (const chunk of isRead ? body(answer) : []) {
      signal.throwIfAborted()
      if (response.write(chunk)) continue
      const cancel = clock.after(STALLED_MS, () =>
        stalled.abort(new TicklakeError('timeout', `the client has read nothing for ${STALLED_MS} ms`)),
      )
      await drained(response, ended).finally(cancel)
    }
  } finally {
    await data.close()
  }
  response.end()
}

/** A reader that takes nothing for so long is left: it has one of few places, and holds an old version. */
const STALLED_MS = 60_000

/** Throws the signal's reason when that comes first. */
async function drained(response: Response, signal: AbortSignal): Promise<void> {
  try {
    await once(response, 'drain', { signal })
  } catch (error) {
    signal.throwIfAborted()
    throw error
  }
}

/** The data in what a format puts around them. */
async function* body(answer: Answer): AsyncGenerator<Uint8Array | string> {
  const { encoding, data } = answer
  switch (encoding) {
    case 'csv':
      yield `${answer.fields.join(',')}\r\n`
      break
    case 'json':
      yield answer.single ? '{"data":' : '{"data":['
      break
    case 'arrow':
      yield arrowOpening(answer.columns ?? [], arrowMetadata(answer))
      break
    case 'ndjson':
    case 'parquet':
      break
    default:
      unreachable(encoding)
  }
  yield* data
  if (encoding !== 'json') return
  const rest = {
    complete: answer.complete,
    ...(answer.covered && { covered: [coveredJson(answer.covered)] }),
    ...(answer.reason !== undefined && { reason: answer.reason }),
    next_page_token: answer.nextPageToken,
    meta: metaJson(answer.meta),
  }
  yield `${answer.single ? '' : ']'},${JSON.stringify(rest).slice(1)}`
}

/** What a file that was made of the stream still tells, when the headers are long gone. */
function arrowMetadata({ complete, nextPageToken, meta }: Answer): ReadonlyMap<string, string> {
  return new Map([
    ['ticklake.receipt', meta.receipt],
    ['ticklake.complete', String(complete)],
    ...(nextPageToken === null ? [] : [['ticklake.next_page_token', nextPageToken] as const]),
  ])
}

/** `meta` as it is sent. */
function metaJson(meta: AnswerMeta) {
  return {
    route: meta.route,
    receipt: meta.receipt,
    snapshot_id: meta.snapshotId,
    engine: meta.engine,
    cache: meta.cache,
    rollup: meta.rollup,
    files_total: meta.filesTotal,
    files_read: meta.filesRead,
    rows_scanned: meta.rowsScanned,
    bytes_read: meta.bytesRead,
    elapsed_ms: meta.elapsedMs,
    ...(meta.gaps && { gaps: gapsJson(meta.gaps) }),
    ...(meta.sql && sqlJson(meta.sql)),
    ...(meta.tables && { tables: meta.tables.map(tableJson) }),
  }
}

function sqlJson({ columns, cut }: SqlMeta) {
  return { columns, ...(cut && { cut }) }
}

/** One table of several. */
function tableJson({ table, ...meta }: TableMeta & { readonly table: string }) {
  return {
    table,
    route: meta.route,
    receipt: meta.receipt,
    snapshot_id: meta.snapshotId,
    files_total: meta.filesTotal,
    files_read: meta.filesRead,
    rows_scanned: meta.rowsScanned,
    bytes_read: meta.bytesRead,
  }
}

function coveredJson({ startNanos, endNanos }: Covered) {
  const text = (nanos: bigint | null) => (nanos === null ? null : formatMicros(nanos / 1000n))
  return { start: text(startNanos), end: text(endNanos) }
}

/** Sequence numbers as text: they may exceed 2^53. */
function gapsJson({ count, missing, listed }: OpenGaps) {
  return {
    count,
    missing: String(missing),
    listed: listed.map((gap) => ({ ...gap, from: String(gap.from), to: String(gap.to) })),
  }
}
