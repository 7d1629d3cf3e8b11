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

/**
 * Refuses a request that a page of a foreign site has a browser here send. Such a page cannot read answers, but it can
 * send a file to load without asking first (CORS calls it a simple request): the browser names the page's Origin.
 */
export function guardOrigin(originHeader: string | undefined): void {
  if (originHeader === undefined) return
  const host = URL.canParse(originHeader) ? new URL(originHeader).hostname : ''
  if (!isLoopback(host))
    throw new HttpError(403, `Origin: pages of ${originHeader} may not send requests here`)
}
