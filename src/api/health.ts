import { z } from 'zod'
import type { Breaker, TableName } from '#core'
import type { Consumer, Pressure } from '#ingest'
import type { QueryLimits } from '#query'
import type { StreamTable } from '#storage'
import type { ObservedRollup } from './rollups.js'

/** What of the lake tells how it is doing: read when somebody asks. */
export interface Vitals {
  readonly tables: ReadonlyMap<TableName, StreamTable>
  readonly rollups: readonly ObservedRollup[]
  readonly consumers: readonly Pick<Consumer, 'status'>[]
  readonly pressure: Pick<Pressure, 'state'>
  readonly limits: Pick<QueryLimits, 'status'>
  readonly breakers: readonly Pick<Breaker, 'name' | 'state' | 'failure'>[]
}

/** Beside `status`, as GET /health/ready answers it; while the lake is not ready, these are members of the problem. */
export const healthSchema = z
  .object({
    pressure: z.enum(['normal', 'elevated', 'critical']).meta({
      description:
        'elevated: loads wait; critical: posted rows are refused too (429). No check is ever left out',
    }),
    tables: z
      .array(
        z.object({
          table: z.string().meta({ description: 'trades, quotes or quarantine' }),
          lag_records: z.int().meta({ description: 'records of the log that are not visible yet' }),
          lag_seconds: z.number().meta({ description: 'the oldest of them came at most this long ago' }),
          tail_rows: z.int().meta({ description: 'rows that are in no snapshot yet' }),
          tail_fill: z
            .number()
            .meta({ description: '0 to 1: at 1 the log is not read on until a flush ends' }),
          failure: z
            .string()
            .nullable()
            .meta({ description: 'why the log is not read any more, until a restart; else null' }),
          stalled: z.string().nullable().meta({
            description:
              'why the log is not read on at this moment (the schema registry does not answer or lacks a schema, or refused records cannot be appended); else null',
          }),
          flush_failure: z
            .string()
            .nullable()
            .meta({ description: 'why the newest flush failed; null when it succeeded' }),
        }),
      )
      .meta({ description: 'the tables, each with the reader of its topic' }),
    breakers: z
      .array(
        z.object({
          name: z.string().meta({ description: 'what stands behind it', example: 'schema registry' }),
          state: z.enum(['closed', 'half-open', 'open']).meta({
            description:
              'closed: it is asked; open: it has failed repeatedly and is not asked; half-open: it is tried',
          }),
          failure: z
            .string()
            .nullable()
            .meta({ description: 'why it was not reached the last time that it was asked; else null' }),
        }),
      )
      .meta({
        description:
          'circuit breakers, one for each service outside. The lake stays ready without it: what is in the tables is answered',
      }),
  })
  .meta({ id: 'Health' })

export type HealthJson = z.output<typeof healthSchema>

export function describeHealth({ tables, consumers, pressure, breakers }: Vitals): HealthJson {
  return {
    pressure: pressure.state,
    tables: consumers.map((consumer) => {
      const { table, lagRecords, lagMs, failure, stalled } = consumer.status()
      const status = tables.get(table)?.status()
      return {
        table,
        lag_records: lagRecords,
        lag_seconds: lagMs / 1000,
        tail_rows: status?.tailRows ?? 0,
        tail_fill: Math.round((status?.tailFill ?? 0) * 1000) / 1000,
        failure: failure?.message ?? null,
        stalled: stalled?.message ?? null,
        flush_failure: status?.flushes.lastFailure?.message ?? null,
      }
    }),
    breakers: breakers.map(({ name, state, failure }) => ({ name, state, failure })),
  }
}
