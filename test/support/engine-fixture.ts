import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll } from 'vitest'
import { Engine } from '#engine'

/** There once the tests run. */
export interface EngineFixture {
  readonly engine: Engine
  readonly directory: string
}

/** An engine and a folder for the tests of one file: opened before the first of them, gone after the last. */
export function engineFixture(name: string): EngineFixture {
  const fixture = { engine: undefined as Engine | undefined, directory: '' }
  beforeAll(async () => {
    fixture.directory = await mkdtemp(join(tmpdir(), `ticklake-${name}-`))
    fixture.engine = await Engine.open({
      memoryLimit: '1GB',
      threads: 2,
      connections: 2,
      tempDirectory: join(fixture.directory, 'tmp'),
    })
  })
  afterAll(async () => {
    await fixture.engine?.close()
    await rm(fixture.directory, { recursive: true })
  })
  // Tests and their hooks run after the one that opens it.
  return fixture as EngineFixture
}
