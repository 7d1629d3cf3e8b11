import { expect, test } from 'vitest'
import { TicklakeError } from '#core'
import { type Expiry, expirable, expired } from '../../../src/storage/iceberg/expiry.js'
import { currentSchema, defaultSpec, type TableMetadata } from '../../../src/storage/iceberg/metadata.js'
import { formatMetadata, parseMetadata } from '../../../src/storage/iceberg/metadata-file.js'
import { changeOrder } from '../../../src/storage/iceberg/order-change.js'
import { changeSchema, type SchemaChange } from '../../../src/storage/iceberg/schema-change.js'
import { changeSpec, type SpecChange } from '../../../src/storage/iceberg/spec-change.js'
import { columnsOf, everyColumn } from '../../../src/storage/iceberg/types.js'
import { SeededRandom } from '../../support/seeded-random.js'
import { EMPTY_TRADES, foreignAppend, NOW, updated, withAppends } from '../../support/table-metadata.js'

const SEEDS = Array.from({ length: 20 }, (_, seed) => seed)
const STEPS = 60

/** What a table must never give twice: a column's id to another column, a partition field's to another meaning. */
class IdLedger {
  readonly #columns = new Map<number, string>()
  readonly #fields = new Map<number, string>()
  #lastColumnId = 0
  #lastPartitionId = 0

