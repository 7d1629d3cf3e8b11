import { readFile, writeFile } from 'node:fs/promises'
import { pathToFileURL } from 'node:url'
import { cruiseSources } from '../test/support/architecture.js'
import { projectRoot } from '../test/support/tracked-files.js'

/**
 * Draws the module picture of ARCHITECTURE.md from the imports in the code: `npm run picture`.
 * A test checks that the picture in the document is this one.
 */
const DOCUMENT = new URL('../ARCHITECTURE.md', import.meta.url)
const BEGIN = '<!-- picture: drawn by `npm run picture` -->'
const END = '<!-- end of picture -->'

/** `storage` of src/storage/table.ts, `main` of src/main.cts. */
function moduleOf(path: string): string | undefined {
  return /^src\/([^/.]+)/.exec(path)?.[1]
}

/** `lmdb` of node_modules/lmdb/index.js, `@duckdb/node-api` of its path. Type packages don't run. */
function packageOf(path: string): string | undefined {
  return /^node_modules\/(?!@types\/)((?:@[^/]+\/)?[^/]+)/.exec(path)?.[1]
}

/** A Mermaid graph: one node a module with the packages that live in it, one arrow for each "imports". */
export async function modulePicture(): Promise<string> {
  const { modules } = await cruiseSources(projectRoot)
  const arrows = new Set<string>()
  const packages = new Map<string, Set<string>>()
  for (const { source, dependencies } of modules) {
    const from = moduleOf(source)
    if (from === undefined) continue
    const homes = packages.get(from) ?? new Set()
    packages.set(from, homes)
    for (const { resolved } of dependencies) {
      const to = moduleOf(resolved)
      const packageName = packageOf(resolved)
      if (to !== undefined && to !== from) arrows.add(`  ${from} --> ${to}`)
      if (packageName !== undefined) homes.add(packageName)
    }
  }
  const nodes = [...packages].map(([name, homes]) =>
    homes.size === 0 ? `  ${name}` : `  ${name}["${[name, ...[...homes].sort()].join('<br>')}"]`,
  )
  return ['```mermaid', 'graph TD', ...nodes.sort(), ...[...arrows].sort(), '```'].join('\n')
}

/** The document with the picture between its markers. */
export function withPicture(document: string, picture: string): string {
  const begin = document.indexOf(BEGIN)
  const end = document.indexOf(END)
  if (begin < 0 || end < begin) throw new Error(`ARCHITECTURE.md lacks the lines ${BEGIN} and ${END}`)
  return `${document.slice(0, begin + BEGIN.length)}\n${picture}\n${document.slice(end)}`
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const document = await readFile(DOCUMENT, 'utf8')
  await writeFile(DOCUMENT, withPicture(document, await modulePicture()))
}
