import { existsSync } from 'node:fs'
import { join } from 'node:path'
import ts from 'typescript'
import { describe, expect, test } from 'vitest'
import { projectRoot, readTracked, trackedFiles } from './support/tracked-files.js'

const files = trackedFiles()
const scripts = files.filter((file) => /\.c?ts$/.test(file))
const MAX_LINES = 400

/** What may be read only in one place, and that place. Everybody else is given it. */
const ONE_HOME: Readonly<Record<string, readonly string[]>> = {
  'Date.now': ['src/core/clock.ts'],
  'new Date()': ['src/core/clock.ts'],
  'performance.now': ['src/core/clock.ts'],
  'Math.random': [],
  // main.cts sets UV_THREADPOOL_SIZE, which has to happen before any module is loaded.
  'process.env': ['src/config.ts', 'src/main.cts'],
}

interface Finding {
  readonly rule: string
  readonly line: number
}

/** What of the rules a source breaks; by its syntax tree, so that comments and strings are free to say anything. */
function findings(file: string, text: string): Finding[] {
  const source = ts.createSourceFile(file, text, ts.ScriptTarget.Latest, true)
  const found: Finding[] = []
  const add = (rule: string, node: ts.Node) =>
    found.push({ rule, line: source.getLineAndCharacterOfPosition(node.getStart()).line + 1 })
  const visit = (node: ts.Node): void => {
    if (ts.isExportDeclaration(node) && (!node.exportClause || ts.isNamespaceExport(node.exportClause))) {
      add('export *', node)
    }
    if (ts.isExportAssignment(node) || node.kind === ts.SyntaxKind.DefaultKeyword) {
      if (!ts.isDefaultClause(node.parent) && !ts.isCaseOrDefaultClause(node)) add('default export', node)
    }
    if (node.kind === ts.SyntaxKind.AnyKeyword) add('any', node)
    if (ts.isPropertyAccessExpression(node) && node.getText() in ONE_HOME) add(node.getText(), node)
    if (ts.isNewExpression(node) && node.getText() === 'new Date()') add('new Date()', node)
    ts.forEachChild(node, visit)
  }
  visit(source)
  return found
}

const broken = scripts.flatMap((file) =>
  findings(file, readTracked(file)).map((finding) => ({ file, ...finding })),
)

function offenders(breaks: (file: string, rule: string) => boolean): string[] {
  return broken
    .filter(({ file, rule }) => breaks(file, rule))
    .map(({ file, rule, line }) => `${file}:${line} ${rule}`)
}

function matches(pattern: RegExp, among: readonly string[] = files): string[] {
  return among.flatMap((file) =>
    readTracked(file)
      .split('\n')
      .flatMap((line, index) =>
        pattern.test(line) ? [`${file}:${index + 1} ${line.trim().slice(0, 80)}`] : [],
      ),
  )
}

test('there is something to look at', () => {
  expect(scripts.length).toBeGreaterThan(60)
})

test('doors list names: no export *', () => {
  expect(offenders((_, rule) => rule === 'export *')).toEqual([])
})

test('no default exports, but where a tool wants one', () => {
  const config = /^[^/]+\.config\.ts$/
  expect(offenders((file, rule) => rule === 'default export' && !config.test(file))).toEqual([])
})

test('no any', () => {
  expect(offenders((_, rule) => rule === 'any')).toEqual([])
})

test('sources are given time, randomness and environment', () => {
  const misplaced = offenders(
    (file, rule) => file.startsWith('src/') && rule in ONE_HOME && !ONE_HOME[rule]!.includes(file),
  )
  expect(misplaced).toEqual([])
})

test('tests and benchmarks seed their randomness', () => {
  expect(offenders((_, rule) => rule === 'Math.random')).toEqual([])
})

test(`no file is longer than ${MAX_LINES} lines`, () => {
  const lengths = scripts.map((file) => ({ file, lines: readTracked(file).split('\n').length - 1 }))
  expect(lengths.filter(({ lines }) => lines > MAX_LINES)).toEqual([])
})

test('nothing is left for later', () => {
  const marks = ['TO' + 'DO', 'FIX' + 'ME', 'X' + 'XX', 'HA' + 'CK']
  expect(matches(new RegExp(`\\b(${marks.join('|')})\\b`))).toEqual([])
})

test('no test is left out or run alone without a condition', () => {
  // The shared recordings are not part of the project: tests of them skip, saying so, in this one place.
  const conditional = ['test/tidy.test.ts', 'test/support/shared-data.ts']
  const tests = scripts.filter((file) => file.startsWith('test/') && !conditional.includes(file))
  expect(matches(/\b(it|test|describe)\.(skip|only|todo|fails)\b/, tests)).toEqual([])
})

test('no path of one machine', () => {
  expect(matches(/(^|[^A-Za-z0-9_.])\/(work|farm|root|home\/\w+|Users\/\w+)\//)).toEqual([])
})

test('no package source is written down: npm is asked wherever the reader has it', () => {
  expect(matches(/registry\.(npmjs|yarnpkg|npmmirror)\.|npm\.pkg\.github\.com/)).toEqual([])
  expect(matches(/"resolved":/, ['package-lock.json'])).toEqual([])
})

describe('the rules find what they forbid', () => {
  test.each([
    [`export * from './a.js'`, 'export *'],
    [`export * as a from './a.js'`, 'export *'],
    ['export default 1', 'default export'],
    ['export default function f() {}', 'default export'],
    ['const a = 1 as any', 'any'],
    ['const a: Map<string, any[]> = b', 'any'],
    ['const t = Date.now()', 'Date.now'],
    ['const t = new Date()', 'new Date()'],
    ['const t = performance.now()', 'performance.now'],
    ['const t = Math.random()', 'Math.random'],
    ['const t = process.env.HOME', 'process.env'],
  ])('%s', (text, rule) => {
    expect(findings('a.ts', text).map((finding) => finding.rule)).toEqual([rule])
  })

  test.each([
    '// any Date.now()',
    `const a = 'export default'`,
    'switch (a) { default: b() }',
    'new Date(0)',
  ])('and nothing in %s', (text) => {
    expect(findings('a.ts', text)).toEqual([])
  })
})

test('documents name files that exist', () => {
  const named = files
    .filter((file) => file.endsWith('.md'))
    .flatMap((file) =>
      [...readTracked(file).matchAll(/`((?:src|test|docs|config|scripts|bench)\/[\w./-]+)`/g)].map(
        (match) => ({
          file,
          path: match[1]!,
        }),
      ),
    )
  expect(named.length).toBeGreaterThan(10)
  expect(named.filter(({ path }) => !existsSync(join(projectRoot, path)))).toEqual([])
})
