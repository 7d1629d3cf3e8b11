import { isDeepStrictEqual } from 'node:util'
import { invalid, TicklakeError } from '#core'
import { changed, type Draft, type Update, type UpdateParsers } from './draft.js'
import { withoutRefs, withoutSnapshots } from './expiry.js'
import { Fields, type Json, NO_FIELDS } from './json.js'
import { MAIN, type TableMetadata } from './metadata.js'
import { CLOCK_TOLERANCE_MS } from './metadata-file.js'
import { refNamed } from './refs.js'
import { refused } from './refusal.js'
import {
  parseRetention,
  parseSnapshot,
  type Snapshot,
  type SnapshotRef,
  statisticsSnapshot,
} from './snapshot.js'

/** The updates of a table's snapshots, of its branches and tags, and of the statistics of snapshots. */
export const SNAPSHOT_UPDATES: UpdateParsers = {
  'add-snapshot': (from, path) => {
    const snapshot = parseSnapshot(from.json('snapshot'), `${path}.snapshot`)
    return (draft) => withSnapshot(draft, snapshot)
  },
  'remove-snapshots': (from) => {
    const ids = from.values('snapshot-ids', from.long)
    return (draft) => withTable(draft, withoutSnapshots(draft.table, new Set(ids)))
  },
  'set-snapshot-ref': (from) => {
    const name = from.string('ref-name')
    const type = from.choice('type', ['branch', 'tag'])
    const ref = { snapshotId: from.long('snapshot-id'), type, ...parseRetention(from), extra: NO_FIELDS }
    return (draft) => setRef(draft, name, ref)
  },
  'remove-snapshot-ref': (from) => {
    const name = from.string('ref-name')
    return (draft) => withTable(draft, withoutRefs(draft.table, new Set([name])))
  },
  'set-statistics': (from, path) =>
    setStatistics('statistics', from.json('statistics'), `${path}.statistics`),
  'remove-statistics': (from) => removeStatistics('statistics', from.long('snapshot-id')),
  'set-partition-statistics': (from, path) =>
    setStatistics('partitionStatistics', from.json('partition-statistics'), `${path}.partition-statistics`),
  'remove-partition-statistics': (from) => removeStatistics('partitionStatistics', from.long('snapshot-id')),
}

const MAX_ID = 2n ** 63n - 1n
const OPERATIONS = ['append', 'replace', 'overwrite', 'delete']

/** A snapshot that nothing refers to yet. `conflict` when it was made on a table that has moved on since. */
export function withSnapshot(draft: Draft, snapshot: Snapshot): Draft {
  const { table, nowMs } = draft
  const { snapshotId, parentSnapshotId, sequenceNumber, timestampMs, schemaId, summary } = snapshot
  const what = `snapshot ${snapshotId}`
  if (snapshotId < 1n || snapshotId > MAX_ID) throw refused(`${what}: an id is above 0 and has 63 bits`)
  if (table.snapshots.some((other) => other.snapshotId === snapshotId))
    throw refused(`${what}: the table has it already`)
  if (parentSnapshotId === snapshotId) throw refused(`${what}: it is its own parent`)
  if (sequenceNumber < 1) throw refused(`${what}: it has no sequence-number`)
  if (!OPERATIONS.includes(summary.operation ?? '')) {
    throw invalid(`${what}: operation`, summary.operation ?? '', OPERATIONS.join(', '))
  }
  if (schemaId !== null && !table.schemas.some((schema) => schema.schemaId === schemaId)) {
    throw refused(`${what}: the table has no schema ${schemaId}`)
  }
  if (timestampMs > nowMs + CLOCK_TOLERANCE_MS) {
    throw refused(
      `${what} is from ${timestampMs}, ${timestampMs - nowMs} ms ahead of the clock here: set yours`,
    )
  }
  if (sequenceNumber <= table.lastSequenceNumber) {
    const message = `${what} has the sequence number ${sequenceNumber}, and the table is at ${table.lastSequenceNumber}`
    throw new TicklakeError('conflict', `${message}: load the table again and commit on top of it`)
  }
  // Numbers that leap would run out, and a delete that leapt would be about rows that come only later.
  if (sequenceNumber > table.lastSequenceNumber + 1) {
    const message = `${what} has the sequence number ${sequenceNumber}`
    throw refused(`${message}: the next one is ${table.lastSequenceNumber + 1}`)
  }
  const next = changed(draft, {
    snapshots: [...table.snapshots, snapshot],
    lastSequenceNumber: sequenceNumber,
    lastUpdatedMs: Math.max(table.lastUpdatedMs, timestampMs),
  })
  return { ...next, added: new Set([...draft.added, snapshotId]) }
}

