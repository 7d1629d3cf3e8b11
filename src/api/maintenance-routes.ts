import express, { type Request, type Response, type Router } from 'express'
import { z } from 'zod'
import { parseTimeNanos } from '#core'
import { JOB_KINDS, type Job, type JobRequest, type Maintenance } from '#storage'
import { bodyText, readBody } from './body.js'
import { NO_PARAMETERS, readParameters } from './request.js'

/** What the routes do with the maintenance of the tables. */
export type Maintaining = Pick<Maintenance, 'plan' | 'take' | 'jobs'>

const count = z.int().min(0)
const time = (name: string, description: string) =>
  z
    .string()
    .transform((text) => parseTimeNanos(name, text) / 1000n)
    .optional()
    .meta({ description, example: '2026-11-26', type: 'string' })

/** What a job may be told; what is left out, the settings say. */
export const jobRequestSchema = z
  .strictObject({
    target_bytes: z.int().min(1).optional().meta({ description: 'compact: size that files should have' }),
    start: time(
      'start',
      'compact: only files that may hold rows of this time or later; backfill: the days from this on, anew',
    ),
    end: time('end', 'compact: only files that may hold rows before this time; backfill: the days before it'),
    max_age_ms: count
      .optional()
      .meta({ description: 'expire-snapshots: younger ones are kept (maintenance.snapshotMaxAgeMs)' }),
    min_to_keep: z.int().min(1).optional().meta({
      description: 'expire-snapshots: so many are kept, however old (maintenance.snapshotMinToKeep)',
    }),
    max_count: z.int().min(1).optional().meta({
      description: 'expire-snapshots: no more are kept, however young (maintenance.snapshotMaxCount)',
    }),
    older_than_ms: z.int().min(3_600_000, 'an hour (3600000) or more').optional().meta({
      description: 'remove-orphans: younger files may be of a commit in flight; an hour or more',
    }),
    dry_run: z.boolean().optional().meta({
      description: 'remove-orphans: only tell which there are; true when it is left out',
    }),
  })
  .meta({ id: 'JobRequest' })

export const jobSchema = z
  .object({
    id: z.string().meta({ description: 'names the job' }),
    kind: z.enum(JOB_KINDS).meta({ description: 'what is done' }),
    table: z.string().meta({ description: 'to which table' }),
    state: z
      .enum(['waiting', 'running', 'done', 'failed', 'cancelled'])
      .meta({ description: 'one job runs at a time' }),
    done: count.meta({ description: 'parts that are done' }),
    total: count.meta({ description: 'of so many; 0 while that is not known' }),
    asked_at: z.string().meta({ description: 'when it was asked for' }),
    started_at: z.string().nullable().meta({ description: 'when it began' }),
    ended_at: z.string().nullable().meta({ description: 'when it ended' }),
    report: z.unknown().meta({ description: 'what came of it, once it is done; null before' }),
    error: z.string().nullable().meta({ description: 'why it failed' }),
  })
  .meta({ id: 'Job' })

export const planSchema = z
  .object({
    files_before: count.meta({ description: 'files that a compaction would open' }),
    files_after: count.meta({ description: 'files that it would make of them' }),
    bytes: count.meta({ description: 'bytes that it would read' }),
    rows: count.meta({ description: 'rows in them, deleted ones too' }),
  })
  .meta({ id: 'CompactionPlan' })

export type JobJson = z.output<typeof jobSchema>

export function jobJson(job: Job): JobJson {
  const at = (ms: number | null) => (ms === null ? null : new Date(ms).toISOString())
  return {
    id: job.id,
    kind: job.kind,
    table: job.table,
    state: job.state,
    done: job.done,
    total: job.total,
    asked_at: new Date(job.askedMs).toISOString(),
    started_at: at(job.startedMs),
    ended_at: at(job.endedMs),
    report: job.report === null ? null : snakeCase(job.report),
    error: job.error?.message ?? null,
  }
}

/** POST /admin/tables/{table}/{kind} and GET …/plan. */
export function maintenanceRouter(maintenance: Maintaining): Router {
  const router = express.Router()
  router.get('/:table/plan', async (request, response) => {
    readParameters(request, NO_PARAMETERS)
    const plan = await maintenance.plan(String(request.params.table), {})
    const { filesBefore, filesAfter, bytesBefore, rows } = plan
    answer(response, { files_before: filesBefore, files_after: filesAfter, bytes: bytesBefore, rows })
  })
  for (const kind of JOB_KINDS) {
    router.post(`/:table/${kind}`, bodyText(), (request, response) => {
      readParameters(request, NO_PARAMETERS)
      const job = maintenance.take(kind, String(request.params.table), requestOf(request))
      response.status(202).location(`/admin/jobs/${job.id}`)
      answer(response, jobJson(job))
    })
  }
  return router
}

/** GET /admin/jobs, GET /admin/jobs/{id}, POST /admin/jobs/{id}/cancel. */
export function jobRouter({ jobs }: Maintaining): Router {
  const router = express.Router()
  router.get('/', (request, response) => {
    readParameters(request, NO_PARAMETERS)
    answer(response, jobs.list().map(jobJson))
  })
  router.get('/:id', (request, response) => {
    readParameters(request, NO_PARAMETERS)
    answer(response, jobJson(jobs.get(request.params.id)))
  })
  router.post('/:id/cancel', (request, response) => {
    readParameters(request, NO_PARAMETERS)
    answer(response, jobJson(jobs.cancel(request.params.id)))
  })
  return router
}

function answer(response: Response, data: unknown): void {
  response.json({ data, complete: true, next_page_token: null })
}

function requestOf(request: Request): JobRequest {
  if (typeof request.body !== 'string' || request.body === '') return {}
  const asked = readBody(request, jobRequestSchema)
  const { max_age_ms: maxAgeMs, min_to_keep: minToKeep, max_count: maxCount } = asked
  return present({
    targetBytes: asked.target_bytes,
    startMicros: asked.start,
    endMicros: asked.end,
    olderThanMs: asked.older_than_ms,
    dryRun: asked.dry_run,
    snapshots: present({ maxAgeMs, minToKeep, maxCount }),
  })
}

/** Without the members that are not there. */
function present<T extends object>(members: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  // What is undefined is left out, which is what the type says.
  return Object.fromEntries(Object.entries(members).filter(([, value]) => value !== undefined)) as {
    [K in keyof T]?: Exclude<T[K], undefined>
  }
}

/** A report as the interface spells it. */
function snakeCase(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(snakeCase)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(
    Object.entries(value).map(([name, member]) => [
      name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`),
      snakeCase(member),
    ]),
  )
}
