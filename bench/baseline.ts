import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { availableParallelism, cpus } from 'node:os'
import { fileURLToPath } from 'node:url'

/** Figures of one benchmark by name. */
export type Figures = Readonly<Record<string, number>>

const BASELINE = fileURLToPath(new URL('baseline.json', import.meta.url))
const RESULTS = fileURLToPath(new URL('results/', import.meta.url))

/** Prints figures beside those of the baseline, and keeps them: in results/, or as the new baseline. */
export function report(benchmark: string, figures: Figures, options: { readonly asBaseline: boolean }): void {
  const baselines: Record<string, { figures: Figures }> = existsSync(BASELINE)
    ? JSON.parse(readFileSync(BASELINE, 'utf8'))
    : {}
  const before = baselines[benchmark]?.figures ?? {}
  console.log(`\n| ${benchmark} | now | baseline | now / baseline |\n|---|---:|---:|---:|`)
  for (const [name, value] of Object.entries(figures)) {
    const was = before[name]
    const comparison = was === undefined ? '| |' : `${shown(was)} | ${(value / was).toFixed(2)} |`
    console.log(`| ${name} | ${shown(value)} | ${comparison}`)
  }
  const entry = {
    machine: `${availableParallelism()} cores of ${cpus()[0]?.model ?? 'an unknown kind'}, Node ${process.version}`,
    figures,
  }
  mkdirSync(RESULTS, { recursive: true })
  const stamp = new Date(Date.now()).toISOString().replaceAll(':', '-')
  writeFileSync(`${RESULTS}${benchmark}-${stamp}.json`, `${JSON.stringify(entry, null, 2)}\n`)
  if (options.asBaseline) {
    writeFileSync(BASELINE, `${JSON.stringify({ ...baselines, [benchmark]: entry }, null, 2)}\n`)
  }
}

function shown(value: number): string {
  return value >= 1000 ? Math.round(value).toLocaleString('en') : String(Math.round(value * 1000) / 1000)
}
