import { beforeEach, describe, expect, test } from 'vitest'
import { TicklakeError } from '#core'
import { type CatalogServer, type Json, type LoadedTable, parseCreateTable, parseTableCommit } from '#storage'
import { MemoryObjectStore } from '../../../src/storage/objects/memory.js'
import { type Fault, FaultyObjectStore } from '../../support/faulty-object-store.js'
import { ManualClock } from '../../support/manual-clock.js'
import { memoryCatalog, WAREHOUSE } from '../../support/memory-catalog.js'

const SCHEMA: Json = { type: 'struct', fields: [{ id: 1, name: 'a', required: false, type: 'long' }] }
const FEATURES = { namespace: 'research', name: 'features' }

const clock = new ManualClock()
let stored: MemoryObjectStore
let catalog: CatalogServer

beforeEach(async () => {
  stored = new MemoryObjectStore(clock)
  catalog = memoryCatalog(clock, stored)
  await catalog.createNamespace('research', { owner: 'me' })
})

function create(name: string, more: Readonly<Record<string, Json>> = {}, on = catalog) {
  return on.create('research', parseCreateTable({ name, schema: SCHEMA, ...more }, 'body'))
}

function setProperty(key: string, value: string, ...requirements: readonly Json[]) {
  return parseTableCommit(
    { requirements, updates: [{ action: 'set-properties', updates: { [key]: value } }] },
    'body',
  )
}

async function files(): Promise<readonly string[]> {
  return (await stored.list(WAREHOUSE)).map(({ location }) => location.slice(WAREHOUSE.length + 1))
}

describe('namespaces', () => {
  test('are made, listed, changed, and dropped when they are empty', async () => {
    expect(await catalog.namespaces()).toEqual(['market_data', 'research'])
    expect(await catalog.namespace('research')).toEqual({ owner: 'me', location: `${WAREHOUSE}/research` })
    expect(await catalog.changeNamespace('research', ['owner', 'none'], { a: 'b' })).toEqual({
      updated: ['a'],
      removed: ['owner'],
      missing: ['none'],
    })
    await create('features')
    await expect(catalog.dropNamespace('research')).rejects.toMatchObject({ code: 'conflict' })
    await catalog.drop(FEATURES, false)
    await catalog.dropNamespace('research')
    expect(await catalog.namespaces()).toEqual(['market_data'])
    await expect(catalog.namespace('research')).rejects.toMatchObject({
      code: 'not_found',
      detail: { field: 'namespace' },
    })
  })

  test('that are there already, or have names that no folder should have, are refused', async () => {
    await expect(catalog.createNamespace('research', {})).rejects.toMatchObject({ code: 'conflict' })
    for (const name of ['', '.catalog', '../x', 'a/b', 'a.b', '__proto__', 'x'.repeat(129)]) {
      await expect(catalog.createNamespace(name, {})).rejects.toMatchObject({ code: 'invalid_input' })
    }
    await expect(catalog.createNamespace('x', { location: 'file:///etc' })).rejects.toMatchObject({
      detail: { field: 'location' },
    })
    await expect(catalog.dropNamespace('market_data')).rejects.toMatchObject({ code: 'invalid_input' })
  })
})

