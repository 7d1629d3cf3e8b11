import { createReadStream } from 'node:fs'
import { type ErrorCode, TicklakeError } from '#core'

/** Query parameters; absent ones are left out. */
export type Parameters = Readonly<Record<string, string | undefined>>

const CODE_OF_STATUS: Readonly<Record<number, ErrorCode>> = {
  400: 'invalid_input',
  404: 'not_found',
  409: 'conflict',
  410: 'gone',
  413: 'too_large',
  422: 'incomplete',
  429: 'overloaded',
  500: 'corrupt',
  503: 'unavailable',
  504: 'timeout',
}

/** A lake over HTTP: the commands ask a server just as any other client would. */
export class LakeClient {
  readonly url: string

  constructor(url: string) {
    this.url = url.replace(/\/+$/, '')
  }

  /** True when a lake answers there, whether or not it has caught up. */
  async isThere(): Promise<boolean> {
    try {
      const response = await fetch(`${this.url}/health/live`)
      await response.body?.cancel()
      return response.ok
    } catch (error) {
      if (error instanceof TypeError) return false
      throw error
    }
  }

  /** The answer to a GET. A problem becomes the error that the server described. */
  async get(path: string, parameters: Parameters, accept: string, signal: AbortSignal): Promise<Response> {
    return this.#send(`${path}?${searchOf(parameters)}`, { headers: { accept }, signal })
  }

  /** Asks for something to be done. */
  async post(path: string, parameters: Parameters, signal: AbortSignal): Promise<Response> {
    const init = { method: 'POST', headers: { accept: 'application/json' }, signal }
    return this.#send(`${path}?${searchOf(parameters)}`, init)
  }

  /** Sends a JSON body, or none. */
  async send(
    method: 'POST' | 'DELETE',
    path: string,
    body: object | null,
    signal: AbortSignal,
  ): Promise<Response> {
    const headers = { accept: 'application/json', 'content-type': 'application/json' }
    return this.#send(path, { method, headers, signal, ...(body && { body: JSON.stringify(body) }) })
  }

  /** Sends a file as the body. */
  async postFile(path: string, parameters: Parameters, file: string, signal: AbortSignal): Promise<Response> {
    return this.#send(`${path}?${searchOf(parameters)}`, {
      method: 'POST',
      headers: { accept: 'application/json', 'content-type': 'application/octet-stream' },
      body: createReadStream(file),
      duplex: 'half',
      signal,
    })
  }

  async #send(path: string, init: RequestInit): Promise<Response> {
    let response: Response
    try {
      response = await fetch(this.url + path, init)
    } catch (error) {
      // fetch wraps what the socket said; an abort is passed on as it is.
      if (!(error instanceof TypeError)) throw error
      const reason = error.cause instanceof Error ? error.cause.message : error.message
      throw new TicklakeError('unavailable', `${this.url} does not answer: ${reason}`, { cause: error })
    }
    if (!response.ok) throw await problemOf(response)
    return response
  }
}

function searchOf(parameters: Parameters): string {
  const given = Object.entries(parameters).filter(
    (entry): entry is [string, string] => entry[1] !== undefined,
  )
  return new URLSearchParams(given).toString()
}

/** An application/problem+json answer (RFC 9457) as the error that it stands for. */
async function problemOf(response: Response): Promise<TicklakeError> {
  const text = await response.text()
  const code = CODE_OF_STATUS[response.status] ?? 'unavailable'
  const problem = parseProblem(text)
  const said = (name: string) => (typeof problem[name] === 'string' ? problem[name] : undefined)
  const [field, value, expected] = [said('field'), said('value'), said('expected')]
  return new TicklakeError(code, said('detail') ?? `${response.status} ${response.statusText}: ${text}`, {
    ...(field !== undefined && { field }),
    ...(value !== undefined && { value }),
    ...(expected !== undefined && { expected }),
  })
}

/** The members of a JSON object; none of anything else. */
function parseProblem(text: string): Readonly<Record<string, unknown>> {
  try {
    const problem: unknown = JSON.parse(text)
    return typeof problem === 'object' && problem !== null ? { ...problem } : {}
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error
    return {}
  }
}
