import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { describe } from 'vitest'

const FOLDER = fileURLToPath(new URL('../../../shared/data/', import.meta.url))

/** Tests over real recordings, which lie beside the repository and not in it: skipped, by name, where they are absent. */
export function describeRealData(name: string, tests: (pathOf: (file: string) => string) => void): void {
  describe.skipIf(!existsSync(FOLDER))(`${name} (../shared/data)`, () => tests((file) => FOLDER + file))
}
