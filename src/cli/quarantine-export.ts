import { appendFile, mkdir, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { invalid } from '#core'
import type { LakeClient, Parameters } from './lake-client.js'
import { pages } from './pages.js'

/** A refused record, as GET /v1/quarantine answers it. */
interface RefusedJson {
  readonly received_at: string
  readonly source_id: string
  readonly file: string | null
  readonly line: number | null
  readonly topic: string
  readonly reason: string
  readonly detail: string
  readonly original_base64: string
  readonly log_partition: number | null
  readonly log_offset: number | null
}

/**
 * Writes originals into a folder that holds nothing yet, so that they can be mended: the lines of each source and file
 * as they were, in their order, and the records of each log partition as NDJSON. Gives the paths with their counts.
 */
export async function exportQuarantine(
  client: LakeClient,
  filter: Parameters,
  folder: string,
  signal: AbortSignal,
): Promise<ReadonlyMap<string, number>> {
  await mkdir(folder, { recursive: true })
  // Appending to the lines of another export would double them.
  if ((await readdir(folder)).length > 0) throw invalid('folder', folder, 'an empty or new folder')
  const files = new ExportedFiles(folder)
  const question = {
    path: '/v1/quarantine',
    parameters: filter,
    output: 'ndjson',
    rowsWanted: Number.POSITIVE_INFINITY,
    pageRows: PAGE_ROWS,
  } as const
  for await (const { text } of pages(client, question, signal)) {
    for (const row of text.split('\n').filter((line) => line !== '')) {
      // The server is of this same program: its rows have the fields of QUARANTINE_FIELDS.
      files.add(JSON.parse(row) as RefusedJson)
    }
    await files.write()
  }
  return files.counts
}

/** Originals may be long, and a page of them is held in memory. */
const PAGE_ROWS = 1_000

/** Longer names are no names for most file systems. */
const MAX_NAME_LENGTH = 200

interface ExportedFile {
  readonly path: string
  count: number
  readonly unwritten: Buffer[]
}

/** One for each source and file, and one for each partition of the log. */
class ExportedFiles {
  readonly #folder: string
  readonly #files = new Map<string, ExportedFile>()
  readonly #names = new Set<string>()

  constructor(folder: string) {
    this.#folder = folder
  }

  get counts(): ReadonlyMap<string, number> {
    return new Map([...this.#files.values()].map(({ path, count }) => [path, count]))
  }

  add(refused: RefusedJson): void {
    const { source_id: sourceId, file: sourceFile, line, topic, original_base64, ...facts } = refused
    const isRecord = sourceId.startsWith(`${topic}/`)
    const name = isRecord
      ? `${sourceId}.ndjson`
      : sourceFile === null
        ? sourceId
        : `${sourceId}-${sourceFile}`
    const file = this.#file(JSON.stringify([sourceId, sourceFile]), name)
    file.count++
    if (isRecord) {
      const record = { source_id: sourceId, offset: line, topic, ...facts, original_base64 }
      file.unwritten.push(Buffer.from(`${JSON.stringify(record)}\n`))
    } else file.unwritten.push(Buffer.from(original_base64, 'base64'), NEWLINE)
  }

  /** Writes what has been added since the last time. */
  async write(): Promise<void> {
    for (const { path, unwritten } of this.#files.values()) {
      if (unwritten.length > 0) await appendFile(path, Buffer.concat(unwritten.splice(0)))
    }
  }

  #file(key: string, name: string): ExportedFile {
    const known = this.#files.get(key)
    if (known) return known
    // The members of an archive have a / in their names, and anything may be in one: two may look alike then.
    const plain = name
      .replaceAll('/', '-')
      .replace(/[^\w.()+=@-]/g, '_')
      .slice(-MAX_NAME_LENGTH)
    let free = plain
    for (let number = 2; this.#names.has(free); number++) free = `${number}-${plain}`
    this.#names.add(free)
    const file = { path: join(this.#folder, free), count: 0, unwritten: [] }
    this.#files.set(key, file)
    return file
  }
}

const NEWLINE = Buffer.from('\n')
