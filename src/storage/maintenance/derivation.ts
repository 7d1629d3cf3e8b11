import type { DayRanges } from '../derived/day-ranges.js'
import type { TaskRun } from './task.js'

/** What can be done to a table besides, whose rows are derived from those of another. */
export interface Derivation {
  /** The rows of a relation with those that can be one made one: DuckDB SQL for use after FROM, in the layout's columns. */
  merged(relation: string): string
  /** Whether days are waiting to be computed. */
  readonly isPending: boolean
  /** Computes these days anew, and all that are waiting. */
  backfill(run: TaskRun, again: DayRanges): Promise<object>
  /** Compares some of its rows with what they are derived from. */
  audit(run: TaskRun): Promise<object>
}
