import { readdir, readFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { invalid, QUOTES, type TableDefinition, TRADES } from '#core'

/**
 * How a format's `sequence_number` counts, per symbol: `contiguous` rises by one, so that a hole is a loss;
 * `monotone` only never falls; `none` says nothing.
 */
export type SequenceKind = 'contiguous' | 'monotone' | 'none'

const OPTION_NAMES = ['symbol', 'exchange', 'date'] as const

/** What the caller of a load may state about a file: `date` is YYYY-MM-DD. */
export type FormatOption = (typeof OPTION_NAMES)[number]

export type FormatOptions = { readonly [name in FormatOption]?: string | undefined }

/** How files of one kind are read: one SELECT over DuckDB's readers (config/formats/README.md). */
export interface Format {
  readonly name: string
  readonly definition: TableDefinition
  readonly sequence: SequenceKind
  /** Which exchange the rows belong to, in words. */
  readonly exchange: string
  /** Options without which the format cannot tell what a row means. */
  readonly requires: readonly FormatOption[]
  readonly sql: string
}

/** A format by name ("asx-trades"), by file ("./mine.sql"), or given whole. */
export type FormatReference = string | { readonly name: string; readonly sql: string }

const TABLES: ReadonlyMap<string, TableDefinition> = new Map(
  [TRADES, QUOTES].map((definition) => [definition.name, definition]),
)
const SEQUENCES: readonly SequenceKind[] = ['contiguous', 'monotone', 'none']

/** Finds a format; an unknown name is an error that lists the known ones. */
export async function findFormat(reference: FormatReference, folders: readonly string[]): Promise<Format> {
  if (typeof reference !== 'string') return parseFormat(reference.name, reference.sql)
  if (reference.endsWith('.sql')) {
    return parseFormat(basename(reference, '.sql'), await readUserFile(reference))
  }
  const files = await formatFiles(folders)
  const path = files.get(reference)
  if (path === undefined) {
    const known = [...files.keys()].sort().join(', ')
    throw invalid('format', reference, `a format: one of ${known}, or the path of an .sql file`)
  }
  return parseFormat(reference, await readFile(path, 'utf8'))
}

/** Every format of the folders, by name. */
export async function listFormats(folders: readonly string[]): Promise<readonly Format[]> {
  const files = [...(await formatFiles(folders))].sort(([a], [b]) => (a < b ? -1 : 1))
  return Promise.all(files.map(async ([name, path]) => parseFormat(name, await readFile(path, 'utf8'))))
}

/** Reads the front matter: the leading comment lines of the form `-- key: value`. */
export function parseFormat(name: string, sql: string): Format {
  const stated = frontMatter(sql)
  const table = stated.get('table')
  const definition = table === undefined ? undefined : TABLES.get(table)
  if (!definition) throw wrong(name, 'table', table, `one of ${[...TABLES.keys()].join(', ')}`)
  const sequence = stated.get('sequence') ?? 'none'
  if (!isOneOf(SEQUENCES, sequence)) throw wrong(name, 'sequence', sequence, `one of ${SEQUENCES.join(', ')}`)
  const requires = (stated.get('requires') ?? '').split(',').flatMap((part) => part.trim() || [])
  for (const option of requires) {
    if (!isOneOf(OPTION_NAMES, option))
      throw wrong(name, 'requires', option, `one of ${OPTION_NAMES.join(', ')}`)
  }
  return {
    name,
    definition,
    sequence,
    exchange: stated.get('exchange') ?? 'as stated with the load',
    requires: requires.filter((option) => isOneOf(OPTION_NAMES, option)),
    sql,
  }
}

/** Refuses a name that no file can have: DuckDB ends a text in SQL where it holds a NUL. */
export function checkFileName(fileName: string): void {
  if (fileName.includes('\0')) throw invalid('file_name', fileName, 'a name without NUL characters')
}

/** Refuses options that are malformed and the absence of one that the format requires. */
export function checkOptions(format: Format, options: FormatOptions): void {
  for (const name of format.requires) {
    if (options[name] === undefined) {
      throw invalid(name, '', `given: format ${format.name} requires it (--${name})`)
    }
  }
  for (const name of ['symbol', 'exchange'] as const) {
    const value = options[name]
    // Printable and without surrounding blanks: it becomes a key in the log, a column and a URL parameter.
    if (value !== undefined && !/^[^\s\p{C}]([^\p{C}]{0,62}[^\s\p{C}])?$/u.test(value)) {
      throw invalid(name, value, 'a name of 1 to 64 printable characters')
    }
  }
  if (options.date !== undefined && !isDate(options.date)) {
    throw invalid('date', options.date, 'a date such as 2014-03-10')
  }
}

function isDate(text: string): boolean {
  if (!/^\d{4}-\d\d-\d\d$/.test(text)) return false
  const time = Date.parse(`${text}T00:00:00Z`)
  // Date.parse rolls 31 February over to March.
  return !Number.isNaN(time) && new Date(time).toISOString().startsWith(text)
}

async function formatFiles(folders: readonly string[]): Promise<Map<string, string>> {
  const files = new Map<string, string>()
  for (const folder of folders) {
    for (const entry of await readdir(folder)) {
      if (entry.endsWith('.sql')) files.set(basename(entry, '.sql'), join(folder, entry))
    }
  }
  return files
}

async function readUserFile(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8')
  } catch (cause) {
    throw invalid('format', path, 'an .sql file that can be read', cause)
  }
}

function frontMatter(sql: string): ReadonlyMap<string, string> {
  const stated = new Map<string, string>()
  for (const line of sql.split(/\r?\n/)) {
    if (line.trim() === '') continue
    if (!line.startsWith('--')) break
    const match = /^--\s*([a-z]+):\s*(.*?)\s*$/.exec(line)
    if (match) stated.set(match[1]!, match[2]!)
  }
  return stated
}

function isOneOf<T extends string>(values: readonly T[], value: string): value is T {
  return values.some((known) => known === value)
}

function wrong(format: string, key: string, value: string | undefined, expected: string) {
  return invalid(`format ${format}, front matter "${key}"`, value ?? '', expected)
}
