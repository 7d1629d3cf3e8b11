import { assert } from '#core'
import { sqlName } from '#engine'
import type { FileColumn } from './file-columns.js'
import { numberedFiles, unnumberedFile } from './parquet-files.js'
import { remainingRows } from './remaining-rows.js'
import type { ReadableFile } from './unnumbered-files.js'

/**
 * The rows of data files, of which there is at least one, in these columns: DuckDB SQL for use after FROM. Columns are
 * found by field id, so files of all schemas of a table are read together: a column that a file lacks is null there,
 * a renamed one has the reader's name, a widened one the reader's type. Rows that are deleted are left out. Filters
 * and projections reach into the files as they do without; it costs about 0.3 ms a statement, so ask only for the
 * columns that are read.
 */
export function parquetRelation(files: readonly ReadableFile[], columns: readonly FileColumn[]): string {
  assert(files.length > 0 && columns.length > 0, 'there are files and columns to read')
  const whole = files.filter(({ deletes }) => deletes === undefined)
  const numbered = whole.filter(({ columnNames }) => columnNames === undefined)
  if (numbered.length === files.length) return numberedFiles(files, columns)
  const selects = whole.flatMap((file) =>
    file.columnNames ? [unnumberedFile(file, file.columnNames, columns)] : [],
  )
  if (numbered.length > 0) {
    const names = columns.map(({ name }) => sqlName(name)).join(', ')
    selects.push(`SELECT ${names} FROM ${numberedFiles(numbered, columns)}`)
  }
  return `(${[...selects, ...remainingRows(files, columns)].join(' UNION ALL ')})`
}
