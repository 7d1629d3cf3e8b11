import { invalid } from '#core'
import { changed, type Draft, type UpdateParsers } from './draft.js'
import { refused } from './refusal.js'

/** The updates of what a table is and where. */
export const TABLE_UPDATES: UpdateParsers = {
  'assign-uuid': (from) => {
    const uuid = from.string('uuid')
    return (draft) => assignUuid(draft, uuid)
  },
  'upgrade-format-version': (from) => {
    checkFormatVersion(from.integer('format-version'))
    return (draft) => draft
  },
  'set-location': (from) => {
    const location = from.string('location')
    return (draft) => setLocation(draft, location)
  },
  'set-properties': (from) => {
    const properties = from.object(from.has('updated') ? 'updated' : 'updates').strings()
    return (draft) => setProperties(draft, properties)
  },
  'remove-properties': (from) => {
    const keys = from.values(from.has('removed') ? 'removed' : 'removals', from.string)
    return (draft) => removeProperties(draft, new Set(keys))
  },
}

const FORMAT_VERSION = 2
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i

export function checkFormatVersion(version: number): void {
  if (version === FORMAT_VERSION) return
  throw invalid('format-version', version, 'the version that ticklake reads and writes, 2')
}

/** A table has one UUID for life: who knows it by that must not take another one for it. */
export function assignUuid(draft: Draft, uuid: string): Draft {
  const { table, base } = draft
  if (!UUID.test(uuid)) throw invalid('uuid', uuid, 'a UUID')
  if (uuid.toLowerCase() === table.tableUuid.toLowerCase()) return draft
  if (base) throw refused(`assign-uuid: the table has the UUID ${table.tableUuid} and keeps it`)
  return changed(draft, { tableUuid: uuid })
}

export function setLocation(draft: Draft, text: string): Draft {
  const location = text.replace(/\/+$/, '')
  if (location === '') throw invalid('location', text, 'where a table could lie')
  return location === draft.table.location ? draft : changed(draft, { location })
}

export function setProperties(draft: Draft, properties: Readonly<Record<string, string>>): Draft {
  const before = draft.table.properties
  const isNew = Object.entries(properties).some(
    ([key, value]) => !Object.hasOwn(before, key) || before[key] !== value,
  )
  return isNew ? changed(draft, { properties: { ...before, ...properties } }) : draft
}

export function removeProperties(draft: Draft, keys: ReadonlySet<string>): Draft {
  const before = Object.entries(draft.table.properties)
  const left = before.filter(([key]) => !keys.has(key))
  return left.length === before.length ? draft : changed(draft, { properties: Object.fromEntries(left) })
}
