import { setTimeout as after } from 'node:timers/promises'
import { AS_BUILT, TicklakeServer } from '../../test/support/ticklake-process.js'

/** Nothing goes on but what is asked for. */
const QUIET = { TICKLAKE_MAINTENANCE_EVERY_MS: '0' }

/** Serves a lake with what is derived of its tables, or without. */
export function serve(data: string, { isRolled }: { readonly isRolled: boolean }): Promise<TicklakeServer> {
  return TicklakeServer.start(data, {
    program: AS_BUILT,
    settings: { ...QUIET, TICKLAKE_ROLLUPS_SHIPPED: String(isRolled) },
  })
}

/** Does a job on a table, and waits for it. */
export async function runJob(
  { url }: TicklakeServer,
  kind: 'compact' | 'backfill',
  table: string,
): Promise<void> {
  const taken = await fetch(`${url}/admin/tables/${table}/${kind}`, { method: 'POST' })
  if (taken.status !== 202) throw new Error(await taken.text())
  const path = taken.headers.get('location')
  for (;;) {
    const { data: job } = await json(`${url}${path}`)
    if (job.state === 'done') return
    if (job.ended_at !== null) throw new Error(`${kind} of ${table} has ended: ${job.state} ${job.error}`)
    await after(100)
  }
}

/** Computes the rollups, and compacts them. */
export async function rollUp(server: TicklakeServer): Promise<void> {
  const { data: rollups } = await json(`${server.url}/admin/rollups`)
  for (const { rollup } of rollups) {
    await runJob(server, 'backfill', rollup)
    await runJob(server, 'compact', rollup)
  }
}

async function json(url: string) {
  const response = await fetch(url)
  if (!response.ok) throw new Error(`${url}: ${response.status} ${await response.text()}`)
  return JSON.parse(await response.text())
}
