import { randomInt } from 'node:crypto'
import { once } from 'node:events'
import { type AddressInfo, createServer, type Server } from 'node:net'

/**
 * Below the ports that systems give to outgoing connections: one of those could take the place of a broker that is
 * down, even the very connection that a client tries to it.
 */
const PORTS = [20_000, 30_000] as const

/** Loopback addresses, `host:port`, on which nobody listens now. Kafka has to be told its own, since it tells clients. */
export async function freeAddresses(count: number): Promise<string[]> {
  const held: Server[] = []
  while (held.length < count) {
    const listener = createServer().listen(randomInt(...PORTS), '127.0.0.1')
    await once(listener, 'listening').then(
      () => held.push(listener),
      (error: NodeJS.ErrnoException) => {
        if (error.code !== 'EADDRINUSE') throw error
      },
    )
  }
  // A listening socket has an address of this form.
  const ports = held.map((listener) => (listener.address() as AddressInfo).port)
  await Promise.all(held.map((listener) => once(listener.close(), 'close')))
  return ports.map((port) => `127.0.0.1:${port}`)
}
