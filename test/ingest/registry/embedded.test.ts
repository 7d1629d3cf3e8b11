import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, describe, expect, test } from 'vitest'
import { TRADES } from '#core'
import { avroSchema } from '../../../src/ingest/avro-schema.js'
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
  return {
    prefix: '',
    registry: new EmbeddedRegistry(store),
    reopen: async () => new EmbeddedRegistry(store),
  }
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
    prefix: '',
    registry: new EmbeddedRegistry(store),
    reopen: async () => {
      await store.close()
      return new EmbeddedRegistry(await opened())
    },
  }
})

test('a schema is kept to the letter, and ids count from 1', async () => {
  const registry = new EmbeddedRegistry(new MemoryStore())
  const text =
    '{ "type": "record",\n  "name": "Tick", "fields": [ {"name": "n", "type": "double", "default": 1.0} ] }'
  expect(await registry.register('a-value', text)).toEqual({
    id: 1,
    subject: 'a-value',
    version: 1,
    schema: text,
  })
  expect(await registry.byId(1)).toBe(text)
  expect(await registry.register('b-value', '"string"')).toMatchObject({ id: 2 })
})

test('schemas differ when their numbers do, beyond the digits of a double too', async () => {
  const registry = new EmbeddedRegistry(new MemoryStore())
  const schema = (size: string) => `{"type":"fixed","name":"Id","size":8,"note":${size}}`
  const ids = await Promise.all(
    ['9007199254740992', '9007199254740993'].map((size) => registry.register('a-value', schema(size))),
  )
  expect(ids.map(({ id }) => id)).toEqual([1, 2])
})

test('schemas of older data folders, kept as JSON and not as text, are found again', async () => {
  const store = new MemoryStore()
  const schema = { type: 'record', name: 'Tick', fields: [] }
  await store.commit({
    states: new Map([['schema/1', { id: 1, subject: 'a-value', version: 1, schema }]]),
  })
  const registry = new EmbeddedRegistry(store)
  expect(JSON.parse(await registry.byId(1))).toEqual(schema)
  expect(await registry.register('a-value', JSON.stringify(schema))).toMatchObject({ id: 1, version: 1 })
})

test('what would be taken is told without registering it', async () => {
  const registry = new EmbeddedRegistry(new MemoryStore())
  const schema = (type: string) =>
    JSON.stringify({ type: 'record', name: 'Tick', fields: [{ name: 'n', type }] })
  await registry.register('a-value', schema('int'))
  await registry.requireCompatible('a-value', 'latest', schema('long'))
  await expect(registry.requireCompatible('a-value', 1, schema('string'))).rejects.toMatchObject({
    code: 'conflict',
    message: expect.stringContaining('field n'),
  })
  expect(await registry.versions('a-value')).toEqual([1])
})

describe("the subjects of our tables' topics", () => {
  const SUBJECT = `${TRADES.topic}-value`
  const own = () => JSON.parse(JSON.stringify(avroSchema(TRADES)))

  test('take only schemas whose records become rows, under the one name of all versions', async () => {
    const registry = new EmbeddedRegistry(new MemoryStore())
    const register = (schema: object) => registry.register(SUBJECT, JSON.stringify(schema))
    const { fields, ...rest } = own()
    const without = {
      ...rest,
      fields: fields.filter(({ name }: { name: string }) => name !== 'quality_flags'),
    }
    await expect(register(without)).rejects.toMatchObject({
      code: 'conflict',
      message: expect.stringContaining('quality_flags: "absent" is not'),
    })
    const renamed = { ...own(), name: 'MyTrade', namespace: 'com.acme', aliases: ['ticklake.Trade'] }
    await expect(register(renamed)).rejects.toMatchObject({
      code: 'conflict',
      message: expect.stringContaining('is called com.acme.MyTrade, and has to be ticklake.Trade'),
    })
    expect(
      await register({ ...rest, fields: [...fields, { name: 'mine', type: 'int', default: 0 }] }),
    ).toMatchObject({
      version: 1,
    })
    expect(await register(own())).toMatchObject({ version: 2 })
  })
})
