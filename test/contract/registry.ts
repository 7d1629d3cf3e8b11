import { beforeEach, describe, expect, test } from 'vitest'
import { TRADES } from '#core'
import { avroSchema } from '../../src/ingest/avro-schema.js'
import type { SchemaRegistry } from '../../src/ingest/registry/registry.js'

/** A registry that knows no subject which begins with `prefix`. `reopen` gives another one on what it has stored. */
export interface RegistryFixture {
  readonly registry: SchemaRegistry
  readonly prefix: string
  reopen(): Promise<SchemaRegistry>
}

function recordSchema(...fields: object[]): string {
  return JSON.stringify({ type: 'record', name: 'Tick', fields })
}

const SYMBOL = { name: 'symbol', type: 'string' }
const PRICE = { name: 'price', type: { type: 'bytes', logicalType: 'decimal', precision: 18, scale: 8 } }
const COUNT = { name: 'n', type: 'int', default: 0 }

/** What every schema registry does. */
export function describeRegistry(name: string, open: () => Promise<RegistryFixture>): void {
  describe(`${name} keeps the contract of SchemaRegistry`, () => {
    let registry: SchemaRegistry
    let reopen: () => Promise<SchemaRegistry>
    let a: string
    let b: string

    beforeEach(async () => {
      const fixture = await open()
      registry = fixture.registry
      reopen = () => fixture.reopen()
      a = `${fixture.prefix}a-value`
      b = `${fixture.prefix}b-value`
    })

    test('a schema has one id under all its subjects, another one another; versions count from 1 within a subject', async () => {
      const first = await registry.register(a, recordSchema(SYMBOL))
      const other = await registry.register(b, recordSchema(SYMBOL, PRICE))
      const second = await registry.register(a, recordSchema(SYMBOL, COUNT))
      const same = await registry.register(b, recordSchema(SYMBOL))
      expect([first, other, second, same]).toMatchObject([
        { subject: a, version: 1 },
        { subject: b, version: 1 },
        { subject: a, version: 2 },
        { subject: b, version: 2, id: first.id },
      ])
      expect(new Set([first.id, other.id, second.id]).size).toBe(3)
      expect(await registry.usesOf(first.id)).toEqual(
        expect.arrayContaining([
          { subject: a, version: 1 },
          { subject: b, version: 2 },
        ]),
      )
    })

    test('the identical schema has the same id, also when registered twice at once and after a restart', async () => {
      const reordered = '{"fields": [{"type": "string", "name": "symbol"}], "name": "Tick", "type": "record"}'
      const both = await Promise.all([
        registry.register(a, recordSchema(SYMBOL)),
        registry.register(a, reordered),
      ])
      expect(both).toMatchObject([{ version: 1 }, { version: 1, id: both[0]!.id }])
      const again = await reopen()
      expect(await again.register(a, reordered)).toMatchObject({ id: both[0]!.id, version: 1 })
      expect(await again.register(a, recordSchema())).toMatchObject({ version: 2 })
      expect(await again.versions(a)).toEqual([1, 2])
    })

    test('a schema is found by its id as it was registered, with docs, defaults and aliases', async () => {
      const schema = {
        type: 'record',
        name: 'Tick',
        doc: 'a trade',
        aliases: ['Deal'],
        fields: [{ name: 'n', type: ['null', 'long'], default: null, aliases: ['count'], doc: 'how many' }],
      }
      const own = await registry.register(a, JSON.stringify(avroSchema(TRADES)))
      const documented = await registry.register(b, JSON.stringify(schema))
      const again = await reopen()
      expect(JSON.parse(await again.byId(own.id))).toEqual(avroSchema(TRADES))
      expect(JSON.parse(await again.byId(documented.id))).toEqual(schema)
      await expect(again.byId(2_000_000_000)).rejects.toMatchObject({ code: 'not_found' })
    })

    test('subjects and their versions are listed and found', async () => {
      await registry.register(b, recordSchema(PRICE))
      const first = await registry.register(a, recordSchema(SYMBOL))
      const second = await registry.register(a, recordSchema(SYMBOL, COUNT))
      const again = await reopen()
      expect((await again.subjects()).filter((subject) => subject === a || subject === b)).toEqual([a, b])
      expect(await again.versions(a)).toEqual([1, 2])
      const { schema, ...named } = await again.version(a, 1)
      expect(named).toEqual({ id: first.id, subject: a, version: 1 })
      expect(JSON.parse(schema)).toEqual(JSON.parse(recordSchema(SYMBOL)))
      expect(await again.version(a, 'latest')).toMatchObject({ id: second.id, version: 2 })
      expect(await again.find(a, recordSchema(SYMBOL))).toMatchObject({ id: first.id, version: 1 })
    })

    test('what was never registered is not found', async () => {
      await registry.register(a, recordSchema(SYMBOL))
      for (const ask of [
        () => registry.find(a, recordSchema(PRICE)),
        () => registry.find(b, recordSchema(SYMBOL)),
        () => registry.version(a, 2),
        () => registry.version(b, 'latest'),
        () => registry.versions(b),
      ]) {
        await expect(ask()).rejects.toMatchObject({ code: 'not_found' })
      }
    })

    test.each([
      ['a new field without default', [SYMBOL, PRICE, { name: 'venue', type: 'string' }], 'field venue'],
      ['a field of another type', [{ name: 'symbol', type: 'int' }, PRICE], 'field symbol'],
      ['a field that may no longer be null', [SYMBOL, PRICE, { name: 'note', type: 'string' }], 'field note'],
      ['another scale', [SYMBOL, { ...PRICE, type: { ...PRICE.type, scale: 4 } }], 'field price'],
      ['a decimal made plain bytes', [SYMBOL, { ...PRICE, type: 'bytes' }], 'field price'],
    ])('%s is refused and named', async (_, fields, named) => {
      const first = recordSchema(
        SYMBOL,
        PRICE,
        ...(named === 'field note' ? [{ name: 'note', type: ['null', 'string'] }] : []),
      )
      await registry.register(a, first)
      await expect(registry.register(a, recordSchema(...fields))).rejects.toMatchObject({
        code: 'conflict',
        message: expect.stringContaining(named),
      })
      expect(await registry.register(a, recordSchema(SYMBOL))).toMatchObject({ version: 2 })
    })

    test('fields may be dropped, widened, and added with a default', async () => {
      await registry.register(a, recordSchema(SYMBOL, { name: 'n', type: 'int' }, PRICE))
      const next = recordSchema(
        SYMBOL,
        { name: 'n', type: 'long' },
        { name: 'note', type: ['null', 'string'], default: null },
      )
      expect(await registry.register(a, next)).toMatchObject({ version: 2 })
    })

    test('compatibility is asked of the newest schema of the same subject only', async () => {
      await registry.register(a, recordSchema(SYMBOL))
      await registry.register(b, recordSchema({ name: 'symbol', type: 'int' }))
      await registry.register(a, recordSchema())
      const third = recordSchema({ name: 'symbol', type: 'int', default: 1 })
      expect(await registry.register(a, third)).toMatchObject({ version: 3 })
    })

    test.each(['{"type":"recrod","name":"Tick"}', '{"type":"record","fields":[]}', 'a text', '', '{"type":'])(
      'what is no Avro schema is refused: %s',
      async (nonsense) => {
        await expect(registry.register(a, nonsense)).rejects.toMatchObject({ code: 'invalid_input' })
        expect(await registry.register(a, recordSchema(SYMBOL))).toMatchObject({ version: 1 })
      },
    )
  })
}
