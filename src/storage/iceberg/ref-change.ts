import { invalid, TicklakeError } from '#core'
import { withoutRefs } from './expiry.js'
import { NO_FIELDS } from './json.js'
import { MAIN, type TableMetadata } from './metadata.js'
import { type AsOf, refNamed, snapshotAsOf } from './refs.js'
import { refused } from './refusal.js'
import type { SnapshotRef } from './snapshot.js'
import { setRef } from './snapshot-updates.js'
import { applyUpdates } from './updates.js'

/** A branch or tag to be made, at a state of the table. */
export interface NewRef extends Omit<SnapshotRef, 'snapshotId' | 'extra'> {
  readonly name: string
  readonly asOf: AsOf
}

/** So that `as_of` can be a snapshot id, a time or a name, and never two of them. */
const NAME = /^[A-Za-z_][A-Za-z0-9_.-]{0,254}$/

/**
 * The table with the branch or tag; the same table if it is there already, alike. `conflict`: the name is taken by
 * another one. `gone` or `not_found`: the state is not there. Pure.
 */
export function makeRef(table: TableMetadata, { name, asOf, ...kind }: NewRef, nowMs: number): TableMetadata {
  if (!NAME.test(name)) {
    throw invalid(
      'name',
      name,
      'a name that begins with a letter and goes on with letters, digits, ., _ and -',
    )
  }
  const ref: SnapshotRef = { ...kind, snapshotId: snapshotAsOf(table, asOf).snapshotId, extra: NO_FIELDS }
  const next = applyUpdates(table, [(draft) => setRef(draft, name, ref)], nowMs)
  const there = refNamed(table, name)
  if (there && next !== table) {
    const message = `the ${there.type} ${name} is there already, at snapshot ${there.snapshotId}`
    throw new TicklakeError('conflict', `${message}: drop it first, or take another name`)
  }
  return next
}

/** The table without the branch or tag. `not_found`: there is none of that name. Pure. */
export function dropRef(table: TableMetadata, name: string, nowMs: number): TableMetadata {
  if (name === MAIN) throw refused(`${MAIN} is the table's own branch and stays`)
  if (!refNamed(table, name)) {
    throw new TicklakeError('not_found', `${table.location} has no branch or tag ${name}`)
  }
  const withoutIt = withoutRefs(table, new Set([name]))
  return applyUpdates(table, [(draft) => ({ ...draft, table: withoutIt })], nowMs)
}
