import type { Report } from './report.js'

/** What a suite is given. */
export interface SuiteRun {
  readonly report: Report
  /** A folder for files; removed at the end. */
  readonly directory: string
  /** Aborted when the run is to end early: a suite stops what it started and returns. */
  readonly signal: AbortSignal
}

/** Checks against one peer: software that nobody here wrote. */
export interface Suite {
  /** Its name on the command line. A family shares the first word: `kafka` names `kafka-3.9` and `kafka-4.4`. */
  readonly id: string
  /** It waits more than it works: others run beside it. */
  readonly waits: boolean
  /** Tells what it finds to the report; throws for nothing that a peer does. */
  run(run: SuiteRun): Promise<void>
}
