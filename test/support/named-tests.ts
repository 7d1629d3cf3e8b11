import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { projectRoot, readTracked } from './tracked-files.js'

/** A test as documents name it: `file › suites, if given › title`. */
export interface NamedTest {
  readonly file: string
  /** Suites, if given, then the test. */
  readonly titles: readonly string[]
}

/** The tests that a document names, one a line of a list. */
export function namedTests(document: string): NamedTest[] {
  return [...document.matchAll(/^- `(test\/[^ `]+\.ts) › (.+)`$/gm)].map((match) => ({
    file: match[1]!,
    titles: match[2]!.split(' › '),
  }))
}

const QUOTES = ["'", '"', '`']

/** Those of which the file or a title is not there. */
export function missingTests<T extends NamedTest>(named: readonly T[]): T[] {
  return named.filter(({ file, titles }) => {
    if (!existsSync(join(projectRoot, file))) return true
    const source = readTracked(file)
    return titles.some((title) => !QUOTES.some((quote) => source.includes(`${quote}${title}${quote}`)))
  })
}
