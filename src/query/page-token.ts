import { invalid, type Version } from '#core'
import { parseVersion, versionTuple } from './receipt.js'
import { fingerprint, seal, unseal } from './sealed.js'

/** The last row of a page: its key, as the statement wrote it (null stands for SQL's NULL). */
export type Key = readonly (string | null)[]

/**
 * Where a page ends. Rows that foreign engines wrote have no log position, so that several may have one key:
 * `ties` of the rows with this very key were given already. 0: the key was unique.
 */
export interface PagePosition {
  readonly key: Key
  readonly ties: number
}

/** A page token: the version that all pages are read from, and the end of the page that carried it. */
export interface PageToken {
  readonly tableUuid: string
  /** Fingerprint of the request apart from `limit`: a token goes on with its own request only. */
  readonly request: string
  readonly version: Version
  /** Of bars: newest event time by exchange at that version, µs, so that `final` is the same on every page. */
  readonly watermarks: ReadonlyMap<string, bigint>
  readonly position: PagePosition
  /** The version of the second table of a list that reads two. */
  readonly beside?: VersionOfTable
}

export interface VersionOfTable {
  readonly tableUuid: string
  readonly version: Version
}

/** Fingerprint of a request without its paging: every page may have its own limit. */
export function requestFingerprint(request: object): string {
  const entries = Object.entries(request).filter(([name]) => name !== 'limit' && name !== 'pageToken')
  return fingerprint(entries.sort(([a], [b]) => (a < b ? -1 : 1)))
}

export function encodePageToken(token: PageToken): string {
  const { key, ties } = token.position
  const watermarks = [...token.watermarks].map(([exchange, micros]) => [exchange, String(micros)])
  const beside = token.beside ? [token.beside.tableUuid, ...versionTuple(token.beside.version)] : []
  return seal([
    token.tableUuid,
    token.request,
    ...versionTuple(token.version),
    watermarks,
    key,
    ties,
    ...beside,
  ])
}

/** What the parts of a key are: whole numbers as texts, or any texts. */
export type KeyForm = readonly ('number' | 'text')[]

/** Reads a token of this table and request whose keys have this form. Anything else is `invalid_input`. */
export function decodePageToken(
  text: string,
  tableUuid: string,
  request: string,
  keyForm: KeyForm,
  besideUuid: string | null = null,
): PageToken {
  const expected = 'the next_page_token of an earlier answer to the same request'
  const parts = readParts(text)
  const length = besideUuid === null ? 7 : 10
  if (!Array.isArray(parts) || parts.length !== length) throw invalid('page_token', text, expected)
  const [uuid, fingerprinted, snapshotId, offsets, marks, key, ties, otherUuid, ...other] = parts as unknown[]
  const watermarks = parseWatermarks(marks)
  const version = parseVersion(snapshotId, offsets)
  const besideVersion = besideUuid === null ? null : parseVersion(other[0], other[1])
  if (
    !version ||
    besideVersion === undefined ||
    !watermarks ||
    !isKey(key, keyForm) ||
    !Number.isSafeInteger(ties) ||
    (ties as number) < 0
  ) {
    throw invalid('page_token', text, expected)
  }
  if (uuid !== tableUuid || (otherUuid ?? null) !== besideUuid)
    throw invalid('page_token', text, `${expected} (it belongs to another table)`)
  if (fingerprinted !== request)
    throw invalid('page_token', text, `${expected} (it belongs to another request)`)
  // Number.isSafeInteger above proves that it is a number.
  const beside = besideUuid !== null && besideVersion && { tableUuid: besideUuid, version: besideVersion }
  return {
    tableUuid,
    request,
    version,
    watermarks,
    position: { key, ties: ties as number },
    ...(beside && { beside }),
  }
}

function readParts(text: string): unknown {
  try {
    return unseal(text)
  } catch {
    // A body that is not JSON: not one of ours, which the caller reports with what is right.
    return undefined
  }
}

function parseWatermarks(value: unknown): ReadonlyMap<string, bigint> | undefined {
  if (!Array.isArray(value)) return undefined
  const watermarks = new Map<string, bigint>()
  for (const pair of value) {
    if (!Array.isArray(pair) || typeof pair[0] !== 'string' || !/^-?\d{1,19}$/.test(String(pair[1])))
      return undefined
    watermarks.set(pair[0], BigInt(String(pair[1])))
  }
  return watermarks
}

function isKey(value: unknown, form: KeyForm): value is Key {
  if (!Array.isArray(value) || value.length !== form.length) return false
  return value.every(
    (part, index) =>
      part === null || (typeof part === 'string' && (form[index] === 'text' || /^-?\d{1,20}$/.test(part))),
  )
}
