import { type Clock, type Durations, type MetricName, Metrics, type Sample } from '#core'
import type { ConsumerStatus, PressureState } from '#ingest'
import type { TableStatus } from '#storage'
import type { Vitals } from './health.js'
import type { Loads } from './loads.js'
import { addRollups } from './rollups.js'

/** How long answers take, by route and by the status they end with; `cut` when the client left before. */
export type QueryDurations = Durations<'path' | 'status'>

const PRESSURE_STATES: readonly PressureState[] = ['normal', 'elevated', 'critical']
const BREAKER_STATES = ['closed', 'half-open', 'open'] as const
const LOAD_STATES = ['queued', 'running'] as const

/** Everything that GET /metrics tells, and where answers are timed. */
export function lakeMetrics(
  vitals: Vitals,
  loads: Pick<Loads, 'underWay'>,
  clock: Clock,
): { metrics: Metrics; queries: QueryDurations } {
  const metrics = new Metrics()
  addIngest(metrics, vitals)
  addTables(metrics, vitals, clock)
  addRollups(metrics, vitals.rollups)
  const isState = <S extends string>(states: readonly S[], now: S, labels = {}): Sample[] =>
    states.map((state) => ({ labels: { ...labels, state }, value: state === now ? 1 : 0 }))
  metrics.gauge(
    {
      name: 'ticklake_pressure',
      help: '1 for the state that holds: elevated, loads wait; critical, posted rows are refused',
      labels: ['state'],
    },
    () => isState(PRESSURE_STATES, vitals.pressure.state),
  )
  metrics.gauge(
    {
      name: 'ticklake_breaker',
      help: '1 for the state of a circuit breaker that holds',
      labels: ['name', 'state'],
    },
    () => vitals.breakers.flatMap(({ name, state }) => isState(BREAKER_STATES, state, { name })),
  )
  metrics.gauge({ name: 'ticklake_loads', help: 'Loads of files under way', labels: ['state'] }, () =>
    LOAD_STATES.map((state) => ({ labels: { state }, value: loads.underWay[state] })),
  )
  addQueries(metrics, vitals)
  const queries = metrics.durations({
    name: 'ticklake_query_seconds',
    help: 'Answers, from the request to their last byte',
    labels: ['path', 'status'] as const,
  })
  return { metrics, queries }
}

function addQueries(metrics: Metrics, { limits }: Vitals): void {
  const byRank = (counts: Readonly<Record<string, number>>): Sample[] =>
    Object.entries(counts).map(([rank, value]) => ({ labels: { rank }, value }))
  metrics.gauge(
    { name: 'ticklake_queries_running', help: 'Readings of tables that have a place', labels: ['rank'] },
    () => byRank(limits.status().running),
  )
  metrics.gauge(
    { name: 'ticklake_queries_waiting', help: 'Readings of tables that wait for a place', labels: ['rank'] },
    () => byRank(limits.status().waiting),
  )
  metrics.gauge(
    { name: 'ticklake_queries_reserved_bytes', help: 'Memory that those with a place have claimed' },
    () => [{ value: limits.status().reservedBytes }],
  )
  metrics.counter(
    {
      name: 'ticklake_queries_refused_total',
      help: 'Readings refused since the start: too many waited (line), or memory or disk were short',
      labels: ['reason'],
    },
    () => Object.entries(limits.status().refused).map(([reason, value]) => ({ labels: { reason }, value })),
  )
}

