import { createHash } from 'node:crypto'
import { MICROS_PER_DAY, type TableLayout } from '#core'
import { type DaySpan, daysOf } from './file-days.js'
import type { Manifest } from './iceberg/manifest.js'
import type { ManifestFile } from './iceberg/manifest-list.js'
import { snapshotById, type TableMetadata } from './iceberg/metadata.js'
import { NAME_MAPPING_KEY } from './iceberg/name-mapping.js'
import { overwrittenAt } from './iceberg/overwritten.js'
import { periodOfMicros } from './iceberg/transform.js'
import { predicatesOf } from './predicates.js'
import type { FileIndex } from './prune.js'
import type { DayStamps, TimeRange } from './table.js'

/** The newest data sequence numbers of files. */
interface Newest {
  readonly days: Map<number, number>
  /** Of files that may have rows of any day, or without a time. */
  rest: number
}

/** Of no file. */
const NONE = Number.NEGATIVE_INFINITY

/**
 * Stamps of the days of one table's snapshots: the sequence number of the newest snapshot that changed the rows of the day.
 * A number belongs to one snapshot of the table, whatever becomes of it, and so to one history; a file keeps its number,
 * compaction hands it on, and what took rows away is carried in the summaries. So a stamp tells the rows of a day apart, and
 * not the files that they are in; it is the same on every branch that has come from that snapshot, and when it has expired.
 */
export class DayStamping {
  readonly #index: FileIndex
  readonly #layout: TableLayout
  /** Of what each manifest says itself: worked out once, for as long as it is cached. */
  readonly #newest = new WeakMap<Manifest, Newest>()

  constructor(index: FileIndex, layout: TableLayout) {
    this.#index = index
    this.#layout = layout
  }

  /** Of the days that the range touches, in a snapshot; null: there is none, and no row. */
  async of(metadata: TableMetadata, snapshotId: bigint | null, range: TimeRange): Promise<DayStamps> {
    if (snapshotId === null) return { days: new Map(), rest: null }
    const wanted = wantedDays(range)
    const newest = { days: new Map<number, number>(), rest: NONE }
    const predicates = predicatesOf(this.#layout, wholeDays(wanted))
    for (const { listed, manifest } of await this.#index.dataManifests(metadata, snapshotId, predicates)) {
      this.#add(newest, listed, this.#newestOf(manifest), wanted)
    }
    const { any, days } = overwrittenAt(snapshotById(metadata, snapshotId))
    const mapping = mappingMark(metadata)
    const stamp = (...numbers: readonly number[]) => `${Math.max(any, newest.rest, ...numbers)}${mapping}`
    const stamps = [...newest.days].map(([day, number]) => [day, stamp(number, days.get(day) ?? 0)] as const)
    return {
      days: new Map(stamps.sort(([a], [b]) => a - b)),
      rest: newest.rest === NONE ? null : stamp(...days.values()),
    }
  }

  #add(newest: Newest, { sequenceNumber }: ManifestFile, own: Newest, { first, last }: DaySpan): void {
    newest.rest = Math.max(newest.rest, Math.min(own.rest, sequenceNumber))
    const take = (day: number) => {
      const number = Math.min(own.days.get(day) ?? NONE, sequenceNumber)
      if (number !== NONE) newest.days.set(day, Math.max(newest.days.get(day) ?? NONE, number))
    }
    if (last - first < own.days.size) for (let day = first; day <= last; day++) take(day)
    else for (const day of own.days.keys()) if (day >= first && day <= last) take(day)
  }

  /** A number that is inherited from the list, and so not known here, is infinite: it is the newest of a manifest's. */
  #newestOf(manifest: Manifest): Newest {
    const known = this.#newest.get(manifest)
    if (known) return known
    const newest = { days: new Map<number, number>(), rest: NONE }
    for (const { status, sequenceNumber, file } of manifest.entries) {
      if (status === 'deleted') continue
      const number = sequenceNumber ?? Number.POSITIVE_INFINITY
      const span = daysOf(this.#layout, file)
      if (span === null) newest.rest = Math.max(newest.rest, number)
      else {
        for (let day = span.first; day <= span.last; day++) {
          newest.days.set(day, Math.max(newest.days.get(day) ?? NONE, number))
        }
      }
    }
    this.#newest.set(manifest, newest)
    return newest
  }
}

function wantedDays({ startMicros, endMicros }: TimeRange): DaySpan {
  return {
    first: startMicros === undefined ? Number.NEGATIVE_INFINITY : periodOfMicros('day', startMicros),
    last: endMicros === undefined ? Number.POSITIVE_INFINITY : periodOfMicros('day', endMicros - 1n),
  }
}

/** The stamp of a day is of all of it, whatever part of it is asked for. */
function wholeDays({ first, last }: DaySpan): TimeRange {
  const midnight = (day: number) => BigInt(day) * BigInt(MICROS_PER_DAY)
  return {
    ...(Number.isFinite(first) && { startMicros: midnight(first) }),
    ...(Number.isFinite(last) && { endMicros: midnight(last + 1) }),
  }
}

/** What else decides which rows are read: the columns of files without field ids. */
function mappingMark({ properties }: TableMetadata): string {
  const mapping = properties[NAME_MAPPING_KEY]
  return mapping === undefined ? '' : `-${createHash('sha256').update(mapping).digest('hex').slice(0, 32)}`
}
