import { readFileSync } from 'node:fs'
import avro from 'avsc'
import { tableFolder, tablePaths } from './crashed-folder.js'

/** A table's folder as a stranger sees it: JSON and Avro, and nothing of the code that wrote it. */
export interface TableFolder {
  /** Paths of all that the newest metadata and its snapshots name; each of them has to be there. */
  readonly needed: ReadonlySet<string>
  /** Data files that a manifest says have left the table: they may be there still. */
  readonly departed: ReadonlySet<string>
  /** All that is there. */
  readonly files: readonly string[]
  readonly metadata: FolderMetadata
}

/** Of a metadata file, what is looked at. Ids of ours are exact as numbers. */
export interface FolderMetadata {
  readonly 'current-snapshot-id': number
  readonly 'metadata-log': readonly { readonly 'metadata-file': string }[]
  readonly snapshots: readonly {
    readonly 'snapshot-id': number
    readonly 'manifest-list': string
    readonly summary: Readonly<Record<string, string>>
  }[]
}

/** An entry of a manifest list. */
interface Listed {
  readonly manifest_path: string
}

/** An entry of a manifest. */
interface Entry {
  readonly status: number
  readonly data_file: { readonly file_path: string }
}

const DEPARTED = 2

/** Manifests never change: each is read once, though a folder is looked at again and again. */
export class FolderReader {
  readonly #lists = new Map<string, Promise<readonly Listed[]>>()
  readonly #manifests = new Map<string, Promise<readonly Entry[]>>()

  /** By the metadata file with the highest number. Throws when something that it names cannot be read. */
  async read(data: string, table: string): Promise<TableFolder> {
    const files = tablePaths(data, table)
    const version = Math.max(...files.map((path) => Number(/\/v(\d+)\.metadata\.json$/.exec(path)?.[1] ?? 0)))
    const metadata = readMetadata(data, table, version)
    const folder = `${tableFolder(data, table)}/metadata`
    const needed = new Set([`${folder}/v${version}.metadata.json`, `${folder}/version-hint.text`])
    const departed = new Set<string>()
    for (const { 'metadata-file': location } of metadata['metadata-log']) needed.add(pathOf(location))
    for (const { 'manifest-list': list, summary } of metadata.snapshots) {
      needed.add(pathOf(list))
      if (summary['ticklake.ledger']) needed.add(pathOf(summary['ticklake.ledger']))
      for (const { manifest_path: manifest } of await once(this.#lists, pathOf(list))) {
        needed.add(pathOf(manifest))
        for (const { status, data_file: file } of await once(this.#manifests, pathOf(manifest))) {
          const there = status === DEPARTED ? departed : needed
          there.add(pathOf(file.file_path))
        }
      }
    }
    return { needed, departed, files, metadata }
  }
}

/** Version N of a table's metadata. */
export function readMetadata(data: string, table: string, version: number): FolderMetadata {
  return JSON.parse(readFileSync(`${tableFolder(data, table)}/metadata/v${version}.metadata.json`, 'utf8'))
}

/** What is there and named by nothing: what a crash may leave behind. */
export function leftBehind({ needed, departed, files }: TableFolder): readonly string[] {
  return files.filter((path) => !needed.has(path) && !departed.has(path))
}

function once<T>(known: Map<string, Promise<readonly T[]>>, path: string): Promise<readonly T[]> {
  const reading = known.get(path) ?? readRecords<T>(path)
  known.set(path, reading)
  return reading
}

/** The records of an Avro file, read by avsc. */
function readRecords<T>(path: string): Promise<readonly T[]> {
  return new Promise((resolve, reject) => {
    const records: T[] = []
    const decoder = avro.createFileDecoder(path)
    decoder.on('data', (record: T) => records.push(record))
    decoder.on('end', () => resolve(records))
    decoder.on('error', (cause: Error) => reject(new Error(`cannot read ${path}`, { cause })))
  })
}

function pathOf(location: string): string {
  return location.replace('file://', '')
}
