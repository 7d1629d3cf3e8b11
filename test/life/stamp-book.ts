import { currentSchema, type DayStamps, fileColumns, type TableMetadata } from '#storage'
import { DayStamping } from '../../src/storage/day-stamps.js'
import { OVERWRITTEN_KEY } from '../../src/storage/iceberg/overwritten.js'
import { COMMIT_ID_KEY, type Snapshot } from '../../src/storage/iceberg/snapshot.js'
import { periodOfMicros } from '../../src/storage/iceberg/transform.js'
import { Manifests } from '../../src/storage/manifests.js'
import { LocalObjectStore } from '../../src/storage/objects/local.js'
import { FileIndex } from '../../src/storage/prune.js'
import { cellOf, LIVED, shownIn } from './lived-rows.js'
import type { ModelState, TableModel } from './table-model.js'

const DAY_MICROS = 86_400_000_000n
/** Where rows of a life may be, a day before and after, and rows without a time. */
const DAYS = [-2, -1, 0, 1, 2, null]

/** How often stamps stayed, and how often they changed, where only files did. */
export interface StampCounts {
  /** Days with rows of snapshots whose stamp was known from another snapshot. */
  readonly met: number
  /** Days of snapshots that wrote files or manifests anew, and nothing else. */
  readonly kept: number
  readonly lost: number
}

/** What each stamp of a day has stood for, in all snapshots of a table's life: none may ever stand for other rows. */
export class StampBook {
  readonly #stamping = new DayStamping(new FileIndex(new Manifests(new LocalObjectStore())), LIVED)
  readonly #isBroken: boolean
  /** By day, stamp and columns. */
  readonly #rows = new Map<string, string>()
  readonly #stamps = new Map<bigint, DayStamps>()
  readonly #counts = { met: 0, kept: 0, lost: 0 }

  /** @param isBroken it is not heard of what took rows away. */
  constructor(isBroken: boolean) {
    this.#isBroken = isBroken
  }

  get counts(): StampCounts {
    return this.#counts
  }

  /** What is wrong with the stamps of the snapshots that are there; null when nothing is. */
  async problem(table: TableMetadata, model: TableModel): Promise<string | null> {
    const metadata = this.#isBroken ? forgetful(table) : table
    for (const snapshot of metadata.snapshots) {
      const state = model.at(snapshot.snapshotId)
      const problem = state && (await this.#problemOf(metadata, snapshot, state))
      if (problem) return `snapshot ${snapshot.snapshotId}: ${problem}`
    }
    return null
  }

  async #problemOf(metadata: TableMetadata, snapshot: Snapshot, state: ModelState): Promise<string | null> {
    const stamps = await this.#stamping.of(metadata, snapshot.snapshotId, {})
    const known = this.#stamps.get(snapshot.snapshotId)
    this.#stamps.set(snapshot.snapshotId, stamps)
    const columns = fileColumns(LIVED, currentSchema(metadata))
    const shown = shownIn(columns)
    const read = JSON.stringify(columns.map(({ id, name, type }) => [id, name, type]))
    for (const day of DAYS) {
      const [had, has] = [known && stampOf(known, day), stampOf(stamps, day)]
      if (known && had !== has) return `day ${day} had the stamp ${had}, and now has ${has}`
      const rows = [...state.rows.values()].filter((row) => dayOf(cellOf(row, 'moment')) === day)
      const text = rows.map(shown).sort().join('\n')
      if (!known && rows.length > 0 && this.#rows.has(`${day} ${has} ${read}`)) this.#counts.met++
      // Asked for alone, a day may be told apart from others where it is not otherwise.
      const own = day === null ? stamps : await this.#stamping.of(metadata, snapshot.snapshotId, timeOf(day))
      const wrong = this.#compare(day, has, read, text) ?? this.#compare(day, stampOf(own, day), read, text)
      if (wrong !== null) return wrong
    }
    return known ? null : this.#countKept(snapshot, stamps)
  }

  #compare(day: number | null, stamp: string | null, columns: string, rows: string): string | null {
    if (stamp === null) return rows === '' ? null : `day ${day} has rows, and no stamp`
    const key = `${day} ${stamp} ${columns}`
    const before = this.#rows.get(key)
    this.#rows.set(key, rows)
    if (before === undefined || before === rows) return null
    return `${stamp}, the stamp of day ${day}, stood for\n${before}\nand now stands for\n${rows}`
  }

  #countKept({ parentSnapshotId, summary }: Snapshot, stamps: DayStamps): string | null {
    const before = this.#stamps.get(parentSnapshotId ?? 0n)
    if (!before || summary.operation !== 'replace') return null
    for (const day of DAYS) {
      const [was, is] = [stampOf(before, day), stampOf(stamps, day)]
      if (was === is) this.#counts.kept += is === null ? 0 : 1
      else if (summary[COMMIT_ID_KEY]?.startsWith('manifests-'))
        return `new manifests made ${is} of the stamp ${was}`
      else this.#counts.lost++
    }
    return null
  }
}

function stampOf({ days, rest }: DayStamps, day: number | null): string | null {
  return (day === null ? undefined : days.get(day)) ?? rest
}

function dayOf(moment: unknown): number | null {
  return typeof moment === 'bigint' ? periodOfMicros('day', moment) : null
}

function timeOf(day: number) {
  return { startMicros: BigInt(day) * DAY_MICROS, endMicros: BigInt(day + 1) * DAY_MICROS }
}

function forgetful(metadata: TableMetadata): TableMetadata {
  const snapshots = metadata.snapshots.map((one) => ({
    ...one,
    summary: { ...one.summary, [OVERWRITTEN_KEY]: '{}' },
  }))
  return { ...metadata, snapshots }
}
