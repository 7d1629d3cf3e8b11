import { createHash } from 'node:crypto'
import { TicklakeError } from '#core'
import type { Format, FormatOptions } from './formats.js'
import type { LoadProgress } from './log/log.js'
import type { StagedInput } from './staged-input.js'

/** Crockford's base32, lower case: no i, l, o or u, so that an id can be read aloud. */
const ALPHABET = '0123456789abcdefghjkmnpqrstvwxyz'
const ID_LENGTH = 12

/** One attempt to load one content in one way, and how far it has come. */
export interface LoadIdentity {
  readonly sourceId: string
  readonly digest: string
  readonly progress: LoadProgress | undefined
}

/**
 * Finds the attempt to begin, to go on with or, when it has finished, to leave alone. `again` asks for one that has not
 * finished: an interrupted one, else a new one.
 */
export function findAttempt(
  input: StagedInput,
  format: Format,
  options: FormatOptions,
  again: boolean,
  progressOf: (sourceId: string) => LoadProgress | undefined,
): LoadIdentity {
  for (let attempt = 1; ; attempt++) {
    const digest = attemptDigest(input, format, options, attempt)
    const sourceId = shortId(digest)
    const progress = progressOf(sourceId)
    if (progress && progress.digest !== digest) {
      throw new TicklakeError(
        'conflict',
        `source id ${sourceId} already belongs to another content (${progress.digest}); load the file with --again`,
        { field: 'source_id', value: sourceId },
      )
    }
    if (!again || !progress?.finished) return { sourceId, digest, progress }
  }
}

/** SHA-256, in hex. Names of files count only where the format reads them: a renamed file is the same source. */
function attemptDigest(input: StagedInput, format: Format, options: FormatOptions, attempt: number): string {
  const names = format.sql.includes('file_name') ? input.files.map((file) => file.name) : []
  const { symbol = null, exchange = null, date = null } = options
  const identity = [input.contentDigest, names, format.sql, [symbol, exchange, date], attempt]
  return createHash('sha256').update(JSON.stringify(identity)).digest('hex')
}

function shortId(digest: string): string {
  let bits = BigInt(`0x${digest}`) >> BigInt(256 - ID_LENGTH * 5)
  let id = ''
  for (; id.length < ID_LENGTH; bits >>= 5n) id = ALPHABET[Number(bits & 31n)]! + id
  return id
}
