import { syncBuiltinESMExports } from 'node:module'
import zlib from 'node:zlib'

/**
 * Compression runs on a thread and comes back when it likes, which no seed decides: here it is done at once. Import
 * this before anything that imports zlib.
 */
export function compressAtOnce(): void {
  const atOnce =
    (work: (bytes: zlib.InputType, options?: zlib.ZlibOptions) => Buffer) =>
    (bytes: zlib.InputType, ...rest: unknown[]) => {
      const done = rest.pop() as (error: Error | null, result?: Buffer) => void
      try {
        // Node's own signature: options, then the callback.
        done(null, work(bytes, rest[0] as zlib.ZlibOptions | undefined))
      } catch (error) {
        done(error as Error)
      }
    }
  Object.assign(zlib, { gzip: atOnce(zlib.gzipSync), gunzip: atOnce(zlib.gunzipSync) })
  syncBuiltinESMExports()
}

compressAtOnce()
