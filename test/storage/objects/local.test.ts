import { mkdir, mkdtemp, readdir, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { LocalObjectStore, localLocation, localPath } from '../../../src/storage/objects/local.js'
import { objectStoreContract } from '../../contract/object-store.js'

const folders: string[] = []

async function temporaryFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'ticklake store '))
  folders.push(folder)
  return folder
}

afterAll(() => Promise.all(folders.map((folder) => rm(folder, { recursive: true }))))

objectStoreContract('LocalObjectStore', async () => ({
  objects: new LocalObjectStore(),
  folder: localLocation(join(await temporaryFolder(), 'ware%20house')),
  writeOutside: async (location, bytes) => {
    await mkdir(dirname(localPath(location)), { recursive: true })
    await writeFile(localPath(location), bytes)
  },
}))

test('nothing but the file is left in its folder, whether it was created, refused or replaced', async () => {
  const folder = await temporaryFolder()
  const objects = new LocalObjectStore()
  await objects.create(localLocation(join(folder, 'a')), Uint8Array.of(1))
  await expect(objects.create(localLocation(join(folder, 'a')), Uint8Array.of(2))).rejects.toThrow(
    'exists already',
  )
  await objects.replace(localLocation(join(folder, 'b')), Uint8Array.of(3))
  expect((await readdir(folder)).sort()).toEqual(['a', 'b'])
})

test.each(['create', 'replace'] as const)('a %s on a full disk leaves nothing behind', async (operation) => {
  const folder = await temporaryFolder()
  const path = join(folder, 'a')
  // Whichever temporary file is written next, its disk is full.
  const names = Array.from({ length: 1000 }, (_, count) => `a.${process.pid}-${count}.tmp`)
  for (const name of names) await symlink('/dev/full', join(folder, name))
  const failure = await new LocalObjectStore()
    [operation](localLocation(path), Uint8Array.of(1))
    .catch((error: unknown) => error)
  expect(failure).toMatchObject({ code: 'unavailable', message: expect.stringContaining('ENOSPC') })
  expect(await readdir(folder)).toHaveLength(names.length - 1)
})

test('locations are paths with a scheme, and nothing is escaped', () => {
  expect(localLocation('/a b/%20')).toBe('file:///a b/%20')
  expect(localPath('file:///a b/%20')).toBe('/a b/%20')
  expect(() => localLocation('a')).toThrow('absolute')
  expect(() => localPath('s3://bucket/a')).toThrow('"s3://bucket/a" is not a location such as')
})
