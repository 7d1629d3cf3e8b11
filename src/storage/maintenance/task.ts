import type { FileEngine } from '#engine'

/** How a task on a table is told to stop, and says how far it is. */
export interface TaskRun {
  readonly signal: AbortSignal
  /** Parts that are done, of how many. */
  progress(done: number, total: number): void
}

/** The engine for a task: a statement that is running when the task is told to stop is interrupted. */
export function stoppable(engine: FileEngine, { signal }: TaskRun): FileEngine {
  return {
    read: (sql) => engine.read(sql, signal),
    writeParquet: (request) => engine.writeParquet(request, signal),
  }
}