function addIngest(metrics: Metrics, { consumers }: Vitals): void {
  const each = (value: (status: ConsumerStatus) => number) => () =>
    consumers.map((consumer): Sample => {
      const status = consumer.status()
      return { labels: { table: status.table }, value: value(status) }
    })
  metrics.counter(
    {
      name: 'ticklake_rows_total',
      help: 'Rows taken from the log into a table since the start; those of the table quarantine were refused',
      labels: ['table'],
    },
    each((status) => status.rows),
  )
  metrics.counter(
    {
      name: 'ticklake_duplicate_rows_total',
      help: 'Rows dropped since the start because their message id came before',
      labels: ['table'],
    },
    each((status) => status.duplicates),
  )
  metrics.counter(
    {
      name: 'ticklake_quarantined_rows_total',
      help: 'Rows that were meant for a table and were refused, since the start',
      labels: ['table', 'reason'],
    },
    () =>
      consumers.flatMap((consumer) =>
        consumer
          .status()
          .refusals.map(({ table, reason, count }) => ({ labels: { table, reason }, value: count })),
      ),
  )
  metrics.gauge(
    { name: 'ticklake_lag_records', help: 'Records of the log that are not visible yet', labels: ['table'] },
    each((status) => status.lagRecords),
  )
  metrics.gauge(
    {
      name: 'ticklake_lag_seconds',
      help: 'The oldest record that is not visible yet came at most so long ago',
      labels: ['table'],
    },
    each((status) => status.lagMs / 1000),
  )
  metrics.gauge(
    {
      name: 'ticklake_consumer_failed',
      help: '1 when the log is not read into the table any more, until a restart',
      labels: ['table'],
    },
    each((status) => (status.failure ? 1 : 0)),
  )
  metrics.gauge(
    {
      name: 'ticklake_consumer_stalled',
      help: '1 while reading waits for the schema registry, for a schema that nobody has registered, or to append refused records',
      labels: ['table'],
    },
    each((status) => (status.stalled ? 1 : 0)),
  )
}

/** Stretches of missing sequence numbers, and how many numbers they are (beyond 2^53 only roughly). */
function openGaps({ withOpenGaps }: TableStatus) {
  const gaps = withOpenGaps.flatMap(({ runs }) => runs.flatMap((run) => run.gaps))
  return { count: gaps.length, missing: gaps.reduce((sum, { from, to }) => sum + Number(to - from + 1n), 0) }
}

function addTables(metrics: Metrics, { tables }: Vitals, clock: Clock): void {
  type Kind = 'counter' | 'gauge'
  const add = (
    kind: Kind,
    metric: Omit<MetricName, 'labels'>,
    value: (status: TableStatus) => number | null,
  ) =>
    metrics[kind]({ ...metric, labels: ['table'] }, () =>
      [...tables].flatMap(([table, stream]): Sample[] => {
        const now = value(stream.status())
        return now === null ? [] : [{ labels: { table }, value: now }]
      }),
    )
  add(
    'gauge',
    { name: 'ticklake_tail_rows', help: 'Rows in memory: no snapshot holds them yet' },
    (s) => s.tailRows,
  )
  add(
    'gauge',
    { name: 'ticklake_tail_bytes', help: 'Bytes of the columns of these rows' },
    (s) => s.tailBytes,
  )
  add('gauge', { name: 'ticklake_tail_fill_ratio', help: 'At 1 appends wait for a flush' }, (s) => s.tailFill)
  add(
    'gauge',
    { name: 'ticklake_open_gaps', help: 'Stretches of sequence numbers that have not come' },
    (s) => openGaps(s).count,
  )
  add(
    'gauge',
    { name: 'ticklake_missing_sequence_numbers', help: 'Sequence numbers that have not come' },
    (s) => openGaps(s).missing,
  )
  add(
    'counter',
    { name: 'ticklake_flushes_total', help: 'Tail segments committed' },
    (s) => s.flushes.segments,
  )
  add(
    'counter',
    { name: 'ticklake_flushed_rows_total', help: 'Rows of these segments' },
    (s) => s.flushes.rows,
  )
  add(
    'counter',
    { name: 'ticklake_flush_failures_total', help: 'Attempts to flush that failed' },
    (s) => s.flushes.failures,
  )
  add(
    'counter',
    { name: 'ticklake_flush_write_seconds_total', help: 'Time spent on writing the files of segments' },
    (s) => s.flushes.writeMs / 1000,
  )
  add(
    'counter',
    { name: 'ticklake_flush_commit_seconds_total', help: 'Time spent on committing these files' },
    (s) => s.flushes.commitMs / 1000,
  )
  add(
    'gauge',
    { name: 'ticklake_snapshot_age_seconds', help: 'Since the newest snapshot; absent before the first' },
    ({ snapshotMs }) => (snapshotMs === null ? null : (clock.nowMs() - snapshotMs) / 1000),
  )
}
