import { type OffsetVector, parseVector, type Version } from '#core'
import type { TableMetadata } from '#storage'
import { OFFSETS_KEY } from '../../src/storage/iceberg/snapshot.js'
import type { Row } from '../support/row-batch.js'

/** All rows of a table at a version, in no order, and the newest event time by exchange in its log prefix. */
export interface RowsAtVersion {
  readonly rows: readonly Row[]
  readonly watermarks: ReadonlyMap<string, bigint>
}

/** Rows by their names. */
export type NamedRows = ReadonlyMap<string, Row>

interface State {
  readonly rows: NamedRows
  readonly offsets: OffsetVector
}

/** What each version of a table should hold: its log as a list, and the rows of each of its snapshots, for ever. */
export class TableHistory {
  /** By partition; the offset is the index. */
  readonly #log: readonly Row[][]
  readonly #states = new Map<bigint, State>()

  constructor(partitionCount: number) {
    this.#log = Array.from({ length: partitionCount }, () => [])
  }

  append(rows: readonly Row[]): void {
    for (const row of rows) {
      // Where the producer gave none, it is the row's place in its source.
      const message_id = row.message_id ?? `${row.source}:${row.source_row}`
      this.#log[Number(row.log_partition)]!.push({ ...row, message_id })
    }
  }

  /** Takes in the snapshots that came about since; the one that did not only move files did this to the rows. */
  follow({ snapshots }: TableMetadata, change: (rows: NamedRows) => NamedRows = (rows) => rows): void {
    for (const { snapshotId, parentSnapshotId, summary } of snapshots) {
      if (this.#states.has(snapshotId)) continue
      const parent = parentSnapshotId === null ? undefined : this.#states.get(parentSnapshotId)
      const offsets = parseVector(summary[OFFSETS_KEY] ?? '')
      const logged = this.#between(parent?.offsets ?? this.#log.map(() => 0), offsets)
      const rows = new Map([...(parent?.rows ?? []), ...logged.map((row) => [nameOf(row), row] as const)])
      this.#states.set(snapshotId, {
        rows: summary.operation === 'replace' ? rows : change(rows),
        offsets,
      })
    }
  }

  at({ snapshotId, offsets }: Version): RowsAtVersion {
    const start = this.#log.map(() => 0)
    const state = snapshotId === null ? { rows: new Map(), offsets: start } : this.#states.get(snapshotId)
    if (!state) throw new Error(`nobody has told of snapshot ${snapshotId}`)
    const watermarks = new Map<string, bigint>()
    for (const { exchange, exchange_timestamp: time } of this.#between(start, offsets)) {
      const [name, micros] = [String(exchange), BigInt(String(time))]
      if (micros > (watermarks.get(name) ?? micros - 1n)) watermarks.set(name, micros)
    }
    return { rows: [...state.rows.values(), ...this.#between(state.offsets, offsets)], watermarks }
  }

  #between(from: OffsetVector, to: OffsetVector): readonly Row[] {
    return this.#log.flatMap((rows, partition) => rows.slice(from[partition], to[partition]))
  }
}

/** A row of the log by its place, one of another engine by its message id. */
export function nameOf({ log_partition: partition, log_offset: offset, message_id: id }: Row): string {
  return offset === null || offset === undefined ? String(id) : placeName(Number(partition), Number(offset))
}

export function placeName(partition: number, offset: number): string {
  return `${partition}/${offset}`
}
