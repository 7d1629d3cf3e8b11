import type { Request, Response } from 'express'
import { z } from 'zod'
import { type Clock, CORRECTIONS, invalid, QUOTES, TRADES } from '#core'
import type { Poster, PostForm, PostRequest, PostResult } from '#ingest'
import { HttpError } from './problem.js'
import { ClientLeft, readParameters } from './request.js'

/** What the server asks of a poster. */
export type RowPoster = Pick<Poster, 'post'>

export interface IngestRouteOptions {
  readonly poster: RowPoster
  /** Takes a place for a body of so many bytes, and gives what gives it back; `overloaded` under pressure. */
  readonly admit: (bytes: number) => () => void
  readonly maxBodyBytes: number
}

const FORMS: ReadonlyMap<string, PostForm> = new Map([
  ['application/json', 'json'],
  ['application/x-ndjson', 'ndjson'],
  ['text/csv', 'csv'],
  ['application/vnd.apache.avro', 'avro'],
])

/** The content types on offer. */
export const INGEST_BODIES: readonly string[] = [...FORMS.keys()]

const DEFINITIONS = new Map([TRADES, QUOTES].map((definition) => [definition.name as string, definition]))

const PRINTABLE = /^[^\s\p{C}]([^\p{C}]*[^\s\p{C}])?$/u
const KEY_HEADER = 'Idempotency-Key'

function name(maxLength: number, what: string) {
  const error = `${what} of 1 to ${maxLength} printable characters`
  // As a pattern, JSON Schema would not know its flag.
  return z
    .string()
    .max(maxLength, error)
    .refine((text) => PRINTABLE.test(text), error)
}

/** POST /v1/ingest/{table}: what is said of all rows of a body. */
export const ingestParameters = z.object({
  source: name(64, 'a name').default('http').meta({
    description: "the producer's name: `source` of the rows, in quarantine `source_id`",
    example: 'feed-7',
  }),
  exchange: name(64, 'a name')
    .optional()
    .meta({ description: 'exchange of the rows that do not name theirs', example: 'ASX' }),
  sequence: z
    .enum(['contiguous', 'monotone', 'none'], { error: 'contiguous, monotone or none' })
    .default('none')
    .meta({
      description:
        'how `sequence` counts, for each symbol: contiguous rises by one, so that a hole is a loss; monotone never falls; none says nothing',
    }),
})

/** POST /v1/corrections: what is said of all corrections of a body. */
export const correctionParameters = z.object({
  source: name(64, 'a name').default('http').meta({
    description: 'who asks: `source` of the corrections',
    example: 'desk-3',
  }),
})

export const ingestHeaders = z.object({
  [KEY_HEADER]: name(128, 'a key').optional().meta({
    description:
      'with it, a body is taken once: sent again, it is answered with what became of it. With another body it is a 409. The newest keys are known (ingest.idempotencyKeys)',
  }),
})

const count = (description: string) => z.int().meta({ description })

/** What became of a body. */
export const ingestSchema = z
  .object({
    received: count('rows of the body: accepted and quarantined'),
    accepted: count(
      'rows that are durable in the log; queries see them within milliseconds. What only the log can tell is judged when they are read from it: a time more than 5 minutes ahead of it goes to quarantine, what was sent before is dropped where `quality.dedupe` says so',
    ),
    quarantined: count('rows that were refused and are kept in quarantine, whole and with their reason'),
    already_ingested: z
      .boolean()
      .meta({ description: 'the key came before with this body: nothing was added now' }),
    ranges: z
      .array(
        z.object({
          partition: count("partition of the table's topic"),
          from: count('offset of the first of the rows there'),
          to: count('offset after the last of them'),
        }),
      )
      .meta({ description: 'where the accepted rows are in the log' }),
    errors: z
      .array(
        z.object({
          index: count('the row, from 0'),
          field: z.string().nullable().meta({ description: 'what is wrong; null: the row as a whole' }),
          value: z
            .string()
            .nullable()
            .meta({ description: 'its value, cut to 100 characters; null: none is given' }),
          expected: z.string().meta({ description: 'what would be right' }),
          reason: z.string().meta({ description: 'as in quarantine', example: 'not_a_number' }),
        }),
      )
      .meta({ description: 'for each refused row the first thing that is wrong with it' }),
  })
  .meta({ id: 'Ingested' })

/** How long a body may take to arrive: it holds a place meanwhile. */
const RECEIVE_MS = 30_000

/** Takes the rows of a body and answers once the log has them. */
export function ingestRoute(
  options: IngestRouteOptions,
  clock: Clock,
): (request: Request, response: Response) => Promise<void> {
  return async (request, response) => {
    const definition = DEFINITIONS.get(String(request.params.table))
    if (!definition) {
      throw new HttpError(
        404,
        `rows are taken at ${[...DEFINITIONS.keys()].map((table) => `/v1/ingest/${table}`).join(' and ')}`,
      )
    }
    const parameters = readParameters(request, ingestParameters)
    const result = await take(options, clock, request, (body) => ({ definition, ...body, ...parameters }))
    response.json({ data: result, complete: true, next_page_token: null })
  }
}

