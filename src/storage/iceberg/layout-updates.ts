import { changed, type Draft, LAST_ADDED, type UpdateParsers } from './draft.js'
import { type JsonObject, NO_FIELDS } from './json.js'
import { currentSchema } from './metadata.js'
import { checkOrder, sameOrder } from './order-rules.js'
import { parseSortOrder, type SortOrder, UNSORTED } from './partition.js'
import { refused } from './refusal.js'
import { checkSpec, parseRequestedFields, type RequestedField, sameSpec, withFieldIds } from './spec-rules.js'
import { columnsOf } from './types.js'

/** The updates of how a table's rows lie in files: its partition specs and sort orders. */
export const LAYOUT_UPDATES: UpdateParsers = {
  'add-spec': (from, path) => {
    const fields = parseRequestedFields(from.json('spec'), `${path}.spec`)
    return (draft) => addSpec(draft, fields)
  },
  'set-default-spec': (from) => {
    const specId = from.integer('spec-id')
    return (draft) => setDefaultSpec(draft, specId)
  },
  'remove-partition-specs': (from) => {
    const ids = from.values('spec-ids', from.integer)
    return (draft) => removeSpecs(draft, new Set(ids))
  },
  'add-sort-order': (from, path) => {
    const order = parseSortOrder(from.json('sort-order'), `${path}.sort-order`)
    return (draft) => addSortOrder(draft, order)
  },
  'set-default-sort-order': (from) => {
    const orderId = from.integer('sort-order-id')
    return (draft) => setDefaultSortOrder(draft, orderId)
  },
}

/** A spec that partitions as one of the table's does is that one; another one gets the next number. */
export function addSpec(
  draft: Draft,
  fields: readonly RequestedField[],
  extra: JsonObject = NO_FIELDS,
): Draft {
  const { table } = draft
  const known = table.partitionSpecs.find((spec) => sameSpec(spec.fields, fields))
  if (known) return { ...draft, lastAdded: { ...draft.lastAdded, spec: known.specId } }
  checkSpec(fields, columnsOf(currentSchema(table), 'schema'))
  const numbered = withFieldIds(fields, table.partitionSpecs, table.lastPartitionId)
  const specId = Math.max(-1, ...table.partitionSpecs.map((spec) => spec.specId)) + 1
  const added = changed(draft, {
    partitionSpecs: [...table.partitionSpecs, { specId, fields: numbered, extra }],
    lastPartitionId: Math.max(table.lastPartitionId, ...numbered.map(({ fieldId }) => fieldId)),
  })
  return { ...added, lastAdded: { ...draft.lastAdded, spec: specId } }
}

export function setDefaultSpec(draft: Draft, id: number): Draft {
  const { table, lastAdded } = draft
  const specId = id === LAST_ADDED ? lastAdded.spec : id
  if (specId === undefined) throw refused('set-default-spec: no spec was added that −1 could stand for')
  if (!table.partitionSpecs.some((spec) => spec.specId === specId)) {
    throw refused(`set-default-spec: the table has no partition spec ${specId}`)
  }
  return specId === table.defaultSpecId ? draft : changed(draft, { defaultSpecId: specId })
}

/** Takes specs away that no manifest has any more, which whoever asks must know. */
export function removeSpecs(draft: Draft, ids: ReadonlySet<number>): Draft {
  const { table } = draft
  if (ids.has(table.defaultSpecId)) {
    throw refused(`remove-partition-specs: ${table.defaultSpecId} is the default spec`)
  }
  const partitionSpecs = table.partitionSpecs.filter(({ specId }) => !ids.has(specId))
  return partitionSpecs.length === table.partitionSpecs.length ? draft : changed(draft, { partitionSpecs })
}

/** An order that the table has already is that one, and no order at all is 0; another one gets the next number. */
export function addSortOrder(draft: Draft, order: SortOrder): Draft {
  const { table } = draft
  const known =
    order.fields.length === 0
      ? UNSORTED
      : table.sortOrders.find((candidate) => sameOrder(candidate.fields, order.fields))
  const orderId =
    known?.orderId ?? Math.max(UNSORTED.orderId, ...table.sortOrders.map((one) => one.orderId)) + 1
  const lastAdded = { ...draft.lastAdded, order: orderId }
  if (table.sortOrders.some((one) => one.orderId === orderId)) return { ...draft, lastAdded }
  checkOrder(order.fields, columnsOf(currentSchema(table), 'schema'))
  const sortOrders = [...table.sortOrders, known ?? { ...order, orderId }]
  return { ...changed(draft, { sortOrders }), lastAdded }
}

export function setDefaultSortOrder(draft: Draft, id: number): Draft {
  const { table, lastAdded } = draft
  const orderId = id === LAST_ADDED ? lastAdded.order : id
  if (orderId === undefined) {
    throw refused('set-default-sort-order: no sort order was added that −1 could stand for')
  }
  if (!table.sortOrders.some((order) => order.orderId === orderId)) {
    throw refused(`set-default-sort-order: the table has no sort order ${orderId}`)
  }
  return orderId === table.defaultSortOrderId ? draft : changed(draft, { defaultSortOrderId: orderId })
}
