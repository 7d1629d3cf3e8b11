import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach } from 'vitest'
import { LmdbStore } from '../../../src/ingest/log/lmdb-store.js'
import { MemoryStore } from '../../../src/ingest/log/memory-store.js'
import { EmbeddedRegistry } from '../../../src/ingest/registry/embedded.js'
import { describeRegistry } from '../../contract/registry.js'

const cleanups: (() => Promise<void>)[] = []

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup()
})

describeRegistry('EmbeddedRegistry in memory', async () => {
  const store = new MemoryStore()
  return { registry: new EmbeddedRegistry(store), reopen: async () => new EmbeddedRegistry(store) }
})

describeRegistry('EmbeddedRegistry on disk', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'ticklake-registry-'))
  cleanups.push(() => rm(folder, { recursive: true, force: true }))
  const opened = async () => {
    const store = new LmdbStore(folder)
    await store.open()
    cleanups.push(() => store.close())
    return store
  }
  const store = await opened()
  return {
    registry: new EmbeddedRegistry(store),
    reopen: async () => {
      await store.close()
      return new EmbeddedRegistry(await opened())
    },
  }
})
