import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { projectRoot, readTracked, trackedFiles } from './support/tracked-files.js'

/** One line of docs/invariants.md: an invariant and a test that enforces it. */
interface Binding {
  readonly invariant: number
  readonly file: string
  /** Suites, if given, then the test. */
  readonly titles: readonly string[]
}

interface Invariant {
  readonly number: number
  /** There is nothing yet that could break it; the document says what is missing. */
  readonly isIdle: boolean
}

function parse(document: string): { invariants: Invariant[]; bindings: Binding[] } {
  const sections = document.split(/^## (?=\d+\. )/m).slice(1)
  const invariants = sections.map((section) => ({
    number: Number.parseInt(section, 10),
    isIdle: /^Nothing to hold yet: /m.test(section),
  }))
  const bindings = sections.flatMap((section) =>
    [...section.matchAll(/^- `(test\/[^ `]+\.ts) › (.+)`$/gm)].map((match) => ({
      invariant: Number.parseInt(section, 10),
      file: match[1]!,
      titles: match[2]!.split(' › '),
    })),
  )
  return { invariants, bindings }
}

const { invariants, bindings } = parse(readTracked('docs/invariants.md'))

test('invariants are numbered from 1 without holes, each with a test', () => {
  expect(invariants.map(({ number }) => number)).toEqual(Array.from({ length: 15 }, (_, index) => index + 1))
  const bound = new Set(bindings.map(({ invariant }) => invariant))
  expect(invariants.filter(({ number, isIdle }) => !isIdle && !bound.has(number))).toEqual([])
})

test('every test that the list names is there', () => {
  const quotes = ["'", '"', '`']
  const missing = bindings.filter(({ file, titles }) => {
    if (!existsSync(join(projectRoot, file))) return true
    const source = readTracked(file)
    return titles.some((title) => !quotes.some((quote) => source.includes(`${quote}${title}${quote}`)))
  })
  expect(missing).toEqual([])
})

test('every test that claims an invariant is on the list', () => {
  const claims = trackedFiles()
    .filter((file) => file.startsWith('test/') && file.endsWith('.ts') && file !== 'test/invariants.test.ts')
    .flatMap((file) =>
      [...readTracked(file).matchAll(/(['"`])((?:(?!\1).)*\[inv (\d+)\](?:(?!\1).)*)\1/g)].map(
        (match) => `${match[3]} ${file} › ${match[2]}`,
      ),
    )
  const listed = new Set(
    bindings.map(({ invariant, file, titles }) => `${invariant} ${file} › ${titles.at(-1)}`),
  )
  expect(claims.length).toBeGreaterThan(0)
  expect(claims.filter((claim) => !listed.has(claim))).toEqual([])
})
