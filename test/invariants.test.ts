import { expect, test } from 'vitest'
import { missingTests, type NamedTest, namedTests } from './support/named-tests.js'
import { readTracked, trackedFiles } from './support/tracked-files.js'

/** One line of docs/invariants.md: an invariant and a test that enforces it. */
interface Binding extends NamedTest {
  readonly invariant: number
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
    namedTests(section).map((named) => ({ invariant: Number.parseInt(section, 10), ...named })),
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
  expect(missingTests(bindings)).toEqual([])
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
