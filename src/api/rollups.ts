import { z } from 'zod'
import { formatDay, type Metrics } from '#core'
import type { DayRanges, RollupStatus, RollupTable } from '#storage'

/** What routes and metrics tell of a rollup. */
export type ObservedRollup = Pick<RollupTable, 'definition' | 'status'>

const days = (description: string) =>
  z
    .array(
      z.object({
        from: z.string().nullable().meta({ description: 'first day; null: all before the last' }),
        to: z.string().nullable().meta({ description: 'last day; null: all after the first' }),
      }),
    )
    .meta({ description })

/** A rollup, as GET /admin/rollups answers it. */
export const rollupSchema = z
  .object({
    rollup: z.string().meta({ description: 'name of its table' }),
    source: z.string().meta({ description: 'table whose rows it is made of' }),
    bucket_seconds: z.int().meta({ description: 'length of a bucket; they begin at midnight UTC' }),
    keys: z.array(z.string()).meta({ description: 'columns by which rows are grouped besides' }),
    columns: z
      .record(z.string(), z.string())
      .meta({ description: 'aggregate and value of each column', example: { open: 'first price' } }),
    source_snapshot_id: z
      .string()
      .nullable()
      .meta({ description: 'snapshot of the source that it reflects; null before it has begun' }),
    current: z.boolean().meta({ description: 'that is the newest; answers are right all the same' }),
    pending: days('UTC days that are read from the source until they have been computed'),
    quarantined: days(
      'UTC days that are read from the source: a state was wrong, or does not fit into 38 digits',
    ),
    failures: z.int().meta({ description: 'attempts to follow the source that failed since the start' }),
    audits: z.int().meta({ description: 'buckets that were computed from rows again since the start' }),
    mismatches: z.int().meta({ description: 'of these, those that were wrong' }),
  })
  .meta({ id: 'Rollup' })

export function describeRollup(rollup: ObservedRollup): z.output<typeof rollupSchema> {
  const { name, source, bucketSeconds, keys, columns } = rollup.definition
  const { sourceSnapshotId, isCurrent, pending, quarantined, counts } = rollup.status()
  return {
    rollup: name,
    source,
    bucket_seconds: bucketSeconds,
    keys: [...keys],
    columns: Object.fromEntries(
      columns.map((column) => [column.name, `${column.aggregate} ${column.value}`]),
    ),
    source_snapshot_id: sourceSnapshotId === null ? null : String(sourceSnapshotId),
    current: isCurrent,
    pending: daysJson(pending),
    quarantined: daysJson(quarantined),
    ...counts,
  }
}

export function addRollups(metrics: Metrics, rollups: readonly ObservedRollup[]): void {
  const each = (value: (status: RollupStatus) => number) => () =>
    rollups.map((rollup) => ({
      labels: { rollup: rollup.definition.name },
      value: value(rollup.status()),
    }))
  const labels = ['rollup']
  metrics.gauge(
    {
      name: 'ticklake_rollup_current',
      help: '1 while it reflects the newest snapshot of its source',
      labels,
    },
    each(({ isCurrent }) => (isCurrent ? 1 : 0)),
  )
  metrics.gauge(
    { name: 'ticklake_rollup_pending', help: '1 while days are waiting to be computed', labels },
    each(({ pending }) => (pending.length > 0 ? 1 : 0)),
  )
  metrics.gauge(
    {
      name: 'ticklake_rollup_quarantined_ranges',
      help: 'Stretches of days that are read from the source because a state was wrong or does not fit',
      labels,
    },
    each(({ quarantined }) => quarantined.length),
  )
  metrics.counter(
    {
      name: 'ticklake_rollup_failures_total',
      help: 'Attempts to follow the source that failed since the start',
      labels,
    },
    each(({ counts }) => counts.failures),
  )
  metrics.counter(
    {
      name: 'ticklake_rollup_audits_total',
      help: 'Buckets computed from rows again since the start',
      labels,
    },
    each(({ counts }) => counts.audits),
  )
  metrics.counter(
    { name: 'ticklake_rollup_mismatches_total', help: 'Of these, buckets that were wrong', labels },
    each(({ counts }) => counts.mismatches),
  )
}

function daysJson(ranges: DayRanges) {
  const day = (one: number) => (Number.isFinite(one) ? formatDay(one) : null)
  return ranges.map(([first, last]) => ({ from: day(first), to: day(last) }))
}
