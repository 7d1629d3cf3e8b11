import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { loadConfig } from '#config'
import { maintenancePolicy } from '../../src/cli/lake.js'
import type { Figures } from '../baseline.js'
import { chart } from './chart.js'
import { commits } from './commits.js'
import { type Life, STAGE_HEAD } from './stage.js'

/** Two lives of a table of many small flushes: under the policy that is the default, and without its compaction. */
export async function commitFigures(
  folder: string,
  commitCount: number,
  chartPath: string | null,
): Promise<Figures> {
  const policy = maintenancePolicy(loadConfig({ data: folder }).maintenance)
  const policies = {
    'default policies': policy,
    'compaction at the end only': { ...policy, minInputFiles: Number.MAX_SAFE_INTEGER },
  }
  const lives: Record<string, Life> = {}
  const figures: Record<string, number> = {}
  for (const [name, one] of Object.entries(policies)) {
    console.log(`\n${name}; the last row is after a compaction:\n\n${STAGE_HEAD}`)
    const life = await commits(join(folder, name.replaceAll(' ', '-')), commitCount, one)
    lives[name] = life
    const last = life.growing.at(-1)!
    Object.assign(figures, {
      [`${name}: live files`]: last.files,
      [`${name}: live files, compacted`]: life.compacted.files,
      [`${name}: manifests`]: last.manifests,
      [`${name}: metadata, KiB`]: last.metadataBytes / 1024,
      [`${name}: commit p50, ms`]: last.commitP50Ms,
      [`${name}: commit p99, ms`]: last.commitP99Ms,
      [`${name}: commit p50 / that of a new table’s first hundred, in turns`]: life.besideNew,
      [`${name}: plan, ms`]: last.planMs,
      [`${name}: plan, compacted, ms`]: life.compacted.planMs,
    })
  }
  if (chartPath) writeFileSync(chartPath, chart(lives))
  return figures
}
