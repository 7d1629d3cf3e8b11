import { expect, test } from 'vitest'
import { missingTests, namedTests } from './support/named-tests.js'
import { readTracked, trackedFiles } from './support/tracked-files.js'

const pages = trackedFiles().filter(
  (file) => file.startsWith('docs/guarantees/') && !file.endsWith('README.md'),
)

/** The promises of a page; what is not promised needs no test. */
const promises = pages.flatMap((page) =>
  readTracked(page)
    .split(/^## /m)
    .slice(1)
    .filter((section) => !section.startsWith('Not promised'))
    .map((section) => ({ promise: `${page}: ${section.split('\n', 1)[0]}`, tests: namedTests(section) })),
)

test('each page promises something', () => {
  expect(pages.map((page) => page.split('/').at(-1))).toEqual([
    'consistency.md',
    'ordering.md',
    'quality.md',
    'trade-offs.md',
  ])
  for (const page of pages) expect(promises.some(({ promise }) => promise.startsWith(`${page}: `))).toBe(true)
})

test('every promise names a test', () => {
  expect(promises.filter(({ tests }) => tests.length === 0).map(({ promise }) => promise)).toEqual([])
})

test('every test that a promise names is there', () => {
  expect(
    promises.flatMap(({ promise, tests }) => missingTests(tests).map((missing) => ({ promise, ...missing }))),
  ).toEqual([])
})

test('every line of a page that looks like a named test is read as one', () => {
  const lines = pages.flatMap((page) => readTracked(page).match(/^- .*›.*$/gm) ?? [])
  expect(promises.flatMap(({ tests }) => tests)).toHaveLength(lines.length)
})
