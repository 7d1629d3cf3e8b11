import type { AnswerMeta } from '#query'

/** What an answer that is made by hand says of itself. */
export const NOTHING_READ: AnswerMeta = {
  route: 'historical',
  receipt: 'r',
  snapshotId: null,
  engine: 'duckdb',
  cache: 'none',
  rollup: null,
  filesTotal: 0,
  filesRead: 0,
  rowsScanned: 0,
  bytesRead: 0,
  elapsedMs: 0,
  gaps: null,
}
