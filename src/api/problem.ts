import { diskFull, type ErrorCode, type TextPosition, TicklakeError } from '#core'

/** A refusal that only HTTP knows: no such route or method, not acceptable, a foreign host or origin. */
export class HttpError extends Error {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>

  constructor(status: number, message: string, headers: Readonly<Record<string, string>> = {}) {
    super(message)
    this.name = 'HttpError'
    this.status = status
    this.headers = headers
  }
}

/** RFC 9457 problem details; `field`, `value` and `expected` for bad input. */
export interface Problem {
  readonly type: string
  readonly title: string
  readonly status: number
  readonly detail: string
  readonly request_id: string
  readonly field?: string
  readonly value?: string
  readonly expected?: string
  readonly position?: TextPosition
}

export interface ProblemAnswer {
  readonly problem: Problem
  readonly headers: Readonly<Record<string, string>>
  /** A bug of ours, whose cause belongs into the log and not into the answer. */
  readonly isBug: boolean
}

const STATUS: Readonly<Record<ErrorCode, number>> = {
  invalid_input: 400,
  not_found: 404,
  conflict: 409,
  locked: 409,
  gone: 410,
  too_large: 413,
  incomplete: 422,
  overloaded: 429,
  corrupt: 500,
  unavailable: 503,
  timeout: 504,
}

/** Codes after which the same request may be sent again, in a second. */
const RETRIED: ReadonlySet<ErrorCode> = new Set(['unavailable', 'overloaded'])

const TITLES: Readonly<Record<number, string>> = {
  400: 'Bad request',
  403: 'Forbidden',
  404: 'Not found',
  405: 'Method not allowed',
  406: 'Not acceptable',
  409: 'Conflict',
  408: 'Request timeout',
  410: 'Gone',
  413: 'Content too large',
  415: 'Unsupported media type',
  421: 'Misdirected request',
  422: 'Incomplete input',
  429: 'Too many requests',
  500: 'Internal error',
  503: 'Not available now',
  504: 'Timeout',
}

/** The answer to a request that failed. */
export function problemOf(error: unknown, requestId: string): ProblemAnswer {
  if (error instanceof TicklakeError) {
    const status = STATUS[error.code]
    const { field, value, expected, position } = error.detail
    return {
      problem: {
        ...problem(error.code, status, error.message, requestId),
        ...(field !== undefined && { field }),
        ...(value !== undefined && { value }),
        ...(expected !== undefined && { expected }),
        ...(position !== undefined && { position }),
      },
      headers: RETRIED.has(error.code) ? { 'Retry-After': '1' } : {},
      isBug: status === 500,
    }
  }
  if (error instanceof HttpError) {
    return {
      problem: problem(`http_${error.status}`, error.status, error.message, requestId),
      headers: error.headers,
      isBug: false,
    }
  }
  if (error instanceof URIError) {
    const detail = 'the path is not percent-encoded UTF-8'
    return { problem: problem('http_400', 400, detail, requestId), headers: {}, isBug: false }
  }
  const full = diskFull(error)
  if (full) return problemOf(full, requestId)
  const detail = 'something went wrong here; the log tells more under the request id'
  return { problem: problem('internal', 500, detail, requestId), headers: {}, isBug: true }
}

function problem(code: string, status: number, detail: string, requestId: string): Problem {
  return {
    type: `urn:ticklake:problem:${code}`,
    title: TITLES[status] ?? 'Error',
    status,
    detail,
    request_id: requestId,
  }
}
