import { createHash } from 'node:crypto'
import { isText } from './field.js'
import type { OpenGaps } from './gaps.js'
import type { ListReading } from './list-reading.js'
import type { Part, PartOf } from './part.js'
import { partsOf } from './parts.js'
import { encodeReceipt } from './receipt.js'
import { rowFilter } from './scan.js'
import { planSlice, sliceFilter } from './slices.js'

/** What is read for a page of a list, made before anything is read. A plan is data. */
export interface Plan {
  /** Read one after the other, until the page is full. */
  readonly parts: readonly PlannedPart[]
}

export interface PlannedPart extends Part {
  /**
   * Names all that its rows depend on, but for how many of them are wanted: rows that are found under it are never stale.
   * Null: they depend on more than can be named.
   */
  readonly key: string | null
  /** Its rows are all in files of the snapshot: the key lasts, and what is found under it is worth keeping. */
  readonly isSettled: boolean
}

/** Raised when the same request at the same version comes to be answered with other bytes. */
const FORM = 1

/** The plan of a page, or of parts of its list that may do. */
export async function planList(from: ListReading, only?: readonly PartOf[]): Promise<Plan> {
  const { at, pinned, reading } = from
  // What is streamed is read whole. Rows of an Arrow stream come in batches: equal answers are cut alike.
  const isCut = only === undefined && reading.limit !== null && isText(reading.encoding)
  const parts = isCut
    ? await partsOf(from)
    : await Promise.all(
        (only ?? [WHOLE]).map(async (part) => {
          const { selection = at.selection, slice } = part
          return { ...part, scan: await planSlice(pinned, selection, slice) }
        }),
      )
  return { parts: await Promise.all(parts.map((part) => planned(part, from))) }
}

const WHOLE: PartOf = { slice: null }

async function planned(part: Part, from: ListReading): Promise<PlannedPart> {
  const { scan } = part
  const isSettled = scan.tail.length === 0 && scan.appended.files.length === 0
  return { ...part, isSettled, key: await keyOf(part, isSettled, from) }
}

async function keyOf(
  { slice, selection }: Part,
  isSettled: boolean,
  { list, at, pinned, after, reading }: ListReading,
): Promise<string | null> {
  if (!at.keptBy) return null
  const { asOf: _, pageToken: __, limit: ___, ...request } = list.request
  const { tableUuid } = pinned.metadata
  const columns = pinned.columns.map(({ id, name, type }) => [id, name, type])
  const wanted = [list.name, request, list.rules, at.fields, slice, selection, after, reading.encoding]
  const rows = [FORM, tableUuid, columns, ...wanted]
  if (!isSettled) return hashOf([...rows, encodeReceipt(tableUuid, pinned.version), at.keptBy(null)])
  const filter = rowFilter(selection ?? at.selection)
  const { days, rest } = await pinned.dayStamps(slice ? sliceFilter(filter, slice) : filter)
  return hashOf([...rows, [...days], rest, at.keptBy(rest === null ? [...days.keys()] : null)])
}

/** Names the data of an answer; null: they depend on more than can be named. What is streamed has no name. */
export function tagOf({ parts }: Plan, limit: number | null, gaps: OpenGaps | null): string | null {
  if (limit === null || parts.some(({ key }) => key === null)) return null
  return hashOf([parts.map(({ key }) => key), limit, gaps])
}

/** The same for equal values, whatever the order of their members. */
function hashOf(value: unknown): string {
  const text = JSON.stringify(value, (_, part: unknown) => {
    if (typeof part === 'bigint') return String(part)
    if (part instanceof Map) return [...part]
    if (typeof part !== 'object' || part === null || Array.isArray(part)) return part
    return Object.fromEntries(Object.entries(part).sort(([a], [b]) => (a < b ? -1 : 1)))
  })
  return createHash('sha256').update(text).digest('base64url')
}
