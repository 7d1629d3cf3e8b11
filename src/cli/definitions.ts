import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { z } from 'zod'
import { invalid } from '#core'
import { firstMistake, parseYaml } from '../settings-file.js'

/** Of a folder of definitions, one a YAML file: the files by name, with their texts. */
export async function definitionFiles(
  folder: string,
): Promise<readonly { readonly name: string; readonly text: string }[]> {
  const names = (await readdir(folder)).filter((name) => name.endsWith('.yaml')).sort()
  return Promise.all(names.map(async (name) => ({ name, text: await readFile(join(folder, name), 'utf8') })))
}

/** What a file says. `invalid_input` names the file, the key, the value and what would be right. */
export function readDefinition<T>(name: string, text: string, schema: z.ZodType<T>): T {
  const given = parseYaml(name, text)
  const result = schema.safeParse(given)
  if (result.success) return result.data
  const { key, value, expected } = firstMistake(result.error, given)
  throw invalid([name, key].filter(Boolean).join(', '), value, expected)
}

/** A folder's definitions for exchanges: each exchange has one, or none. */
export async function exchangeDefinitions<D extends { readonly exchanges: readonly string[] }>(
  folder: string,
  parse: (name: string, text: string) => D,
): Promise<readonly D[]> {
  const files = new Map<string, string>()
  const definitions: D[] = []
  for (const { name, text } of await definitionFiles(folder)) {
    const definition = parse(name, text)
    for (const exchange of definition.exchanges) {
      const other = files.get(exchange)
      if (other !== undefined) throw invalid(`${name}, exchanges`, exchange, `in one file: ${other} has it`)
      files.set(exchange, name)
    }
    definitions.push(definition)
  }
  return definitions
}
