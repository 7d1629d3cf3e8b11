/** One life-cycle for all that runs: started bottom-up, stopped top-down by the composition root. */
export interface Service {
  start(): Promise<void>
  /** Stops taking work, finishes what was taken, releases everything. Safe to call twice. */
  stop(): Promise<void>
}
