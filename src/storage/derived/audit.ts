import { dayOfMicros, type Random, type TableLayout } from '#core'
import type { FileEngine } from '#engine'
import { fileColumns } from '../file-columns.js'
import { currentSchema, type TableMetadata } from '../iceberg/metadata.js'
import { parquetRelation } from '../parquet-relation.js'
import { predicatesOf } from '../predicates.js'
import type { FileIndex } from '../prune.js'
import type { ReadableFile, UnnumberedFiles } from '../unnumbered-files.js'
import { hasDay, united } from './day-ranges.js'
import { type RollupDefinition, rollupLayout, sourceDefinition } from './definition.js'
import type { RollupState } from './rollup-state.js'
import type { RollupOptions } from './rollup-writer.js'
import { mergedStates, sourceColumns, statesOfRows } from './states.js'

/** A bucket that was computed from the rows of the source again. */
export interface AuditedBucket {
  /** Start, µs since 1970 UTC. */
  readonly micros: bigint
  /** States that differ, or that are on one side only. */
  readonly differences: number
}

/** A table at a snapshot, of which rows are read. */
interface Side {
  readonly layout: TableLayout
  readonly metadata: TableMetadata
  readonly snapshotId: bigint
  readonly columns: readonly string[]
}

/** How often a bucket is drawn that is none of the rollup's days, before that is given up. */
const DRAWS = 8

/**
 * Draws a row of the source, or a state of the rollup, and computes the states of its bucket from the rows again. All of
 * them have to be what the rollup has. Null: it has nothing that could be compared.
 */
export async function auditBucket(
  options: RollupOptions,
  state: RollupState,
  random: Random,
): Promise<AuditedBucket | null> {
  const { definition, head, source, index, engine, unnumbered } = options
  const snapshotId = head.metadata.currentSnapshotId
  if (snapshotId === null) return null
  const rows: Side = {
    layout: sourceDefinition(definition),
    metadata: source.metadata,
    snapshotId: state.source,
    columns: sourceColumns(definition),
  }
  const layout = rollupLayout(definition)
  const names = layout.columns.map(({ name }) => name)
  const states: Side = { layout, metadata: head.metadata, snapshotId, columns: names }
  const reader = new SideReader(index, engine, unnumbered)
  for (let draw = 0; draw < DRAWS; draw++) {
    const bucket = await reader.drawBucket(random.id() % 2 === 0 ? rows : states, definition, random)
    if (bucket === null || hasDay(united(state.pending, state.quarantined), dayOfMicros(bucket))) continue
    const range = { startMicros: bucket, endMicros: bucket + lengthOf(definition) }
    const [of, has] = [await reader.relation(rows, range), await reader.relation(states, range)]
    const expected = of === null ? null : statesOfRows(definition, of)
    const found = has === null ? null : mergedStates(definition, has)
    return { micros: bucket, differences: await differences(engine, expected, found) }
  }
  return null
}

class SideReader {
  readonly #index: FileIndex
  readonly #engine: FileEngine
  readonly #unnumbered: UnnumberedFiles

  constructor(index: FileIndex, engine: FileEngine, unnumbered: UnnumberedFiles) {
    this.#index = index
    this.#engine = engine
    this.#unnumbered = unnumbered
  }

  /** The start of the bucket of a row that is drawn; null: there is none, or it has no time. */
  async drawBucket(side: Side, definition: RollupDefinition, random: Random): Promise<bigint | null> {
    const { live } = await this.#index.liveFiles(side.metadata, side.snapshotId, [])
    const file = live[random.id() % Math.max(1, live.length)]?.file
    if (!file) return null
    const time = side.layout.partitionColumn
    const relation = await this.#read(side, [file], [time])
    const { columns } = await this.#engine.read(
      `SELECT epoch_us(${time}) FROM ${relation} LIMIT 1 OFFSET ${random.id() % file.recordCount}`,
    )
    const micros = columns[0]?.[0]
    if (typeof micros !== 'bigint') return null
    const length = lengthOf(definition)
    return micros - (((micros % length) + length) % length)
  }

  /** The rows of a stretch of time; null: no file has any. */
  async relation(side: Side, range: { startMicros: bigint; endMicros: bigint }): Promise<string | null> {
    const predicates = predicatesOf(side.layout, range)
    const { live } = await this.#index.liveFiles(side.metadata, side.snapshotId, predicates)
    if (live.length === 0) return null
    const relation = await this.#read(
      side,
      live.map(({ file }) => file),
      side.columns,
    )
    const time = side.layout.partitionColumn
    const [from, before] = [range.startMicros, range.endMicros].map((micros) => `make_timestamptz(${micros})`)
    return `(SELECT * FROM ${relation} WHERE ${time} >= ${from} AND ${time} < ${before})`
  }

  async #read(
    { layout, metadata }: Side,
    files: readonly ReadableFile[],
    names: readonly string[],
  ): Promise<string> {
    const columns = fileColumns(layout, currentSchema(metadata)).filter(({ name }) => names.includes(name))
    return parquetRelation(await this.#unnumbered.named(metadata, files), columns)
  }
}

/** Rows of one statement that the other does not have, of both. */
async function differences(engine: FileEngine, a: string | null, b: string | null): Promise<number> {
  const sides = [a, b].filter((side) => side !== null)
  const [one, other] = sides
  if (one === undefined) return 0
  const all = other === undefined ? one : `(${one} EXCEPT ${other}) UNION ALL (${other} EXCEPT ${one})`
  const { columns } = await engine.read(`SELECT count(*) FROM (${all})`)
  return Number(columns[0]?.[0])
}

function lengthOf({ bucketSeconds }: RollupDefinition): bigint {
  return BigInt(bucketSeconds) * 1_000_000n
}
