import type { RequestHandler } from 'express'
import { z } from 'zod'
import type { Clock } from '#core'
import { DEFAULT_LIMIT, MAX_LIMIT, parseAsOf, type QueryLimits, type SqlRouter } from '#query'
import { readBody } from './body.js'
import type { QueryDurations } from './metrics.js'
import { ALL, formatParameter, timeoutParameter } from './parameters.js'
import { rateLimit } from './rate-limit.js'
import { chooseFormat, clientSignal, readParameters } from './request.js'
import { sendAnswer } from './response.js'
import { type TimeBounds, TimeLimit } from './time-limit.js'

export const SQL_PATH = '/v1/sql'

const TIMEOUT_EXPECTED = 'a whole number of milliseconds from 1'
const LARGEST_BIGINT = 2n ** 63n - 1n

export const sqlParameters = z.object(formatParameter)

const VALUE_ERROR =
  'a text, true, false, null, or a whole number up to 2^53; of decimals and larger integers the text, such as "36.67"'
const value = z
  .union([z.string(), z.boolean(), z.null(), z.int().transform(BigInt)], { error: VALUE_ERROR })
  .refine(
    (given) => typeof given !== 'bigint' || (given <= LARGEST_BIGINT && given >= -LARGEST_BIGINT),
    VALUE_ERROR,
  )
  .meta({ type: ['string', 'boolean', 'null', 'integer'], description: VALUE_ERROR })

/** The body of the request. */
export const sqlBodySchema = z
  .strictObject({
    sql: z.string('a SELECT').min(1, 'a SELECT').meta({
      description:
        'one SELECT over trades, quotes, quarantine, corrections, sequence_gaps and rollups (bars_1m, bars_1h, quote_bars_1m, your own), with the columns of these tables; values as $name or ?',
      example:
        'SELECT symbol, sum(price * size) AS notional FROM trades WHERE exchange = $exchange GROUP BY ALL',
    }),
    params: z
      .union([z.array(value).transform(byPosition), z.record(z.string(), value)], {
        error: `values by name, or a list of them for ?; each is ${VALUE_ERROR}`,
      })
      .default({})
      .meta({
        description: 'values by name, or a list of them for ?',
        example: { exchange: 'ASX' },
        type: ['object', 'array'],
      }),
    limit: z
      .union([z.int().min(1).max(MAX_LIMIT), z.literal(ALL).transform(() => null)], {
        error: `a whole number from 1 to ${MAX_LIMIT}, or "${ALL}"`,
      })
      .default(DEFAULT_LIMIT)
      .meta({
        description:
          'rows at most; with more, `complete` is false and meta.cut is rows. all: every row, streamed as slowly as you read',
        type: ['integer', 'string'],
        minimum: 1,
        maximum: MAX_LIMIT,
        pattern: `^${ALL}$`,
      }),
    as_of: z
      .string('a snapshot id, a time, a branch or a tag')
      .transform((text) => parseAsOf('as_of', text))
      .optional()
      .meta({
        type: 'string',
        description:
          'what every table that is read held then: a time, a branch or a tag; of one table also a snapshot id',
      }),
    timeout_ms: z
      .int(TIMEOUT_EXPECTED)
      .min(1, TIMEOUT_EXPECTED)
      .optional()
      .meta({ description: timeoutParameter.timeout_ms.meta()?.description, maximum: undefined }),
  })
  .meta({ id: 'SqlRequest' })

export interface SqlRouteOptions {
  readonly sql: SqlRouter
  readonly limits: Pick<QueryLimits, 'status'>
  readonly timeouts: TimeBounds
  readonly clock: Clock
}

/** Answers POST /v1/sql. A client that leaves, and the time that it gives, end the statement. */
export function sqlRoute(
  { sql: router, limits, timeouts, clock }: SqlRouteOptions,
  queries: QueryDurations,
): RequestHandler {
  return async (request, response) => {
    const startedMs = clock.monotonicMs()
    response.set(rateLimit(limits.status()))
    response.once('close', () => {
      const status = response.writableFinished ? String(response.statusCode) : 'cut'
      queries.observe({ path: SQL_PATH, status }, clock.monotonicMs() - startedMs)
    })
    const encoding = chooseFormat(request, readParameters(request, sqlParameters).format)
    const {
      sql,
      params: parameters,
      limit,
      as_of: asOf,
      timeout_ms: timeoutMs,
    } = readBody(request, sqlBodySchema)
    const left = clientSignal(response)
    const time = new TimeLimit(timeoutMs, timeouts, clock)
    const question = { sql, parameters, limit, ...(asOf && { asOf }) }
    const signal = AbortSignal.any([left, time.signal])
    const answer = await time.answer(router.answer(question, { encoding, signal }))
    await sendAnswer(response, answer, left, clock)
  }
}

function byPosition<T>(values: readonly T[]): Record<string, T> {
  return Object.fromEntries(values.map((given, index) => [String(index + 1), given]))
}
