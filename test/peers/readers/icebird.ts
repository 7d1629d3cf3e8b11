import { readFile } from 'node:fs/promises'
import { text } from 'node:stream/consumers'
import { pathToFileURL } from 'node:url'
import { icebergMetadata, icebergRead } from 'icebird'
import type { LayoutColumn } from '#core'
import { localPath } from '#storage'
import type { CellValue, Row } from '../../support/row-batch.js'
import { expectedAnswer } from './expected.js'
import type { Question, TableAnswer, TableQuestion } from './question.js'

// icebird reads through fetch, and Node's fetch refuses file: URLs.
const fetchRemote = globalThis.fetch
globalThis.fetch = async (input, init) => {
  const url = input instanceof Request ? input.url : String(input)
  if (!url.startsWith('file:')) return fetchRemote(input, init)
  // Locations are no URLs: what is encoded in one is so in the name of its file.
  const bytes = await readFile(localPath(url)).catch(() => null)
  if (bytes === null) return new Response(null, { status: 404, statusText: 'no such file' })
  const range = /^bytes=(\d*)-(\d*)$/.exec(new Headers(init?.headers).get('range') ?? '')
  if (!range) return new Response(bytes, { headers: { 'content-length': String(bytes.length) } })
  const [, from = '', to = ''] = range
  const part =
    from === ''
      ? bytes.subarray(-Number(to))
      : bytes.subarray(Number(from), to === '' ? undefined : Number(to) + 1)
  return new Response(part, { status: 206, headers: { 'content-length': String(part.length) } })
}

type TableMetadata = Awaited<ReturnType<typeof icebergMetadata>>

async function answerTable(question: TableQuestion): Promise<TableAnswer> {
  const tableUrl = pathToFileURL(question.path).href
  const metadata = asOf(await icebergMetadata({ tableUrl }), question.snapshotId)
  // icebird refuses to read a table that has no snapshot; that it sees none is the answer.
  const isEmpty = (metadata['current-snapshot-id'] ?? -1) === -1
  const read = isEmpty ? [] : await icebergRead({ tableUrl, metadata })
  const rows = read.map(
    (row): Row =>
      Object.fromEntries(question.columns.map(({ name, type }) => [name, cellOf(type, row[name])])),
  )
  return expectedAnswer(question, rows)
}

/** It reads what is current: of metadata that say so, an earlier state. Its ids are doubles. */
function asOf(metadata: TableMetadata, snapshotId: string | null): TableMetadata {
  if (snapshotId === null) return metadata
  const id = Number(snapshotId)
  const snapshot = metadata.snapshots?.find((one) => one['snapshot-id'] === id)
  return { ...metadata, 'current-snapshot-id': id, 'current-schema-id': snapshot?.['schema-id'] ?? 0 }
}

/** icebird's value as ours. Its decimals are doubles: rounded to 8 places. */
function cellOf(type: LayoutColumn['type'], value: unknown): CellValue {
  if (value === null || value === undefined) return null
  switch (type) {
    case 'timestamptz':
      if (value instanceof Date) return BigInt(value.getTime()) * 1000n
      break
    case 'date':
      if (value instanceof Date) return Math.floor(value.getTime() / 86_400_000)
      break
    case 'decimal':
      if (typeof value === 'number') return BigInt(value.toFixed(8).replace('.', ''))
      break
    case 'long':
      if (typeof value === 'bigint' || typeof value === 'number') return BigInt(value)
      break
    default:
      if (typeof value === 'string' || typeof value === 'number' || value instanceof Uint8Array) return value
  }
  throw new TypeError(`a ${type} read as ${typeof value}: ${String(value)}`)
}

const question: Question = JSON.parse(await text(process.stdin))
const tables: Record<string, TableAnswer | { error: string }> = {}
for (const table of question.tables) {
  tables[table.name] = await answerTable(table).catch((error) => ({ error: String(error) }))
}
const manifest = await readFile(new URL('../package.json', import.meta.resolve('icebird')), 'utf8')
const { version }: { version: string } = JSON.parse(manifest)
process.stdout.write(JSON.stringify({ version: `icebird ${version}`, tables }))
