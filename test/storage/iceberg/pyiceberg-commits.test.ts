import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { createdTable, parseCreateTable } from '../../../src/storage/iceberg/create-table.js'
import { Fields, formatJson, type Json, parseJson } from '../../../src/storage/iceberg/json.js'
import type { TableMetadata } from '../../../src/storage/iceberg/metadata.js'
import { formatMetadata, parseMetadata } from '../../../src/storage/iceberg/metadata-file.js'
import { checkRequirements, parseRequirements } from '../../../src/storage/iceberg/requirements.js'
import { applyUpdates, parseUpdates } from '../../../src/storage/iceberg/updates.js'

const NAME = 'pyiceberg-commits.json'
/** The requests of a life of a table, as PyIceberg sent them, and the metadata that PyIceberg itself made of them. */
const recorded = new Fields(parseJson(readFileSync(join('test', 'golden', NAME), 'utf8'), NAME), NAME)
const location = recorded.string('location')

function created(): TableMetadata {
  const empty = { uuid: recorded.string('uuid'), location, nowMs: recorded.integer('nowMs') }
  return createdTable(parseCreateTable(recorded.json('create'), 'request'), empty)
}

function committed(table: TableMetadata, json: Json, path: string): TableMetadata {
  const from = new Fields(json, path)
  checkRequirements(table, parseRequirements(from.json('requirements'), path))
  const next = applyUpdates(table, parseUpdates(from.json('updates'), path), from.integer('nowMs'))
  expect(next).not.toBe(table)
  expect(parseMetadata(formatMetadata(next), path)).toEqual(next)
  return next
}

test('what PyIceberg commits in the life of a table leads where PyIceberg says it leads', () => {
  const commits = recorded.list('commits', (json, path) => ({ json, path }))
  expect(commits.length).toBeGreaterThan(15)
  const ours = commits.reduce((table, { json, path }) => committed(table, json, path), created())
  const theirs = parseMetadata(formatJson(recorded.json('made')), NAME)
  const passedOver = ours.snapshots.filter(({ snapshotId }) => !isLogged(ours, snapshotId)).length
  expect(passedOver).toBe(1)
  expect(comparable(ours)).toEqual(comparable(theirs))
})

const isLogged = ({ snapshotLog }: TableMetadata, id: bigint) =>
  snapshotLog.some(({ snapshotId }) => snapshotId === id)

/** Without what PyIceberg has otherwise than Java: lists without order 0, history of what was never current. */
function comparable(table: TableMetadata) {
  return {
    ...table,
    snapshots: table.snapshots.map(({ parentSnapshotId, ...snapshot }) => snapshot),
    sortOrders: table.sortOrders.filter(({ orderId }) => orderId !== 0),
    schemas: table.schemas.map(({ extra, ...schema }) => schema),
    lastUpdatedMs: 0,
    snapshotLog: [],
  }
}
