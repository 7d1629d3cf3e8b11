import { expect, test } from 'vitest'
import { MemoryObjectStore } from '../../../src/storage/objects/memory.js'
import { objectStoreContract } from '../../contract/object-store.js'
import { ManualClock } from '../../support/manual-clock.js'

objectStoreContract('MemoryObjectStore', async () => ({
  objects: new MemoryObjectStore(new ManualClock()),
  folder: 'memory:///warehouse',
}))

test('a file does not change with the bytes that were given or taken', async () => {
  const objects = new MemoryObjectStore(new ManualClock())
  const given = Uint8Array.of(1)
  await objects.create('memory:///a', given)
  given[0] = 2
  const taken = await objects.read('memory:///a')
  taken[0] = 3
  expect(await objects.read('memory:///a')).toEqual(Uint8Array.of(1))
})
