import { assert, MICROS_PER_DAY, type TableLayout, TicklakeError } from '#core'
import type { TableEngine } from '#engine'
import { Append } from '../append.js'
import { fileColumns } from '../file-columns.js'
import { daysOf } from '../file-days.js'
import { currentSchema, type TableMetadata } from '../iceberg/metadata.js'
import { parquetRelation } from '../parquet-relation.js'
import { currentOffsets } from '../position.js'
import { predicatesOf } from '../predicates.js'
import { type PreparedFiles, prepareFiles } from '../prepare.js'
import type { FileIndex } from '../prune.js'
import { Rewrite } from '../rewrite.js'
import type { RowFilter } from '../table.js'
import type { TableHead } from '../table-head.js'
import type { ReadableFile, UnnumberedFiles } from '../unnumbered-files.js'
import { type DayRanges, without } from './day-ranges.js'
import { dayOf } from './days-with-rows.js'
import { BUCKET_COLUMN, type RollupDefinition, rollupLayout, sourceDefinition } from './definition.js'
import { inDays } from './in-days.js'
import { currentState, type RollupState, sameState, stateSummary } from './rollup-state.js'
import type { SourceFiles } from './source-change.js'
import { sourceColumns, statesOfRows } from './states.js'

export interface RollupOptions {
  readonly definition: RollupDefinition
  readonly head: TableHead
  /** Of the table that it is made of. */
  readonly source: TableHead
  readonly engine: TableEngine
  readonly index: FileIndex
  readonly unnumbered: UnnumberedFiles
}

/** Where its source's files are found. */
export function sourceFiles({ definition, head, index }: RollupOptions): SourceFiles {
  return { layout: sourceDefinition(definition), index, manifests: head.context.manifests }
}

/** Rows of files of a source: those of some days. */
export interface SourceRows {
  readonly files: readonly ReadableFile[]
  readonly days: DayRanges
}

/** A day whose rows were read in these files. */
export interface DayReplacement {
  readonly day: number
  readonly files: readonly ReadableFile[]
  readonly from: RollupState
  readonly to: RollupState
  /** Its abort ends the computation; the day stays as it is. */
  readonly signal: AbortSignal
}

/** A state in DuckDB's memory, about. */
const STATE_BYTES = 300

/**
 * Writes states and what they are of, each time in one commit. The position vector of a rollup counts the steps in which
 * it followed its source: one is made once, whatever fails in between.
 */
export class RollupWriter {
  readonly #options: RollupOptions
  readonly #layout: TableLayout

  constructor(options: RollupOptions) {
    this.#options = options
    this.#layout = rollupLayout(options.definition)
  }

  /** Adds the states of rows, and moves on to `to`. */
  async append(rows: SourceRows, to: RollupState): Promise<void> {
    const { head } = this.#options
    const names = head.claimNames()
    try {
      const { files, specId } = await this.#written(await this.#states(rows), names.next())
      const [step = 0] = currentOffsets(head.metadata)
      const request = { files, specId, from: [step], to: [step + 1], summary: stateSummary(to) }
      await head.commit(new Append(head.context, request))
    } finally {
      names.release()
    }
  }

  /** Puts the states of a day's rows in the place of those that it had. `conflict`: it is no longer as `from` says. */
  async replaceDay({ day, files, from, to, signal }: DayReplacement): Promise<void> {
    const { definition, head, index } = this.#options
    const { metadata } = head
    const { currentSnapshotId: snapshotId } = metadata
    assert(snapshotId !== null, 'what has a state has a snapshot')
    const release = head.hold(snapshotId)
    const names = head.claimNames()
    try {
      const days: DayRanges = [[day, day]]
      const { live } = await index.liveFiles(metadata, snapshotId, predicatesOf(this.#layout, microsOf(day)))
      const removed = live.map(({ file }) => file)
      const selects = [
        ...(await this.#states({ files, days })),
        ...this.#ofOtherDays(metadata, removed, days),
      ]
      const written = await this.#written(selects, names.next(), signal)
      const change = new Rewrite(head.context, {
        operation: written.files.length === 0 && removed.length > 0 ? 'delete' : 'overwrite',
        snapshotId,
        removed,
        added: written.files.length === 0 ? [] : [written],
        summary: stateSummary(to),
        check: (base) => {
          if (sameState(currentState(base), from)) return
          throw new TicklakeError('conflict', `${definition.name} has moved on: compute the day again`)
        },
      })
      await head.commit(change)
    } finally {
      names.release()
      release()
    }
  }

  /** The statement that makes states of rows, if there are files of them. */
  async #states({ files, days }: SourceRows): Promise<readonly string[]> {
    const { definition, source, unnumbered } = this.#options
    const { metadata } = source
    const table = sourceDefinition(definition)
    if (files.length === 0) return []
    const names = sourceColumns(definition)
    const columns = fileColumns(table, currentSchema(metadata)).filter(({ name }) => names.includes(name))
    const relation = parquetRelation(await unnumbered.named(metadata, files), columns)
    const rows = `(SELECT * FROM ${relation} WHERE ${inDays(table.partitionColumn, days)})`
    return [statesOfRows(definition, rows)]
  }

  /** The states of other days in files of these days, which others may have had written by another partition spec. */
  #ofOtherDays(metadata: TableMetadata, files: readonly ReadableFile[], days: DayRanges): readonly string[] {
    const shared = files.filter((file) => {
      const own = daysOf(this.#layout, file)
      return own === null || without([[own.first, own.last]], days).length > 0
    })
    if (shared.length === 0) return []
    const schema = currentSchema(metadata)
    const columns = fileColumns(this.#layout, schema).slice(0, this.#layout.columns.length)
    return [`SELECT * FROM ${parquetRelation(shared, columns)} WHERE NOT ${inDays(BUCKET_COLUMN, days)}`]
  }

  /** Computes rows once, into a table of DuckDB's: from there they are counted, parted and written. */
  async #written(selects: readonly string[], fileName: string, signal?: AbortSignal): Promise<PreparedFiles> {
    const { definition, engine, head } = this.#options
    const { metadata, context } = head
    if (selects.length === 0) return { files: [], specId: metadata.defaultSpecId }
    const relation = `states_${definition.name}_${fileName.replaceAll('-', '_')}`
    await engine.run(`CREATE TABLE ${relation} AS ${selects.join(' UNION ALL ')}`, signal)
    let rowCount = 0
    try {
      const { columns } = await engine.read(
        `SELECT ${dayOf(BUCKET_COLUMN)} AS day, count(*) FROM ${relation} GROUP BY day`,
      )
      const [days = [], counts = []] = columns.map((cells) => cells.map(Number))
      rowCount = counts.reduce((sum, count) => sum + count, 0)
      return await prepareFiles(
        { layout: this.#layout, engine, objects: context.objects, metadata },
        { relation, rowCount, days: new Set(days) },
        fileName,
      )
    } finally {
      engine.drop(relation, rowCount * STATE_BYTES)
    }
  }
}

function microsOf(day: number): Pick<RowFilter, 'startMicros' | 'endMicros'> {
  const startMicros = BigInt(day) * BigInt(MICROS_PER_DAY)
  return { startMicros, endMicros: startMicros + BigInt(MICROS_PER_DAY) }
}
