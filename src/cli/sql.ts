import { invalid } from '#core'
import { csvAsTable, type Output, parseLimit } from './pages.js'
import { type Target, withLake } from './target.js'

export interface SqlOptions extends Target {
  /** name=value, as they were given. */
  readonly param: readonly string[]
  readonly limit: string
  readonly output: Output
}

/** Prints the answer to one SELECT. Says on standard error when there are more rows. */
export async function sql(statement: string, options: SqlOptions, signal: AbortSignal): Promise<void> {
  const { output } = options
  const limit = parseLimit(options.limit)
  const body = { sql: statement, params: parametersOf(options.param), limit }
  const path = `/v1/sql?format=${output === 'table' ? 'csv' : output}`
  await withLake(options, signal, async (client) => {
    const response = await client.send('POST', path, body, signal)
    const text = await response.text()
    process.stdout.write(
      output === 'table' ? `${csvAsTable(text)}\n` : text.endsWith('\n') ? text : `${text}\n`,
    )
    if (response.headers.get('x-complete') === 'false')
      process.stderr.write(`there are more rows: raise --limit (${limit}), or ask for less\n`)
  })
}

/** ["a=1"] → {a: "1"}: DuckDB makes of the text what the statement wants there. */
function parametersOf(given: readonly string[]): Readonly<Record<string, string>> {
  return Object.fromEntries(
    given.map((text) => {
      const [, name, value = ''] = /^([A-Za-z_]\w*)=(.*)$/s.exec(text) ?? []
      if (name === undefined) throw invalid('--param', text, 'name=value, for $name in the statement')
      return [name, value]
    }),
  )
}
