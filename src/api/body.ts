import express, { type NextFunction, type Request, type RequestHandler, type Response } from 'express'
import type { z } from 'zod'
import { invalid } from '#core'
import { HttpError } from './problem.js'

/** Of a body that says what to do. */
const MAX_BODY_BYTES = 256 * 1024

/** Reads a body as text, for `readBody`. */
export function bodyText(): RequestHandler {
  const readText = express.text({ type: () => true, limit: MAX_BODY_BYTES })
  return (request: Request, response: Response, next: NextFunction) => {
    readText(request, response, (error?: unknown) => next(error === undefined ? undefined : refusal(error)))
  }
}

/** The body as JSON of this form. `invalid_input` names the member, its value and what would be right. */
export function readBody<S extends z.ZodType>(request: Request, schema: S): z.output<S> {
  const text = typeof request.body === 'string' ? request.body : ''
  let json: unknown
  try {
    json = JSON.parse(text)
  } catch (cause) {
    throw invalid('body', text, 'JSON', cause)
  }
  const result = schema.safeParse(json)
  if (result.success) return result.data
  const issue = result.error.issues[0]!
  const member = issue.path.map(String).join('.') || 'body'
  const value = JSON.stringify(memberAt(json, issue.path)) ?? 'absent'
  throw invalid(member, value, issue.message)
}

function memberAt(json: unknown, path: readonly PropertyKey[]): unknown {
  return path.reduce<unknown>((value, key) => {
    if (typeof value !== 'object' || value === null) return undefined
    return new Map<PropertyKey, unknown>(Object.entries(value)).get(String(key))
  }, json)
}

function refusal(error: unknown): unknown {
  const status = error instanceof Error && 'status' in error ? Number(error.status) : 500
  if (!(error instanceof Error) || status >= 500) return error
  return new HttpError(
    status,
    status === 413 ? `the body is longer than ${MAX_BODY_BYTES} bytes` : error.message,
  )
}
