import { describe, expect, test } from 'vitest'
import type { ObjectStore } from '../../src/storage/objects/object-store.js'

export interface OpenStore {
  readonly objects: ObjectStore
  /** A folder that is empty and not yet there. */
  readonly folder: string
  /** Writes a file as DuckDB would: not through the store. Undefined where nobody else can write. */
  readonly writeOutside?: (location: string, bytes: Uint8Array) => Promise<void>
}

const bytes = (text: string) => new TextEncoder().encode(text)
const text = (data: Uint8Array) => new TextDecoder().decode(data)

/** What every ObjectStore owes its callers. */
export function objectStoreContract(name: string, open: () => Promise<OpenStore>): void {
  describe(`${name} keeps the object store contract`, () => {
    test('a created file reads back whole', async () => {
      const { objects, folder } = await open()
      await objects.create(`${folder}/a/b/c.bin`, Uint8Array.of(0, 255, 10, 13))
      await objects.create(`${folder}/empty`, bytes(''))
      expect([...(await objects.read(`${folder}/a/b/c.bin`))]).toEqual([0, 255, 10, 13])
      expect(await objects.read(`${folder}/empty`)).toHaveLength(0)
    })

    test('a taken name is a conflict and the file stays as it was', async () => {
      const { objects, folder } = await open()
      await objects.create(`${folder}/a`, bytes('first'))
      await expect(objects.create(`${folder}/a`, bytes('second'))).rejects.toMatchObject({ code: 'conflict' })
      expect(text(await objects.read(`${folder}/a`))).toBe('first')
      expect((await objects.list(folder)).map(({ location }) => location)).toEqual([`${folder}/a`])
    })

    test('of many that create one name, one wins, with all its bytes', async () => {
      const { objects, folder } = await open()
      const writers = Array.from({ length: 20 }, (_, i) =>
        objects.create(`${folder}/a`, bytes(`${i}`.repeat(1000))),
      )
      const outcomes = await Promise.allSettled(writers)
      const winner = outcomes.findIndex(({ status }) => status === 'fulfilled')
      expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
      expect(text(await objects.read(`${folder}/a`))).toBe(`${winner}`.repeat(1000))
    })

    test('replace writes and overwrites', async () => {
      const { objects, folder } = await open()
      await objects.replace(`${folder}/hint`, bytes('1'))
      await objects.replace(`${folder}/hint`, bytes('22'))
      expect(text(await objects.read(`${folder}/hint`))).toBe('22')
    })

    test('what is not there is not found', async () => {
      const { objects, folder } = await open()
      await expect(objects.read(`${folder}/a`)).rejects.toMatchObject({ code: 'not_found' })
      await expect(objects.seal(`${folder}/a`)).rejects.toMatchObject({ code: 'not_found' })
    })

    test('remove frees the name; absent is fine', async () => {
      const { objects, folder } = await open()
      await objects.create(`${folder}/a`, bytes('first'))
      await objects.remove(`${folder}/a`)
      await objects.remove(`${folder}/a`)
      await expect(objects.read(`${folder}/a`)).rejects.toMatchObject({ code: 'not_found' })
    })

    test('list finds files at any depth, below that folder only, with sizes', async () => {
      const { objects, folder } = await open()
      expect(await objects.list(folder)).toEqual([])
      await objects.create(`${folder}/a/one`, bytes('1'))
      await objects.create(`${folder}/a/b/two=2`, bytes('22'))
      await objects.create(`${folder}/ab`, bytes('333'))
      const listed = (await objects.list(`${folder}/a`)).map(({ location, sizeBytes }) => [
        location,
        sizeBytes,
      ])
      expect(listed.sort()).toEqual([
        [`${folder}/a/b/two=2`, 2],
        [`${folder}/a/one`, 1],
      ])
      const modifiedMs = (await objects.list(`${folder}/a`))[0]!.modifiedMs
      expect(Number.isSafeInteger(modifiedMs) && modifiedMs > 0).toBe(true)
    })

    test('seal gives the size', async () => {
      const { objects, folder, writeOutside } = await open()
      const write = writeOutside ?? ((location, data) => objects.create(location, data))
      await write(`${folder}/data/day=1/x.parquet`, bytes('12345'))
      expect(await objects.seal(`${folder}/data/day=1/x.parquet`)).toEqual({ sizeBytes: 5 })
    })
  })
}
