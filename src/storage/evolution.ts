import { isDeepStrictEqual } from 'node:util'
import type { TableLayout } from '#core'
import type { CommitContext, TableChange } from './commit.js'
import { fileColumns, isWritable } from './file-columns.js'
import { checkNames } from './iceberg/column-names.js'
import { checkColumns, checkDays } from './iceberg/foreign-commit.js'
import { currentSchema, defaultOrder, defaultSpec, type TableMetadata } from './iceberg/metadata.js'
import { changeOrder, type SortBy } from './iceberg/order-change.js'
import { dropRef, makeRef, type NewRef } from './iceberg/ref-change.js'
import { refNamed } from './iceberg/refs.js'
import { refused } from './iceberg/refusal.js'
import { changeSchema, type SchemaChange } from './iceberg/schema-change.js'
import { changeSpec, type SpecChange } from './iceberg/spec-change.js'
import { unwrittenField } from './partitions.js'
import { rowOrder } from './row-order.js'

/** A change of a table that touches no file. */
export type Evolution =
  | { readonly of: 'schema'; readonly changes: readonly SchemaChange[] }
  | { readonly of: 'partition-spec'; readonly changes: readonly SpecChange[] }
  | { readonly of: 'sort-order'; readonly by: readonly SortBy[] }
  | { readonly of: 'ref'; readonly make: NewRef }
  /** `type`: as what it is to be dropped. */
  | { readonly of: 'ref'; readonly drop: string; readonly type?: 'branch' | 'tag' }

/**
 * Makes an evolution of a table that a log fills, once, whatever becomes of the answer to a commit: what an attempt made
 * is looked for before another one. `invalid_input`, with the reason, for what the table does not allow, and for what
 * would break ingest or leave rows that ticklake could not write anew.
 */
export class Evolve implements TableChange {
  readonly #context: CommitContext
  readonly #layout: TableLayout
  readonly #evolution: Evolution
  readonly #id: string
  /** What the attempts so far have made, whose outcome may be unknown. */
  readonly #attempts: TableMetadata[] = []

  constructor(context: CommitContext, layout: TableLayout, evolution: Evolution) {
    this.#context = context
    this.#layout = layout
    this.#evolution = evolution
    this.#id = `evolve-${context.random.id()}`
  }

  id(): string {
    return this.#id
  }

  isApplied(metadata: TableMetadata): boolean {
    const now = touched(this.#evolution, metadata)
    if (this.#attempts.some((attempt) => isDeepStrictEqual(touched(this.#evolution, attempt), now)))
      return true
    return this.#changed(metadata) === metadata
  }

  apply(base: TableMetadata): Promise<TableMetadata> {
    const next = this.#changed(base)
    this.#attempts.push(next)
    return Promise.resolve(next)
  }

  #changed(base: TableMetadata): TableMetadata {
    const next = evolved(base, this.#evolution, this.#context.clock.nowMs())
    if (next !== base) checkEvolution(base, next, this.#layout, this.#evolution)
    return next
  }
}

/** The table after an evolution; the same one if it comes to nothing. */
function evolved(base: TableMetadata, evolution: Evolution, nowMs: number): TableMetadata {
  switch (evolution.of) {
    case 'schema':
      return changeSchema(base, evolution.changes, nowMs)
    case 'partition-spec':
      return changeSpec(base, evolution.changes, nowMs)
    case 'sort-order':
      return changeOrder(base, evolution.by, nowMs)
    case 'ref':
      if ('make' in evolution) return makeRef(base, evolution.make, nowMs)
      return dropped(base, evolution, nowMs)
  }
}

function dropped(
  base: TableMetadata,
  { drop: name, type }: Extract<Evolution, { drop: string }>,
  nowMs: number,
): TableMetadata {
  const ref = refNamed(base, name)
  if (ref && type !== undefined && ref.type !== type)
    throw refused(`${name} is a ${ref.type}: drop it as one`)
  return dropRef(base, name, nowMs)
}

/** The part of a table that an evolution makes: by it an attempt is known again. */
function touched(evolution: Evolution, metadata: TableMetadata): unknown {
  switch (evolution.of) {
    case 'schema':
      return currentSchema(metadata)
    case 'partition-spec':
      return defaultSpec(metadata)
    case 'sort-order':
      return defaultOrder(metadata)
    case 'ref':
      return refNamed(metadata, 'make' in evolution ? evolution.make.name : evolution.drop)
  }
}

function checkEvolution(
  base: TableMetadata,
  next: TableMetadata,
  layout: TableLayout,
  evolution: Evolution,
): void {
  switch (evolution.of) {
    case 'schema':
      checkColumns(next, layout)
      checkNames(base, next, layout)
      checkAdded(base, next)
      return
    case 'partition-spec':
      checkDays(base, next, layout)
      checkSpecIsWritten(layout, next)
      return
    case 'sort-order':
      checkOrderIsFollowed(layout, next)
      return
    case 'ref':
      return
  }
}

/** A new column must be one that compaction can carry. */
function checkAdded(base: TableMetadata, next: TableMetadata): void {
  const known = new Set(currentSchema(base).fields.map(({ id }) => id))
  for (const { id, name, type } of currentSchema(next).fields) {
    if (known.has(id) || (typeof type === 'string' && isWritable(type))) continue
    const what = typeof type === 'string' ? type : 'nested'
    const right =
      'boolean, int, long, float, double, date, time, timestamp, timestamptz, string, uuid, binary or a decimal of up to 18, or 36 to 38, digits'
    throw refused(`column ${name} cannot be ${what}, which ticklake does not write: it may be ${right}`)
  }
}

function checkSpecIsWritten(layout: TableLayout, next: TableMetadata): void {
  const schema = currentSchema(next)
  const columns = fileColumns(layout, schema)
  const unwritten = unwrittenField(columns, schema, defaultSpec(next))
  if (!unwritten) return
  const { name, transform } = unwritten
  const source = schema.fields.find(({ id }) => id === unwritten.sourceId)
  const what = `${transform} of ${source?.name ?? name} (${String(source?.type)})`
  throw refused(
    `ticklake cannot write partitions by ${what}: take bucket[N], or a column of whole numbers, times or texts`,
  )
}

function checkOrderIsFollowed(layout: TableLayout, next: TableMetadata): void {
  const followed = rowOrder(layout, fileColumns(layout, currentSchema(next)), next)
  if (followed.id === next.defaultSortOrderId) return
  throw refused(
    'ticklake cannot sort files so: it sorts by identity, by year, month, day or hour of a time, and by truncate[N] of a text',
  )
}
