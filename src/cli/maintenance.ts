import { setTimeout as sleep } from 'node:timers/promises'
import type { Command } from 'commander'
import type { JobJson } from '#api'
import { invalid, TicklakeError } from '#core'
import type { LakeClient } from './lake-client.js'
import { type Target, withLake } from './target.js'

const ASK_EVERY_MS = 200

/** An option of a job: its name, what it takes, and what it says. */
type JobOption = readonly [name: string, takes: 'number' | 'time', description: string]

interface JobCommand {
  readonly kind: string
  readonly description: string
  readonly options: readonly JobOption[]
}

const COMMANDS: readonly JobCommand[] = [
  {
    kind: 'compact',
    description: 'write small files anew as fewer, sorted ones, without deleted rows',
    options: [
      ['target-bytes', 'number', 'size that files should have (default: maintenance.targetFileBytes)'],
      ['start', 'time', 'only files that may hold rows of this time or later'],
      ['end', 'time', 'only files that may hold rows before this time'],
    ],
  },
  {
    kind: 'rewrite-manifests',
    description: 'write the manifests anew, each with the files of neighbouring partitions',
    options: [],
  },
  {
    kind: 'expire-snapshots',
    description: 'let old snapshots go, and the files that nobody else needs',
    options: [
      ['max-age-ms', 'number', 'younger ones are kept (default: maintenance.snapshotMaxAgeMs, 5 days)'],
      ['min-to-keep', 'number', 'so many are kept, however old (default: maintenance.snapshotMinToKeep, 10)'],
      ['max-count', 'number', 'no more are kept, however young (default: maintenance.snapshotMaxCount, 500)'],
    ],
  },
  {
    kind: 'remove-orphans',
    description: 'tell which files belong to no snapshot, or remove them',
    options: [['older-than-ms', 'number', 'younger files may be of a commit in flight; an hour or more']],
  },
  {
    kind: 'verify',
    description: 'read every data file and compare it with what its manifest says',
    options: [],
  },
  {
    kind: 'backfill',
    description: 'compute the days of a rollup that are waiting, from the rows of its source',
    options: [
      ['start', 'time', 'the days from this on anew, whatever they are'],
      ['end', 'time', 'the days before this anew, whatever they are'],
    ],
  },
  {
    kind: 'audit',
    description: 'compute a bucket of a rollup that is drawn from the rows of its source, and compare',
    options: [],
  },
]

type Options = Target & { readonly json?: boolean } & Readonly<Record<string, unknown>>

/** The commands that keep tables in order. `target` gives each the options by which a lake is found. */
export function maintenanceCommands(
  admin: Command,
  target: (command: Command) => Command,
  signal: AbortSignal,
): void {
  for (const { kind, description, options: own } of COMMANDS) {
    const command = target(
      admin.command(kind).description(description).argument('<table>', 'such as trades'),
    ).option('--json', 'print the job as one line of JSON')
    for (const [name, takes, what] of own) command.option(`--${name} <${takes}>`, what)
    if (kind === 'remove-orphans')
      command.option('--remove', 'remove them, rather than only tell which there are')
    command.action((table: string, options: Options) =>
      withLake(options, signal, async (client) => {
        const path = `/admin/tables/${encodeURIComponent(table)}/${kind}`
        const begun = await jobOf(await client.send('POST', path, bodyOf(kind, own, options), signal))
        const job = await untilEnded(client, begun, signal)
        print(job, options)
        if (job.state !== 'done') throw new TicklakeError('unavailable', `${kind}: ${job.error ?? job.state}`)
      }),
    )
  }
  target(
    admin
      .command('plan')
      .description('tell what a compaction would do')
      .argument('<table>', 'such as trades'),
  )
    .option('--json', 'print it as one line of JSON')
    .action((table: string, options: Options) =>
      withLake(options, signal, async (client) => {
        const path = `/admin/tables/${encodeURIComponent(table)}/plan`
        print(dataOf(await (await client.get(path, {}, 'application/json', signal)).json()), options)
      }),
    )
  target(admin.command('rollups').description('tell of the tables that are derived by definition'))
    .option('--json', 'print them as one line of JSON')
    .action((options: Options) =>
      withLake(options, signal, async (client) => {
        print(
          dataOf(await (await client.get('/admin/rollups', {}, 'application/json', signal)).json()),
          options,
        )
      }),
    )
  target(admin.command('jobs').description('tell of the jobs of a server, newest first'))
    .option('--json', 'print them as one line of JSON')
    .action((options: Options) =>
      withLake(options, signal, async (client) => {
        print(dataOf(await (await client.get('/admin/jobs', {}, 'application/json', signal)).json()), options)
      }),
    )
  target(admin.command('cancel').description('tell a job to stop').argument('<id>', 'as `jobs` tells it'))
    .option('--json', 'print it as one line of JSON')
    .action((id: string, options: Options) =>
      withLake(options, signal, async (client) => {
        const path = `/admin/jobs/${encodeURIComponent(id)}/cancel`
        print(await jobOf(await client.send('POST', path, null, signal)), options)
      }),
    )
}

/** What the options say, as the interface takes it. */
function bodyOf(kind: string, own: readonly JobOption[], options: Options): object {
  const body: Record<string, unknown> = kind === 'remove-orphans' ? { dry_run: options.remove !== true } : {}
  for (const [name, takes] of own) {
    const given = options[name.replace(/-([a-z])/g, (_, letter: string) => letter.toUpperCase())]
    if (given === undefined) continue
    if (takes === 'number' && !/^\d{1,15}$/.test(String(given))) {
      throw invalid(`--${name}`, given, 'a whole number')
    }
    body[name.replaceAll('-', '_')] = takes === 'number' ? Number(given) : given
  }
  return body
}

/** Asks how the job fares until it has ended; an interrupted wait cancels it. */
async function untilEnded(client: LakeClient, begun: JobJson, signal: AbortSignal): Promise<JobJson> {
  let job = begun
  try {
    while (job.ended_at === null) {
      await sleep(ASK_EVERY_MS, undefined, { signal })
      job = await jobOf(await client.get(`/admin/jobs/${begun.id}`, {}, 'application/json', signal))
    }
  } catch (error) {
    if (signal.aborted) {
      await client.send('POST', `/admin/jobs/${begun.id}/cancel`, null, new AbortController().signal)
    }
    throw error
  }
  return job
}

async function jobOf(response: Response): Promise<JobJson> {
  // The server is of this same program: its answer has the form of jobSchema.
  return dataOf(await response.json()) as JobJson
}

function dataOf(answer: unknown): unknown {
  // So is this: every answer is an object with data.
  return (answer as { data: unknown }).data
}

function print(data: unknown, { json = false }: { readonly json?: boolean }): void {
  process.stdout.write(`${JSON.stringify(data, null, json ? undefined : 2)}\n`)
}
