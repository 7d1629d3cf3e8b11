// Loads every recording that a format covers into one data folder and prints what became of its rows, as Markdown.
import { basename } from 'node:path'
import { AS_BUILT, runTicklake } from '../test/support/ticklake-process.js'
import { loadArguments, RECORDINGS } from './recordings.js'
import { withTemporaryFolder } from './temporary-folder.js'

/** What the program says of a loaded file, as far as the table shows it. */
interface Report {
  readonly file: string
  readonly rows_read: number
  readonly accepted: number
  readonly quarantined: number
  readonly quarantine_reasons: Readonly<Record<string, number>>
  readonly skipped: number
  readonly rows_per_second: number
}

function tableRow(report: Report, file: string, format: string): string {
  const reasons = Object.entries(report.quarantine_reasons).map(([reason, count]) => `${reason} ${count}`)
  const quarantined = [String(report.quarantined), ...reasons].join(', ')
  const { rows_read: rows, accepted, skipped, rows_per_second: speed } = report
  return `| ${file} | ${format} | ${rows} | ${accepted} | ${quarantined} | ${skipped} | ${speed} |`
}

let lost = 0
console.log('| file | format | rows | accepted | quarantined | skipped | rows/s |')
console.log('|---|---|---:|---:|---|---:|---:|')
await withTemporaryFolder(async (data) => {
  for (const sample of RECORDINGS) {
    const { files, format } = sample
    const output = await runTicklake(loadArguments(sample, data), { program: AS_BUILT })
    for (const [index, line] of output.trim().split('\n').entries()) {
      const report: Report = JSON.parse(line)
      console.log(tableRow(report, files[index] ?? basename(report.file), format))
      lost += report.rows_read - report.accepted - report.quarantined - report.skipped
    }
  }
})
console.log(`\nrows neither accepted, quarantined nor skipped: ${lost}`)
process.exitCode = lost === 0 ? 0 : 1
