/** What a table of so many commits is like. */
export interface Stage {
  readonly commits: number
  readonly files: number
  readonly manifests: number
  readonly snapshots: number
  readonly metadataBytes: number
  /** Of the last hundred commits. */
  readonly commitP50Ms: number
  readonly commitP99Ms: number
  /** Choosing the files of one symbol and day, once the manifests are read. */
  readonly planMs: number
}

/** The life of one table: stages while it grows, and what a compaction at the end makes of it. */
export interface Life {
  readonly growing: readonly Stage[]
  /** How long its commits take at the end, as a share of the first hundred of a new table, made in turns with them; p50. */
  readonly besideNew: number
  readonly compacted: Stage
}

const HEADINGS = [
  'commits',
  'live files',
  'manifests',
  'snapshots',
  'metadata, KiB',
  'commit p50, ms',
  'commit p99, ms',
  'plan, ms',
]

/** The head of a table in Markdown whose rows are stages. */
export const STAGE_HEAD = `| ${HEADINGS.join(' | ')} |\n|${'---:|'.repeat(HEADINGS.length)}`

export function stageRow(stage: Stage): string {
  const { commits, files, manifests, snapshots, metadataBytes, commitP50Ms, commitP99Ms, planMs } = stage
  const times = [commitP50Ms, commitP99Ms, planMs].map((ms) => ms.toFixed(2))
  return `| ${[commits, files, manifests, snapshots, Math.round(metadataBytes / 1024), ...times].join(' | ')} |`
}
