import { isIP } from 'node:net'
import { HttpError } from './problem.js'

const LOOPBACK_NAMES = new Set(['localhost', '127.0.0.1', '[::1]', '::1'])

/** True for an address that only this machine reaches. */
export function isLoopback(host: string): boolean {
  return LOOPBACK_NAMES.has(host) || (isIP(host) === 4 && host.startsWith('127.'))
}

/**
 * Refuses a request whose Host is not this machine. A page of a foreign site may have its own name resolve to
 * 127.0.0.1 and so let a browser here send requests (DNS rebinding): its name is then in Host.
 */
export function guardHost(hostHeader: string | undefined): void {
  const name = hostHeader?.replace(/:\d+$/, '').toLowerCase() ?? ''
  if (!isLoopback(name)) throw new HttpError(421, 'Host: only localhost, 127.0.0.1 and [::1] are served here')
}
