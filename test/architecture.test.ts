import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { modulePicture, withPicture } from '../scripts/module-picture.js'
import { cruiseSources, violationsOf } from './support/architecture.js'

const root = resolve(import.meta.dirname, '..')

test('every import follows the import table, by doors only, without cycles or dead files', async () => {
  const result = await cruiseSources(root)
  const sources = result.modules.filter((module) => module.source.startsWith('src/'))
  // A cruiser that does not know this TypeScript cruises nothing and is content.
  expect(sources.length).toBeGreaterThan(40)
  expect(result.summary.totalDependenciesCruised).toBeGreaterThan(100)
  expect(violationsOf(result)).toEqual([])
})

test('the module picture in ARCHITECTURE.md is the one that the code draws (npm run picture)', async () => {
  const document = await readFile(join(root, 'ARCHITECTURE.md'), 'utf8')
  expect(document).toBe(withPicture(document, await modulePicture()))
})

/** A small project whose every rule is broken once. */
const WRONG_FILES: Readonly<Record<string, string>> = {
  'package.json': JSON.stringify({
    type: 'module',
    imports: { '#core': './src/core/index.ts', '#query': './src/query/index.ts' },
  }),
  'src/main.cts': `void import('./cli/program.js')`,
  'src/cli/program.ts': `export { route } from '#query'`,
  'src/core/index.ts': `export { a } from './a.js'`,
  'src/core/a.ts': `export { b } from './b.js'`,
  'src/core/b.ts': `import type { a } from './a.js'\nexport const b: typeof a = 1`,
  'src/core/forgotten.ts': `export const forgotten = 1`,
  'src/query/index.ts': `export { route } from './router.js'`,
  'src/query/router.ts': [
    `import type { load } from '../ingest/loader.js'`,
    `import { run } from '../cli/run.js'`,
    `import express from 'express'`,
    `import { nothing } from '#nowhere'`,
    `export const route = [run, express, nothing] satisfies (typeof load)[]`,
  ].join('\n'),
  'src/ingest/loader.ts': `export const load = 1`,
  'src/cli/run.ts': `export const run = 1`,
}

let wrong: string

beforeAll(async () => {
  wrong = await mkdtemp(join(tmpdir(), 'ticklake-architecture-'))
  for (const [name, text] of Object.entries(WRONG_FILES)) {
    await mkdir(dirname(join(wrong, name)), { recursive: true })
    await writeFile(join(wrong, name), text)
  }
  await symlink(join(root, 'node_modules'), join(wrong, 'node_modules'))
})

afterAll(() => rm(wrong, { recursive: true, force: true }))

test.each([
  'import-table-query: src/query/router.ts → src/ingest/loader.ts',
  'doors-only: src/query/router.ts → src/ingest/loader.ts',
  'cli-is-the-root: src/query/router.ts → src/cli/run.ts',
  'no-cycles: src/core/a.ts → src/core/b.ts',
  'no-dead-files: src/core/forgotten.ts',
  'resolvable: src/query/router.ts → #nowhere',
])('a wrong import is found: %s', async (violation) => {
  expect(violationsOf(await cruiseSources(wrong))).toContain(violation)
})

test('a package outside of its home is found', async () => {
  const found = violationsOf(await cruiseSources(wrong))
  expect(found.some((violation) => violation.startsWith('home-of-express: src/query/router.ts'))).toBe(true)
})