/** Takes corrections, and answers once the log has them: they are made in its order, soon. */
export function correctionRoute(
  options: IngestRouteOptions,
  clock: Clock,
): (request: Request, response: Response) => Promise<void> {
  return async (request, response) => {
    const { source } = readParameters(request, correctionParameters)
    const result = await take(options, clock, request, ({ form, body, ...rest }) => ({
      definition: CORRECTIONS,
      sequence: 'none',
      source,
      form,
      // One alone need not be a list.
      body: form === 'json' && isObject(body) ? Buffer.concat([OPEN_LIST, body, CLOSE_LIST]) : body,
      ...rest,
    }))
    response.status(202).json({ data: result, complete: true, next_page_token: null })
  }
}

const [OPEN_LIST, CLOSE_LIST] = [Buffer.from('['), Buffer.from(']')]

function isObject(body: Buffer): boolean {
  return body.toString('utf8', 0, body.findIndex((byte) => byte > 0x20) + 1).trim() === '{'
}

/** What became of a body. */
async function take(
  { poster, admit, maxBodyBytes }: IngestRouteOptions,
  clock: Clock,
  request: Request,
  postOf: (body: Pick<PostRequest, 'form' | 'body' | 'idempotencyKey'>) => PostRequest,
): Promise<z.output<typeof ingestSchema>> {
  const idempotencyKey = readKey(request)
  const form = formOf(request)
  const leave = admit(expectedBytes(request, maxBodyBytes))
  try {
    const body = await receive(request, maxBodyBytes, clock)
    return resultJson(await poster.post(postOf({ form, body, idempotencyKey })))
  } finally {
    leave()
  }
}

function readKey(request: Request): string | undefined {
  const result = ingestHeaders.shape[KEY_HEADER].safeParse(request.get(KEY_HEADER))
  if (result.success) return result.data
  throw invalid(KEY_HEADER, request.get(KEY_HEADER), result.error.issues[0]!.message)
}

function formOf(request: Request): PostForm {
  const [type = '', ...attributes] = (request.get('content-type') ?? '').split(';').map((part) => part.trim())
  const form = FORMS.get(type.toLowerCase())
  const charset = attributes.find((attribute) => /^charset=/i.test(attribute))
  const isUtf8 = charset === undefined || /^charset="?utf-?8"?$/i.test(charset)
  if (!form || !isUtf8) {
    throw new HttpError(415, `Content-Type: one of ${INGEST_BODIES.join(', ')} is taken, in UTF-8`)
  }
  const encoding = request.get('content-encoding') ?? 'identity'
  if (encoding !== 'identity') {
    throw new HttpError(415, `Content-Encoding: a body is taken as it is, not as ${encoding}`)
  }
  return form
}

/** What a body may take: its length where it is told, else the longest. */
function expectedBytes(request: Request, maxBytes: number): number {
  const told = request.get('content-length')
  if (told === undefined) return maxBytes
  if (Number(told) > maxBytes) throw tooLarge(maxBytes)
  return Number(told)
}

/** The rest of such a body is not read: the connection ends with the answer. */
function tooLarge(maxBytes: number): HttpError {
  return new HttpError(413, `the body is longer than ${maxBytes} bytes: send it in parts`, {
    Connection: 'close',
  })
}

async function receive(request: Request, maxBytes: number, clock: Clock): Promise<Buffer> {
  let cancel = () => {}
  const late = new Promise<never>((_, reject) => {
    cancel = clock.after(RECEIVE_MS, () =>
      reject(new HttpError(408, `the body took longer than ${RECEIVE_MS / 1000} s`, { Connection: 'close' })),
    )
  })
  const whole = readAll(request, maxBytes)
  // When the time is over, nobody waits for it any more.
  whole.catch(() => undefined)
  try {
    return await Promise.race([whole, late])
  } finally {
    cancel()
  }
}

async function readAll(request: Request, maxBytes: number): Promise<Buffer> {
  const chunks: Buffer[] = []
  let length = 0
  try {
    // Left open, so that a body that is too long is still answered.
    for await (const chunk of request.iterator({ destroyOnReturn: false })) {
      // Without an encoding set, a request is read as buffers.
      const bytes = chunk as Buffer
      length += bytes.length
      if (length > maxBytes) throw tooLarge(maxBytes)
      chunks.push(bytes)
    }
  } catch (error) {
    if (error instanceof HttpError) throw error
    throw request.destroyed ? new ClientLeft() : error
  }
  return Buffer.concat(chunks, length)
}

function resultJson({ alreadyIngested, ...result }: PostResult): z.output<typeof ingestSchema> {
  const { received, accepted, quarantined, ranges, errors } = result
  return {
    received,
    accepted,
    quarantined,
    already_ingested: alreadyIngested,
    ranges: ranges.map(({ partition, from, to }) => ({ partition, from, to })),
    errors: errors.map(({ index, field, value, expected, reason }) => ({
      index,
      field,
      value,
      expected,
      reason,
    })),
  }
}
