// What strangers' SQL gets that reaches for something else than the tables: each attempt of test/query/sql-escapes.json is
// posted to a real server, whose refusal is printed beside it; afterwards the server answers as before.
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { AS_BUILT, TicklakeServer } from '../test/support/ticklake-process.js'
import { withTemporaryFolder } from './temporary-folder.js'

interface Told {
  readonly status: number
  readonly detail: string
}

const MOST_SHOWN = 100
/** Each an attempt, and what its refusal has to say. */
const attempts: readonly [sql: string, said: string][] = JSON.parse(
  await readFile(new URL('../test/query/sql-escapes.json', import.meta.url), 'utf8'),
)

await withTemporaryFolder(async (folder) => {
  const server = await TicklakeServer.start(join(folder, 'data'), { program: AS_BUILT })
  try {
    let refused = 0
    console.log('| attempt | status | refusal |\n|---|---|---|')
    for (const [sql, said] of attempts) {
      const { status, detail } = await post(server, sql)
      const isRefused = status === 400 && new RegExp(said).test(detail)
      if (isRefused) refused++
      console.log(`| ${isRefused ? '' : '✗ '}\`${cell(sql)}\` | ${status} | ${cell(detail)} |`)
    }
    const { status } = await post(server, 'SELECT count(*) FROM trades')
    console.log(
      `\n${refused} of ${attempts.length} attempts were refused; a count of trades afterwards: ${status}`,
    )
    if (refused < attempts.length || status !== 200) process.exitCode = 1
  } finally {
    await server.stop()
  }
})

async function post(server: TicklakeServer, sql: string): Promise<Told> {
  const response = await fetch(`${server.url}/v1/sql`, { method: 'POST', body: JSON.stringify({ sql }) })
  // An answer has other members, which are not looked at.
  const told = (await response.json()) as Partial<Told>
  return { status: response.status, detail: told.detail ?? 'answered' }
}

/** On one line of a table. */
function cell(text: string): string {
  const line = text.replaceAll(/\s+/g, ' ').replaceAll('|', '\\|')
  return line.length > MOST_SHOWN ? `${line.slice(0, MOST_SHOWN)}…` : line
}
