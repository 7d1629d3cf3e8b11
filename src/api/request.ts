import type { Request, Response } from 'express'
import { z } from 'zod'
import { invalid } from '#core'
import { parseRange, SECONDS_PER_DAY, type Selection, type SessionPart } from '#query'
import type { AsOf } from '#storage'
import { FORMATS, type Format } from './parameters.js'
import { HttpError } from './problem.js'

const MEDIA_TYPES: Readonly<Record<Format, string>> = {
  json: 'application/json',
  ndjson: 'application/x-ndjson',
  csv: 'text/csv',
  arrow: 'application/vnd.apache.arrow.stream',
  parquet: 'application/vnd.apache.parquet',
}

/** For routes that take none. */
export const NO_PARAMETERS = z.object({})

/**
 * Reads the query parameters of a request. An unknown one, one given twice and one that does not fit is `invalid_input`
 * with its name, its value and what would be right.
 */
export function readParameters<S extends z.ZodObject>(request: Request, schema: S): z.output<S> {
  return parseParameters(new URL(request.originalUrl, 'http://localhost').searchParams, schema)
}

/** The same of parameters that came otherwise. */
export function parseParameters<S extends z.ZodObject>(given: URLSearchParams, schema: S): z.output<S> {
  const known = Object.keys(schema.shape)
  for (const name of new Set(given.keys())) {
    if (!known.includes(name)) {
      throw invalid(
        name,
        given.get(name),
        `understood here: the parameters are ${known.join(', ') || 'none'}`,
      )
    }
    const values = given.getAll(name)
    if (values.length > 1) throw invalid(name, values.join(' and '), 'given once')
  }
  const result = schema.safeParse(Object.fromEntries(given))
  if (result.success) return result.data
  const issue = result.error.issues[0]!
  const name = issue.path.join('.')
  throw invalid(name, given.get(name) ?? '', issue.message)
}

/** The format asked for by `format`, else by Accept, else JSON. */
export function chooseFormat(request: Request, parameter: Format | undefined): Format {
  if (parameter) return parameter
  const accepted = request.accepts(FORMATS.map((format) => MEDIA_TYPES[format]))
  const format = FORMATS.find((candidate) => MEDIA_TYPES[candidate] === accepted)
  if (!format) throw new HttpError(406, `Accept: one of ${Object.values(MEDIA_TYPES).join(', ')} is on offer`)
  return format
}

export function mediaType(format: Format): string {
  return MEDIA_TYPES[format]
}

/** Aborts when the client leaves before its answer is complete. */
export function clientSignal(response: Response): AbortSignal {
  const controller = new AbortController()
  response.once('close', () => {
    if (!response.writableFinished) controller.abort(new ClientLeft())
  })
  return controller.signal
}

/** The reason of `clientSignal`: nobody is there to be answered. */
export class ClientLeft extends Error {
  constructor() {
    super('the client left')
    this.name = 'ClientLeft'
  }
}

/** The tags that If-None-Match names, weak or not. */
export function knownTags(header: string | undefined): readonly string[] {
  return [...(header ?? '').matchAll(/"([^"]*)"/g)].map((match) => match[1]!)
}

/** The selection that parameters name. */
export function selectionOf(parameters: {
  readonly symbols?: readonly string[] | undefined
  readonly exchange?: string | undefined
  readonly start?: string | undefined
  readonly end?: string | undefined
  readonly as_of?: AsOf | undefined
}): Selection {
  return {
    symbols: parameters.symbols ?? null,
    exchange: parameters.exchange ?? null,
    ...parseRange(parameters.start ?? null, parameters.end ?? null),
    ...(parameters.as_of && { asOf: parameters.as_of }),
  }
}

/** By which clock time is cut. Days without a time zone are those of trading: a UTC day may split them. */
export function clockOf(
  intervalSeconds: number,
  { tz, session }: { readonly tz?: string | undefined; readonly session?: SessionPart | undefined },
): { readonly timeZone: string; readonly session: SessionPart | null } {
  if (tz !== undefined && session !== undefined)
    throw invalid('session', session, 'given without tz: a session has the time zone of its exchange')
  const isTradingDay = tz === undefined && intervalSeconds === SECONDS_PER_DAY
  return { timeZone: tz ?? 'UTC', session: session ?? (isTradingDay ? 'all' : null) }
}
