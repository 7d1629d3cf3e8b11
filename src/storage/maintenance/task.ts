/** How a task on a table is told to stop, and says how far it is. */
export interface TaskRun {
  readonly signal: AbortSignal
  /** Parts that are done, of how many. */
  progress(done: number, total: number): void
}
