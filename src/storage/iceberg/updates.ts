import { invalid } from '#core'
import { type Draft, draftOf, type EmptyTable, emptyDraft, finished, type Update } from './draft.js'
import { asRequest, Fields, type Json } from './json.js'
import { LAYOUT_UPDATES } from './layout-updates.js'
import type { TableMetadata } from './metadata.js'
import { SCHEMA_UPDATES } from './schema-updates.js'
import { SNAPSHOT_UPDATES } from './snapshot-updates.js'
import { TABLE_UPDATES } from './table-updates.js'

/** Every update that a request may hold (Iceberg REST: TableUpdate), by its action. */
const UPDATES = new Map(
  [TABLE_UPDATES, SCHEMA_UPDATES, LAYOUT_UPDATES, SNAPSHOT_UPDATES].flatMap((parsers) =>
    Object.entries(parsers),
  ),
)

/** The updates of a request, understood but not applied. `invalid_input` names what is unknown or wrong, and where. */
export function parseUpdates(json: Json, path: string): readonly Update[] {
  return asRequest(() => new Fields({ updates: json }, path).list('updates', parseUpdate))
}

/**
 * The table after the updates, in their order; the very same one if they change nothing. The rules are those of
 * Iceberg's Java library, and these: a UUID stays, field ids of columns that are gone stay unused, and a new schema has
 * to read the rows that are there. `invalid_input` when the table does not allow an update, `conflict` when it was made
 * on an older state of it. Pure.
 */
export function applyUpdates(base: TableMetadata, updates: readonly Update[], nowMs: number): TableMetadata {
  return applied(draftOf(base, nowMs), updates)
}

/** The table that the updates make from nothing: what a staged creation commits. */
export function createByUpdates(empty: EmptyTable, updates: readonly Update[]): TableMetadata {
  return applied(emptyDraft(empty), updates)
}

function applied(draft: Draft, updates: readonly Update[]): TableMetadata {
  return asRequest(() => finished(updates.reduce((state, update) => update(state), draft)))
}

function parseUpdate(json: Json, path: string): Update {
  const from = new Fields(json, path)
  const action = from.string('action')
  const parse = UPDATES.get(action)
  if (!parse)
    throw invalid(`${path}.action`, action, `an update of a table: ${[...UPDATES.keys()].join(', ')}`)
  return parse(from, path)
}
