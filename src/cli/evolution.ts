import type { Command } from 'commander'
import type { RefJson } from '#api'
import { invalid } from '#core'
import type { LakeClient } from './lake-client.js'
import { type Target, withLake } from './target.js'
import { textTable } from './text-table.js'

const HELP = `
Changes are made in the order in which they are written, all or none; no file is rewritten.

Examples:
  ticklake admin schema trades --add feed:string --widen exchange_nanos:long
  ticklake admin partition-spec trades --add symbol:bucket[16] --remove exchange_timestamp_day
  ticklake admin sort-order trades symbol exchange_timestamp:desc
  ticklake admin tag trades before-the-audit
  ticklake admin refs trades`

/** A change as the interface takes it. */
type Change = Readonly<Record<string, unknown>>

interface Printed extends Target {
  readonly json?: boolean
}

interface RefOptions extends Printed {
  readonly asOf?: string
  readonly drop?: boolean
}

/** The commands that change a table in metadata alone. `target` gives each the options by which a lake is found. */
export function evolutionCommands(
  admin: Command,
  target: (command: Command) => Command,
  signal: AbortSignal,
): void {
  admin.addHelpText('after', HELP)
  const command = (name: string, description: string) =>
    target(
      admin.command(name).description(description).argument('<table>', 'trades, quotes or quarantine'),
    ).option('--json', 'print what there is then as one line of JSON')

  const columns: Change[] = []
  const column = (name: string, change: (left: string, right: string) => Change) => (text: string) => {
    const [left, right] = splitAt(`--${name}`, text)
    columns.push(change(left, right))
    return text
  }
  const one = (change: (name: string) => Change, into: Change[]) => (text: string) => {
    into.push(change(text))
    return text
  }
  command('schema', 'add, drop, rename, move, widen and describe columns; or show them')
    .option(
      '--add <name:type>',
      'a new column, null in the rows there are',
      column('add', (name, type) => ({ change: 'add', name, type })),
    )
    .option(
      '--drop <name>',
      'take a column away',
      one((name) => ({ change: 'drop', name }), columns),
    )
    .option(
      '--rename <name:new>',
      'give a column another name',
      column('rename', (name, to) => ({ change: 'rename', name, to })),
    )
    .option(
      '--first <name>',
      'move a column to the front',
      one((name) => ({ change: 'move', name, position: { at: 'first' } }), columns),
    )
    .option(
      '--after <name:other>',
      'move a column behind another',
      column('after', (name, other) => ({ change: 'move', name, position: { at: 'after', column: other } })),
    )
    .option(
      '--widen <name:type>',
      'int to long, float to double, a decimal to more digits',
      column('widen', (name, type) => ({ change: 'widen', name, type })),
    )
    .option(
      '--doc <name:text>',
      'say what a column means',
      column('doc', (name, doc) => ({ change: 'doc', name, doc })),
    )
    .action((table, options) =>
      evolve(table, 'schema', columns.length === 0 ? null : { changes: columns }, options, signal),
    )

  const fields: Change[] = []
  command('partition-spec', 'change how rows are parted into files from now on; or show it')
    .option(
      '--add <column:transform>',
      'a partition field: day, hour, month, year, identity, bucket[N] or truncate[N] of a column',
      (text) => {
        const [name, transform] = splitAt('--add', text)
        fields.push({ change: 'add', column: name, transform })
        return text
      },
    )
    .option(
      '--remove <name>',
      'take a partition field away',
      one((name) => ({ change: 'remove', name }), fields),
    )
    .action((table, options) =>
      evolve(table, 'partition-spec', fields.length === 0 ? null : { changes: fields }, options, signal),
    )

  command('sort-order', 'change how files are sorted from now on; or show it')
    .argument('[columns...]', 'the foremost first; symbol:desc for descending')
    .action((table, by: readonly string[], options) =>
      evolve(table, 'sort-order', by.length === 0 ? null : { by: by.map(sortBy) }, options, signal),
    )

  for (const type of ['tag', 'branch'] as const) {
    command(type, `make or drop a ${type}`)
      .argument('<name>', 'its name, for as_of')
      .option('--as-of <state>', 'a snapshot id, a time, or a name (default: the newest snapshot)')
      .option('--drop', 'drop it')
      .action((table, name, options) => changeRef(table, name, type, options, signal))
  }

  command('refs', 'show branches and tags').action((table, options) =>
    evolve(table, 'refs', null, options, signal),
  )
}

/** Makes the changes, if there are any, and prints what there is then. */
async function evolve(
  table: string,
  part: string,
  body: object | null,
  options: Printed,
  signal: AbortSignal,
): Promise<void> {
  await withLake(options, signal, async (client) => {
    const path = `/admin/tables/${encodeURIComponent(table)}/${part}`
    const response =
      body === null
        ? await client.get(path, {}, 'application/json', signal)
        : await client.send('POST', path, body, signal)
    print(await response.json(), options)
  })
}

async function changeRef(
  table: string,
  name: string,
  type: RefJson['type'],
  options: RefOptions,
  signal: AbortSignal,
): Promise<void> {
  const { asOf, drop = false } = options
  if (drop && asOf !== undefined) throw invalid('--as-of', asOf, 'for --drop')
  await withLake(options, signal, async (client) => {
    const path = `/admin/tables/${encodeURIComponent(table)}/refs/${encodeURIComponent(name)}`
    if (drop) return dropRef(client, path, name, type, signal)
    const response = await client.send(
      'POST',
      path,
      { type, ...(asOf !== undefined && { as_of: asOf }) },
      signal,
    )
    print(await response.json(), options)
  })
}

async function dropRef(
  client: LakeClient,
  path: string,
  name: string,
  type: RefJson['type'],
  signal: AbortSignal,
): Promise<void> {
  const response = await client.get(path, {}, 'application/json', signal)
  // The server is of this same program: its answer has the form of refSchema.
  const { data } = (await response.json()) as { data: RefJson }
  if (data.type !== type) throw invalid(type, name, `one: it is a ${data.type}`)
  await client.send('DELETE', path, null, signal)
  process.stdout.write(`the ${type} ${name} is gone\n`)
}

/** Lists as a table, under the names of their members; what is one thing, as its list. */
function print(answer: unknown, { json = false }: Printed): void {
  // The server is of this same program: an object, one of whose members is a list, or a list of objects.
  const { data } = answer as { data: Change | readonly Change[] }
  if (json) {
    process.stdout.write(`${JSON.stringify(data)}\n`)
    return
  }
  const rows = Array.isArray(data) ? data : (Object.values(data).find(Array.isArray) ?? [data])
  const names = Object.keys(rows[0] ?? {})
  const cells = rows.map((row: Change) =>
    names.map((name) => (row[name] === null ? null : String(row[name]))),
  )
  process.stdout.write(`${rows.length === 0 ? 'none' : textTable(names, cells)}\n`)
}

function sortBy(text: string): Change {
  const [, column = text, direction] = /^(.*):(asc|desc)$/.exec(text) ?? []
  return { column, ...(direction !== undefined && { direction }) }
}

function splitAt(option: string, text: string): readonly [string, string] {
  const index = text.indexOf(':')
  if (index < 1) throw invalid(option, text, 'two names with a colon between')
  return [text.slice(0, index), text.slice(index + 1)]
}
