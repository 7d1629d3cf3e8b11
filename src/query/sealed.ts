import { createHash } from 'node:crypto'

const CHECKSUM_LENGTH = 8

/** A JSON value as a token for URLs, with a checksum that tells a mangled token. It is not a secret and not signed. */
export function seal(value: unknown): string {
  const body = Buffer.from(JSON.stringify(value)).toString('base64url')
  return `${body}.${checksum(body)}`
}

/** The value of a token that `seal` made, or undefined. */
export function unseal(token: string): unknown {
  const [body, sum, ...rest] = token.split('.')
  if (!body || sum !== checksum(body) || rest.length > 0) return undefined
  return JSON.parse(Buffer.from(body, 'base64url').toString())
}

/** A short, stable name of a JSON value whose keys are always written in one order. */
export function fingerprint(value: unknown): string {
  const text = JSON.stringify(value, (_, part) => (typeof part === 'bigint' ? `${part}` : part))
  return createHash('sha256').update(text).digest('base64url').slice(0, 16)
}

function checksum(body: string): string {
  return createHash('sha256').update(body).digest('base64url').slice(0, CHECKSUM_LENGTH)
}