describe('a table of another engine', () => {
  test('is there for whoever opens the folder later', async () => {
    const created = await create('features', { properties: { x: '1' } })
    await catalog.commit(FEATURES, setProperty('x', '2'))
    const later = memoryCatalog(clock, stored)
    expect(await later.tables('research')).toEqual(['features'])
    const { metadata, metadataLocation } = await later.load(FEATURES)
    expect(metadata.tableUuid).toBe(created.metadata.tableUuid)
    expect(metadata.properties).toEqual({ x: '2' })
    expect(metadata.location).toMatch(/^memory:\/\/\/warehouse\/research\/features-[0-9a-f]{8}$/)
    expect(metadataLocation).toBe(`${metadata.location}/metadata/v2.metadata.json`)
  })

  test('is changed only if what is required is so', async () => {
    await create('features')
    const stale = setProperty('x', '1', { type: 'assert-table-uuid', uuid: 'another' })
    await expect(catalog.commit(FEATURES, stale)).rejects.toMatchObject({ code: 'conflict' })
    expect((await catalog.load(FEATURES)).metadata.properties).toEqual({})
    // What changes nothing makes no new metadata.
    const { metadataLocation } = await catalog.commit(FEATURES, setProperty('x', '1'))
    expect((await catalog.commit(FEATURES, setProperty('x', '1'))).metadataLocation).toBe(metadataLocation)
  })

  test('that is staged is not there until it is committed, and then where it was to be', async () => {
    const { metadata, metadataLocation } = await create('features', { 'stage-create': true })
    expect(metadataLocation).toBeNull()
    expect(await catalog.tables('research')).toEqual([])
    const commit = (more: readonly Json[]) =>
      parseTableCommit(
        {
          requirements: [{ type: 'assert-create' }],
          updates: [
            { action: 'assign-uuid', uuid: metadata.tableUuid },
            { action: 'add-schema', schema: { ...Object(SCHEMA), 'schema-id': 0 } },
            { action: 'set-current-schema', 'schema-id': -1 },
            { action: 'add-spec', spec: { 'spec-id': 0, fields: [] } },
            { action: 'set-default-spec', 'spec-id': -1 },
            ...more,
          ],
        },
        'body',
      )
    const elsewhere = commit([{ action: 'set-location', location: `${WAREHOUSE}/../x/y` }])
    await expect(catalog.commit(FEATURES, elsewhere)).rejects.toMatchObject({ detail: { field: 'location' } })
    const placed = commit([{ action: 'set-location', location: metadata.location }])
    expect((await catalog.commit(FEATURES, placed)).metadata).toMatchObject({
      tableUuid: metadata.tableUuid,
      location: metadata.location,
    })
    await expect(catalog.commit(FEATURES, placed)).rejects.toMatchObject({ code: 'conflict' })
  })

  test('that does not exist is not made by a commit that does not say so', async () => {
    const main = { type: 'assert-ref-snapshot-id', ref: 'main', 'snapshot-id': null }
    await expect(catalog.commit(FEATURES, setProperty('x', '1', main))).rejects.toMatchObject({
      code: 'not_found',
      detail: { field: 'table' },
    })
  })

  test('lies below its warehouse, alone, and stays there', async () => {
    const { metadata } = await create('features', { location: `${WAREHOUSE}/research/mine` })
    expect(metadata.location).toBe(`${WAREHOUSE}/research/mine`)
    for (const location of [
      `${WAREHOUSE}/research/mine`,
      `${WAREHOUSE}/research`,
      `${WAREHOUSE}/research/mine/deeper`,
      `${WAREHOUSE}/.catalog/x`,
      `${WAREHOUSE}/research/..`,
      'file:///etc/passwd',
    ]) {
      await expect(create('other', { location })).rejects.toMatchObject({ code: 'invalid_input' })
    }
    const moving = parseTableCommit(
      { updates: [{ action: 'set-location', location: `${WAREHOUSE}/research/other` }] },
      'body',
    )
    await expect(catalog.commit(FEATURES, moving)).rejects.toMatchObject({ code: 'invalid_input' })
  })

  test('is renamed into any namespace, and its name is free then', async () => {
    const { metadata } = await create('features')
    const moved = { namespace: 'market_data', name: 'mine' }
    await expect(catalog.rename(FEATURES, { ...moved, namespace: 'none' })).rejects.toMatchObject({
      detail: { field: 'namespace' },
    })
    await catalog.rename(FEATURES, moved)
    expect((await catalog.load(moved)).metadata).toEqual(metadata)
    await expect(catalog.load(FEATURES)).rejects.toMatchObject({ detail: { field: 'table' } })
    await create('features')
    await expect(catalog.rename(FEATURES, moved)).rejects.toMatchObject({ code: 'conflict' })
  })

  test('that is dropped can be registered again, unless its files went too', async () => {
    await create('features')
    const { metadataLocation: first } = await catalog.load(FEATURES)
    const { metadata, metadataLocation } = await catalog.commit(FEATURES, setProperty('x', '1'))
    await expect(catalog.register({ ...FEATURES, name: 'twice' }, metadataLocation)).rejects.toMatchObject({
      code: 'invalid_input',
    })
    await catalog.drop(FEATURES, false)
    await expect(catalog.register(FEATURES, first)).rejects.toMatchObject({ code: 'invalid_input' })
    await expect(catalog.register(FEATURES, 'file:///etc/metadata/v1.metadata.json')).rejects.toMatchObject({
      code: 'invalid_input',
    })
    const back = await catalog.register({ ...FEATURES, name: 'back' }, metadataLocation)
    expect(back.metadata).toEqual(metadata)
    await catalog.drop({ ...FEATURES, name: 'back' }, true)
    expect((await files()).filter((file) => file.startsWith('research/'))).toEqual([])
    await expect(catalog.register(FEATURES, metadataLocation)).rejects.toMatchObject({ code: 'not_found' })
  })
})

