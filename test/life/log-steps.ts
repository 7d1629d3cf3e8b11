import { TicklakeError } from '#core'
import type { TableMetadata } from '#storage'
import { Append } from '../../src/storage/append.js'
import { layoutColumns } from '../../src/storage/file-columns.js'
import { periodOfMicros } from '../../src/storage/iceberg/transform.js'
import { currentOffsets } from '../../src/storage/position.js'
import { prepareFiles } from '../../src/storage/prepare.js'
import type { SeededRandom } from '../support/seeded-random.js'
import { createTyped, type TypedRow } from '../support/typed-table.js'
import { drawnCorrection } from './correction-topic.js'
import { keyOf, LIVED, logRow, withCells } from './lived-rows.js'
import type { LivedTable } from './lived-table.js'
import type { ModelState } from './table-model.js'

export async function append(table: LivedTable, random: SeededRandom): Promise<void> {
  const count = 1 + random.below(30)
  await appendRows(table, (from) => Array.from({ length: count }, (_, index) => logRow(random, from + index)))
}

/** A row of a day that was long over. */
export async function appendLate(table: LivedTable, random: SeededRandom): Promise<void> {
  const moment = -1n * BigInt(random.below(1000))
  await appendRows(table, (from) => [withCells(logRow(random, from), new Map([['moment', moment]]))])
}

export async function correct(table: LivedTable, random: SeededRandom): Promise<void> {
  for (let count = random.below(5); count > 0; count--) {
    table.topic.add(drawnCorrection(random, table.model.newest))
  }
  await table.topic.make(table)
}

/** What was made once is made once. */
export async function correctTwice(table: LivedTable, random: SeededRandom): Promise<void> {
  table.topic.add(drawnCorrection(random, table.model.newest))
  const made = await table.topic.make(table)
  if (made === null) return
  const { rows, plan, from, to } = made
  try {
    await rows.commit(plan, [from], [to])
  } catch (error) {
    if (error instanceof TicklakeError && error.code === 'conflict') return
    throw error
  }
  throw new Error(`corrections from ${from} to ${to} were made twice`)
}

/** @param draw the rows from this offset of the log on. */
function appendRows(table: LivedTable, draw: (from: number) => readonly TypedRow[]): Promise<void> {
  return table.afterAppends(async () => {
    const { engine, head } = table.owner
    const [from] = currentOffsets(head.metadata)
    const rows = draw(from!)
    const to = from! + rows.length
    const relation = table.newName()
    const names = head.claimNames()
    await createTyped(table.engine, relation, rows, layoutColumns(LIVED))
    try {
      const { metadata, context } = head
      const days = new Set(rows.map(([moment]) => periodOfMicros('day', BigInt(String(moment)))))
      const { files, specId } = await prepareFiles(
        { layout: LIVED, engine, objects: context.objects, metadata },
        { relation, rowCount: rows.length, days },
        names.next(),
      )
      const expected = {
        isIn: (now: TableMetadata) => currentOffsets(now)[0]! >= to,
        after: (state: ModelState) => ({ ...state, rows: withRows(state.rows, rows), offset: to }),
      }
      const change = new Append(context, { files, specId, from: [from!], to: [to], summary: {} })
      await table.commit(expected, () => head.commit(change))
    } finally {
      names.release()
      await table.engine.run(`DROP TABLE ${relation}`)
    }
  })
}

function withRows(before: ModelState['rows'], rows: readonly TypedRow[]): ModelState['rows'] {
  return new Map([...before, ...rows.map((row) => [keyOf(row), row] as const)])
}
