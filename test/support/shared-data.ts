import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { describe, test } from 'vitest'

const FOLDER = fileURLToPath(new URL('../../../shared/data/', import.meta.url))

/** Tests over real recordings, which lie beside the repository and not in it: skipped, by name, where they are absent. */
export function describeRealData(name: string, tests: (pathOf: (file: string) => string) => void): void {
  if (existsSync(FOLDER)) describe(name, () => tests((file) => FOLDER + file))
  else test.skip(`${name} (skipped: no ../shared/data here)`, () => {})
}
