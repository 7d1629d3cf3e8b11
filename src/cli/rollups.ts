import { z } from 'zod'
import { invalid, TicklakeError } from '#core'
import { parseInterval } from '#query'
import { AGGREGATES, checkDefinition, ROLLUP_SOURCES, type RollupDefinition } from '#storage'
import { section } from '../settings-file.js'
import { definitionFiles, readDefinition } from './definitions.js'

const KEYS_EXPECTED = 'a list of text columns such as [exchange, symbol]'
const COLUMN_EXPECTED = `an aggregate (${AGGREGATES.join(', ')}) and a value, such as first price`
const COLUMN = new RegExp(`^(${AGGREGATES.join('|')}) +(\\w+)$`)
const BUCKET_EXPECTED = 'an interval that divides a day, such as 1m or 1h'

const ROLLUP = section({
  source: z.enum(ROLLUP_SOURCES, { error: `one of ${ROLLUP_SOURCES.join(', ')}` }),
  bucket: z.string(BUCKET_EXPECTED),
  keys: z.array(z.string(KEYS_EXPECTED), KEYS_EXPECTED),
  columns: z.record(z.string(), z.string(COLUMN_EXPECTED).regex(COLUMN, COLUMN_EXPECTED), COLUMN_EXPECTED),
})

/**
 * The rollups of folders' YAML files, each named as its file is. `invalid_input` names the file, the key, the value and
 * what would be right.
 */
export async function loadRollups(folders: readonly string[]): Promise<readonly RollupDefinition[]> {
  const definitions: RollupDefinition[] = []
  for (const folder of folders) {
    const files = await definitionFiles(folder).catch((cause: unknown) => {
      throw invalid('rollups.folder', folder, 'the path of a folder', cause)
    })
    definitions.push(...files.map(({ name, text }) => parseRollup(name, text)))
  }
  return definitions
}

/** One file's text. */
export function parseRollup(file: string, text: string): RollupDefinition {
  const { source, bucket, keys, columns } = readDefinition(file, text, ROLLUP)
  try {
    const definition: RollupDefinition = {
      name: file.replace(/\.yaml$/, ''),
      source,
      bucketSeconds: parseInterval('bucket', bucket),
      keys,
      columns: Object.entries(columns).map(([name, column]) => {
        const [, aggregate, value = ''] = COLUMN.exec(column) ?? []
        // The pattern admits the aggregates alone.
        return { name, aggregate: aggregate as RollupDefinition['columns'][number]['aggregate'], value }
      }),
    }
    checkDefinition(definition)
    return definition
  } catch (error) {
    if (!(error instanceof TicklakeError) || error.code !== 'invalid_input') throw error
    throw new TicklakeError('invalid_input', `${file}, ${error.message}`, error.detail)
  }
}