/** Makes or moves a branch or tag. Main's move is the table's next state, and history. */
export function setRef(draft: Draft, name: string, ref: SnapshotRef): Draft {
  const { table, added, nowMs } = draft
  const snapshot = table.snapshots.find(({ snapshotId }) => snapshotId === ref.snapshotId)
  if (name === '') throw invalid('ref-name', name, 'the name of a branch or tag')
  if (!snapshot)
    throw refused(`${name} cannot be set to snapshot ${ref.snapshotId}, which the table does not have`)
  checkRetention(name, ref)
  if (isDeepStrictEqual(refNamed(table, name), ref)) return draft
  const refs = { ...table.refs, [name]: ref }
  if (name !== MAIN || table.currentSnapshotId === ref.snapshotId) return changed(draft, { refs })
  // Going back to an old snapshot happens now; a new one is current from its own time on.
  const timestampMs = added.has(ref.snapshotId) ? snapshot.timestampMs : Math.max(nowMs, table.lastUpdatedMs)
  return changed(draft, {
    refs,
    currentSnapshotId: ref.snapshotId,
    snapshotLog: [...table.snapshotLog, { snapshotId: ref.snapshotId, timestampMs }],
    lastUpdatedMs: Math.max(table.lastUpdatedMs, timestampMs),
  })
}

function checkRetention(name: string, ref: SnapshotRef): void {
  if (name === MAIN && ref.type === 'tag') throw refused(`${MAIN} is a branch and cannot become a tag`)
  const ofBranches = ref.maxSnapshotAgeMs ?? ref.minSnapshotsToKeep
  if (ref.type === 'tag' && ofBranches !== undefined) {
    throw refused(
      `the tag ${name} is one snapshot: max-snapshot-age-ms and min-snapshots-to-keep are for branches`,
    )
  }
  for (const value of [ref.maxRefAgeMs, ref.maxSnapshotAgeMs, ref.minSnapshotsToKeep]) {
    if (value !== undefined && value < 1) throw invalid(`retention of ${name}`, value, 'above 0')
  }
}

type StatisticsKey = 'statistics' | 'partitionStatistics'

/** Statistics of a snapshot, in place of those that it had. */
function setStatistics(key: StatisticsKey, file: Json, path: string): Update {
  const id = new Fields(file, path).long('snapshot-id')
  return (draft) => {
    if (!draft.table.snapshots.some(({ snapshotId }) => snapshotId === id)) {
      throw refused(`${path}: the table has no snapshot ${id}`)
    }
    return changed(draft, { [key]: [...ofOthers(draft.table, key, id), file] })
  }
}

function removeStatistics(key: StatisticsKey, id: bigint): Update {
  return (draft) => {
    const others = ofOthers(draft.table, key, id)
    return others.length === draft.table[key].length ? draft : changed(draft, { [key]: others })
  }
}

function ofOthers(table: TableMetadata, key: StatisticsKey, id: bigint): readonly Json[] {
  return table[key].filter((file) => statisticsSnapshot(file) !== id)
}

function withTable(draft: Draft, table: TableMetadata): Draft {
  return table === draft.table ? draft : { ...draft, table }
}
