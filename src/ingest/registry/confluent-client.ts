import { Breaker, type Clock, type ErrorCode, TicklakeError } from '#core'

export interface ConfluentOptions {
  /** Where the registry answers, its path included: http://localhost:8081, or http://localhost:8080/apis/ccompat/v7. */
  readonly url: string
  /** For basic authentication; without it when empty. */
  readonly user: string
  readonly password: string
  /** A request that takes longer has failed. */
  readonly timeoutMs: number
  readonly clock: Clock
}

const MEDIA_TYPE = 'application/vnd.schemaregistry.v1+json'
/** No schema is longer; what is, would only fill the memory. */
const MAX_ANSWER_BYTES = 8 * 1024 * 1024
/** How long a registry that has failed repeatedly is left alone. */
const RESET_MS = 5_000

/**
 * Requests in the REST protocol of Confluent's registry, behind a breaker. Only what the registry says of itself, by
 * one of its error codes, is `not_found`, `conflict` or `invalid_input`; all else is `unavailable`: a wrong address that
 * answers 404 must not pass for a schema that nobody registered.
 * https://docs.confluent.io/platform/current/schema-registry/develop/api.html
 */
export class ConfluentClient {
  readonly breaker: Breaker
  readonly #options: ConfluentOptions
  readonly #base: string
  readonly #headers: Readonly<Record<string, string>>

  constructor(options: ConfluentOptions) {
    const { url, user, password, timeoutMs } = options
    this.#options = options
    this.#base = url.replace(/\/+$/, '')
    const credentials = Buffer.from(`${user}:${password}`).toString('base64')
    this.#headers = {
      Accept: `${MEDIA_TYPE}, application/json`,
      'Content-Type': MEDIA_TYPE,
      ...(user !== '' && { Authorization: `Basic ${credentials}` }),
    }
    this.breaker = new Breaker({ name: 'schema registry', at: this.#base, timeoutMs, resetMs: RESET_MS })
  }

  /** The JSON that the registry answers. Parts of the path are percent-encoded here. */
  request(
    method: 'GET' | 'POST' | 'PUT',
    path: readonly (string | number)[],
    body?: object,
  ): Promise<unknown> {
    const route = `/${path.map((part) => encodeURIComponent(part)).join('/')}`
    return this.breaker.run(() => this.#request(method, route, body))
  }

  async #request(method: string, route: string, body: object | undefined): Promise<unknown> {
    const { clock, timeoutMs } = this.#options
    const controller = new AbortController()
    // The breaker has given the caller up by then; this frees the connection.
    const cancel = clock.after(timeoutMs, () => controller.abort())
    try {
      const response = await fetch(this.#base + route, {
        method,
        headers: this.#headers,
        signal: controller.signal,
        redirect: 'error',
        ...(body && { body: JSON.stringify(body) }),
      })
      const answer = parsed(await boundedText(response))
      if (response.ok && answer !== undefined) return answer
      throw refusal(this.#base, method, route, response.status, answer)
    } catch (error) {
      if (error instanceof TicklakeError) throw error
      // What fetch throws hides the reason (a refused connection, say) in its cause.
      const reason = error instanceof Error && error.cause instanceof Error ? error.cause : error
      const message = reason instanceof Error ? reason.message : String(reason)
      throw new TicklakeError('unavailable', `schema registry ${this.#base} cannot be reached: ${message}`, {
        cause: error,
      })
    } finally {
      cancel()
    }
  }
}

async function boundedText(response: Response): Promise<string> {
  const chunks: Uint8Array[] = []
  let bytes = 0
  for await (const chunk of response.body ?? []) {
    bytes += chunk.length
    if (bytes > MAX_ANSWER_BYTES) throw new Error(`an answer is longer than ${MAX_ANSWER_BYTES} bytes`)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString('utf8')
}

/** Undefined for what is no JSON. */
function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

function refusal(
  base: string,
  method: string,
  route: string,
  status: number,
  answer: unknown,
): TicklakeError {
  const { error_code: errorCode, message } =
    typeof answer === 'object' && answer !== null && 'error_code' in answer
      ? { message: '', ...answer }
      : { error_code: null, message: '' }
  const code = codeOf(Number(errorCode))
  const told = message === '' ? '' : `: ${message}`
  if (code !== 'unavailable') return new TicklakeError(code, `schema registry, ${method} ${route}${told}`)
  const advice =
    status === 401 || status === 403
      ? '. Check registry.user and registry.password'
      : status < 500
        ? '. Check registry.url'
        : ''
  return new TicklakeError(
    'unavailable',
    `schema registry ${base} answered ${method} ${route} with ${status}${told}${advice}`,
  )
}

/** Confluent's error codes are an HTTP status, followed by two digits where the status says too little. */
function codeOf(errorCode: number): ErrorCode {
  if (errorCode >= 40_401 && errorCode <= 40_499) return 'not_found'
  if (errorCode === 409 || Math.floor(errorCode / 100) === 409) return 'conflict'
  if (errorCode === 422 || Math.floor(errorCode / 100) === 422) return 'invalid_input'
  return 'unavailable'
}