describe('when writes fail', () => {
  /** One catalog on the store, the n-th write of which goes wrong in this way. */
  function failing(nth: number, fault: Fault): CatalogServer {
    let writes = 0
    const faulty = new FaultyObjectStore(stored, (operation) =>
      operation === 'create' && ++writes === nth ? fault : 'none',
    )
    return memoryCatalog(clock, faulty)
  }

  test.each(['before', 'after'] as const)(
    'a creation that fails %s any of its writes is there or is not, and can be tried again',
    async (fault) => {
      for (const nth of [1, 2]) {
        const name = `t${nth}`
        const on = failing(nth, fault)
        await expect(create(name, {}, on)).rejects.toMatchObject({ code: 'unavailable' })
        const isThere = (await on.tables('research')).includes(name)
        expect(isThere).toBe(nth === 2 && fault === 'after')
        expect(await memoryCatalog(clock, stored).tables('research')).toEqual(await on.tables('research'))
        if (!isThere) await create(name, {}, on)
        await on.load({ namespace: 'research', name })
      }
    },
  )

  test('a commit whose outcome is not known at first is settled by reading back', async () => {
    await create('features')
    const after = await failing(1, 'after').commit(FEATURES, setProperty('x', 'after'))
    expect(after.metadata.properties).toEqual({ x: 'after' })
    const before = await failing(1, 'before').commit(FEATURES, setProperty('x', 'before'))
    expect(before.metadata.properties).toEqual({ x: 'before' })
  })

  test('a commit that fails again and again has not been made, and says so', async () => {
    await create('features')
    const never = memoryCatalog(clock, new FaultyObjectStore(stored, () => 'before'))
    await expect(never.commit(FEATURES, setProperty('x', '1'))).rejects.toMatchObject({ code: 'conflict' })
    expect((await catalog.load(FEATURES)).metadata.properties).toEqual({})
  })

  test('a commit whose outcome cannot be read back is unknown', async () => {
    await create('features')
    let isDown = false
    const objects = new UnreadableStore(stored, (operation) => {
      isDown ||= operation === 'create'
      return operation === 'create' ? 'after' : 'none'
    })
    objects.isDown = () => isDown
    await expect(memoryCatalog(clock, objects).commit(FEATURES, setProperty('x', '1'))).rejects.toMatchObject(
      {
        code: 'unavailable',
      },
    )
    expect((await catalog.load(FEATURES)).metadata.properties).toEqual({ x: '1' })
  })
})

class UnreadableStore extends FaultyObjectStore {
  isDown = () => false

  override async read(location: string): Promise<Uint8Array> {
    if (this.isDown()) throw new TicklakeError('unavailable', `injected: ${location} cannot be read`)
    return super.read(location)
  }
}

test('of two that commit at a time to one state of a table, one is told to load it again', async () => {
  await create('features')
  const { metadata } = await catalog.load(FEATURES)
  const commit = (name: string): Promise<LoadedTable> =>
    catalog.commit(
      FEATURES,
      parseTableCommit(
        {
          requirements: [
            { type: 'assert-last-assigned-field-id', 'last-assigned-field-id': metadata.lastColumnId },
          ],
          updates: [
            {
              action: 'add-schema',
              schema: {
                ...Object(SCHEMA),
                'schema-id': 9,
                fields: [...Object(SCHEMA).fields, { id: 2, name, required: false, type: 'string' }],
              },
            },
            { action: 'set-current-schema', 'schema-id': -1 },
          ],
        },
        'body',
      ),
    )
  const outcomes = await Promise.allSettled([commit('b'), commit('c')])
  expect(outcomes.map(({ status }) => status)).toEqual(['fulfilled', 'rejected'])
  expect(outcomes[1]).toMatchObject({ reason: { code: 'conflict' } })
})