  check(table: TableMetadata): void {
    const before = { column: this.#lastColumnId, field: this.#lastPartitionId }
    for (const schema of table.schemas) {
      for (const { id, doc } of everyColumn(columnsOf(schema, 'schema'))) {
        // The tests write into a column's text who it is, whatever it is named later.
        const who = doc ?? ''
        expect(this.#columns.get(id) ?? who).toBe(who)
        if (!this.#columns.has(id)) expect(id).toBeGreaterThan(before.column)
        this.#columns.set(id, who)
        expect(id).toBeLessThanOrEqual(table.lastColumnId)
      }
    }
    const ids = new Map<string, number>()
    for (const { fieldId, sourceId, transform } of table.partitionSpecs.flatMap(({ fields }) => fields)) {
      const meaning = `${transform} of ${sourceId}`
      expect(this.#fields.get(fieldId) ?? meaning).toBe(meaning)
      if (!this.#fields.has(fieldId)) expect(fieldId).toBeGreaterThan(before.field)
      this.#fields.set(fieldId, meaning)
      expect(ids.get(meaning) ?? fieldId).toBe(fieldId)
      ids.set(meaning, fieldId)
      expect(fieldId).toBeLessThanOrEqual(table.lastPartitionId)
    }
    this.#lastColumnId = table.lastColumnId
    this.#lastPartitionId = table.lastPartitionId
  }
}

type Step = (table: TableMetadata, random: SeededRandom, nowMs: number, serial: number) => TableMetadata

const columnOf = (table: TableMetadata, random: SeededRandom) => random.pick(currentSchema(table).fields).name
const snapshotOf = (table: TableMetadata, random: SeededRandom) =>
  random.pick(table.snapshots)?.snapshotId ?? 77n

function schemaStep(
  table: TableMetadata,
  random: SeededRandom,
  nowMs: number,
  serial: number,
): TableMetadata {
  const name = columnOf(table, random)
  const position = random.pick([
    { at: 'first' } as const,
    { at: 'after', column: columnOf(table, random) } as const,
  ])
  const nested = {
    type: 'list',
    'element-id': 0,
    element: { type: 'map', 'key-id': 0, key: 'int', 'value-id': 0, value: 'date' },
  }
  const change: SchemaChange = random.pick<SchemaChange>([
    {
      change: 'add',
      name: `c${serial}`,
      type: random.pick(['int', 'float', 'decimal(9, 2)', 'string', 'timestamptz', nested]),
      doc: `column ${serial}`,
      position,
    },
    { change: 'add', name, type: 'int' },
    { change: 'drop', name },
    { change: 'rename', name, to: random.pick([`r${serial}`, columnOf(table, random)]) },
    { change: 'move', name, position },
    { change: 'widen', name, type: random.pick(['long', 'double', 'decimal(12, 2)', 'string']) },
    { change: 'make-optional', name },
  ])
  return changeSchema(table, [change], nowMs)
}

function specStep(table: TableMetadata, random: SeededRandom, nowMs: number): TableMetadata {
  const transform = random.pick([
    'day',
    'hour',
    'month',
    'identity',
    'bucket[4]',
    'bucket[16]',
    'truncate[3]',
  ])
  const changes: readonly SpecChange[] = [
    { change: 'remove', name: random.pick(defaultSpec(table).fields)?.name ?? 'none' },
    { change: 'add', column: columnOf(table, random), transform },
  ]
  return changeSpec(table, random.pick([changes, changes.slice(0, 1), changes.slice(1)]), nowMs)
}

const STEPS_OF_A_TABLE: readonly Step[] = [
  (table, random, nowMs) =>
    updated(table, nowMs, ...foreignAppend(table, random.bigBelow(2n ** 63n), nowMs - random.below(900))),
  (table, random, nowMs) => updated(table, nowMs, foreignAppend(table, random.bigBelow(2n ** 63n), nowMs)[0]),
  (table, random, nowMs) =>
    updated(table, nowMs, {
      action: 'set-snapshot-ref',
      'ref-name': random.pick(['main', 'eod', 'audit', 'constructor']),
      type: random.pick(['branch', 'tag']),
      'snapshot-id': snapshotOf(table, random),
      ...(random.oneIn(2) ? { 'max-ref-age-ms': 1 + random.below(50_000) } : {}),
    }),
  (table, random, nowMs) =>
    updated(table, nowMs, {
      action: 'remove-snapshot-ref',
      'ref-name': random.pick(['eod', 'audit', 'main']),
    }),
  (table, random, nowMs) =>
    updated(table, nowMs, { action: 'remove-snapshots', 'snapshot-ids': [snapshotOf(table, random)] }),
  (table, random, nowMs) =>
    updated(table, nowMs, {
      action: 'set-statistics',
      statistics: { 'snapshot-id': snapshotOf(table, random) },
    }),
  (table, random, nowMs) => {
    const policy = {
      maxAgeMs: random.below(20_000),
      minToKeep: 1 + random.below(3),
      maxCount: 3 + random.below(9),
    }
    const expiry: Expiry = expirable(table, policy, nowMs, new Set([snapshotOf(table, random)]))
    return expired(table, expiry)
  },
  schemaStep,
  schemaStep,
  specStep,
  (table, random, nowMs) =>
    changeOrder(table, [{ column: columnOf(table, random), direction: random.pick(['asc', 'desc']) }], nowMs),
  (table, random, nowMs) =>
    updated(
      table,
      nowMs,
      {
        action: random.pick(['set-default-spec', 'set-current-schema']),
        'spec-id': random.below(4),
        'schema-id': random.below(6),
      },
      { action: 'set-properties', updates: { n: String(random.below(9)) } },
    ),
  (table, random, nowMs) =>
    updated(table, nowMs, { action: 'remove-schemas', 'schema-ids': [random.below(6)] }),
  (table, random, nowMs) =>
    updated(table, nowMs, { action: 'remove-partition-specs', 'spec-ids': [random.below(6)] }),
]

test.each(SEEDS)('whatever is changed, in whatever order, leaves sound metadata: seed %i', (seed) => {
  const random = new SeededRandom(seed)
  const ledger = new IdLedger()
  let table = withAppends(EMPTY_TRADES, 2)
  let nowMs = NOW + 10_000
  let applied = 0
  for (let step = 0; step < STEPS; step++) {
    nowMs += random.below(5000) - 500
    const text = formatMetadata(table)
    let next: TableMetadata
    try {
      next = random.pick(STEPS_OF_A_TABLE)(table, random, nowMs, step)
    } catch (error) {
      // Half of what is tried is not allowed; it says so, and the table is as it was.
      if (!(error instanceof TicklakeError) || !['invalid_input', 'conflict'].includes(error.code))
        throw error
      expect(formatMetadata(table)).toBe(text)
      continue
    }
    if (next !== table) applied += 1
    expect(formatMetadata(table)).toBe(text)
    // The invariants of a metadata file are checked on the way out and on the way in.
    expect(parseMetadata(formatMetadata(next), `seed ${seed}, step ${step}`)).toEqual(next)
    expect(next.lastUpdatedMs).toBeGreaterThanOrEqual(table.lastUpdatedMs)
    expect(next.lastSequenceNumber).toBeGreaterThanOrEqual(table.lastSequenceNumber)
    const held = new Set(next.snapshots.map(({ snapshotId }) => snapshotId))
    expect(next.snapshotLog.every(({ snapshotId }) => held.has(snapshotId))).toBe(true)
    ledger.check(next)
    table = next
  }
  expect(applied).toBeGreaterThan(STEPS / 5)
})
