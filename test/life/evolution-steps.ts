import type { SchemaChange, SpecChange } from '#storage'
import { type Evolution, Evolve } from '../../src/storage/evolution.js'
import { currentSchema, defaultSpec } from '../../src/storage/iceberg/metadata.js'
import type { SchemaField } from '../../src/storage/iceberg/schema.js'
import { partitionFieldName } from '../../src/storage/iceberg/spec-change.js'
import type { SeededRandom } from '../support/seeded-random.js'
import { LIVED } from './lived-rows.js'
import type { LivedTable } from './lived-table.js'

/** Partition fields that come and go. */
const FIELDS = [
  ['moment', 'day'],
  ['moment', 'hour'],
  ['symbol', 'bucket[3]'],
  ['exchange', 'identity'],
] as const
const TIMES: readonly string[] = ['day', 'hour']
const TYPES = ['string', 'int', 'long', 'float', 'double', 'decimal(9, 2)']
const WIDER: Readonly<Record<string, string>> = {
  int: 'long',
  float: 'double',
  'decimal(9, 2)': 'decimal(12, 2)',
}
const ORDERS = [
  [],
  [{ column: 'symbol' }, { column: 'moment' }, { column: 'number' }],
  [{ column: 'exchange', direction: 'desc' }, { column: 'moment' }],
  [
    { column: 'moment', transform: 'day' },
    { column: 'symbol', nullOrder: 'nulls-first' },
  ],
] as const

/** Adds a column, or changes one that was added. */
export async function changeColumns(table: LivedTable, random: SeededRandom): Promise<void> {
  const added = addedColumns(table)
  const column = added.length === 0 || random.oneIn(3) ? null : random.pick(added)
  await evolve(table, { of: 'schema', changes: [changeOf(column, table.newName(), random)] })
}

function changeOf(column: SchemaField | null, newName: string, random: SeededRandom): SchemaChange {
  if (column === null) return { change: 'add', name: newName, type: random.pick(TYPES) }
  const { name, type } = column
  const wider = WIDER[String(type)]
  switch (random.below(4)) {
    case 0:
      return { change: 'rename', name, to: newName }
    case 1:
      return { change: 'drop', name }
    case 2:
      return { change: 'move', name, position: { at: 'first' } }
    default:
      return wider === undefined
        ? { change: 'doc', name, doc: newName }
        : { change: 'widen', name, type: wider }
  }
}

/** Of a column that ingest writes. */
export async function widen(table: LivedTable, random: SeededRandom): Promise<void> {
  const name = random.pick(['flags', 'quality_flags', 'log_partition'])
  await evolve(table, { of: 'schema', changes: [{ change: 'widen', name, type: 'long' }] })
}

export async function changePartitions(table: LivedTable, random: SeededRandom): Promise<void> {
  const [column, transform] = random.pick(FIELDS)
  const { fields } = defaultSpec(table.head.metadata)
  const had = fields.find(({ name }) => name === partitionFieldName(column, transform))
  // A table is partitioned by one length of time.
  const others = TIMES.includes(transform) ? fields.filter((field) => TIMES.includes(field.transform)) : []
  const changes: readonly SpecChange[] = had
    ? [{ change: 'remove', name: had.name }]
    : [
        ...others.map(({ name }) => ({ change: 'remove', name }) as const),
        { change: 'add', column, transform },
      ]
  await evolve(table, { of: 'partition-spec', changes })
}

export async function changeOrder(table: LivedTable, random: SeededRandom): Promise<void> {
  await evolve(table, { of: 'sort-order', by: random.pick(ORDERS) })
}

function addedColumns({ head }: LivedTable): readonly SchemaField[] {
  const { fields } = currentSchema(head.metadata)
  return fields.filter(({ id }) => id > LIVED.columns.length)
}

async function evolve({ head }: LivedTable, evolution: Evolution): Promise<void> {
  await head.commit(new Evolve(head.context, LIVED, evolution))
}
