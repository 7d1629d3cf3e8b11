import type { Schema } from 'avsc'
import { describe, expect, test } from 'vitest'
import { TRADES } from '#core'
import { avroSchema } from '../../src/ingest/avro-schema.js'
import type { SchemaRegistry } from '../../src/ingest/registry/registry.js'

/** An empty registry. `reopen` gives another one on what it has stored. */
export interface RegistryFixture {
  readonly registry: SchemaRegistry
  reopen(): Promise<SchemaRegistry>
}

function recordSchema(...fields: object[]): Schema {
  return { type: 'record', name: 'Tick', fields } as Schema
}

const SYMBOL = { name: 'symbol', type: 'string' }
const PRICE = { name: 'price', type: { type: 'bytes', logicalType: 'decimal', precision: 18, scale: 8 } }

/** What every schema registry does. */
export function describeRegistry(name: string, open: () => Promise<RegistryFixture>): void {
  describe(`${name} keeps the contract of SchemaRegistry`, () => {
    test('ids count from 1, over all subjects, and versions within one', async () => {
      const { registry } = await open()
      const first = await registry.register('a-value', recordSchema(SYMBOL))
      const other = await registry.register('b-value', recordSchema(SYMBOL, PRICE))
      const second = await registry.register(
        'a-value',
        recordSchema(SYMBOL, { name: 'n', type: 'int', default: 0 }),
      )
      expect([first, other, second]).toMatchObject([
        { id: 1, subject: 'a-value', version: 1 },
        { id: 2, subject: 'b-value', version: 1 },
        { id: 3, subject: 'a-value', version: 2 },
      ])
    })

    test('the identical schema has the same id, also when registered twice at once and after a restart', async () => {
      const { registry, reopen } = await open()
      const both = await Promise.all([
        registry.register('a-value', recordSchema(SYMBOL)),
        registry.register('a-value', {
          fields: [{ type: 'string', name: 'symbol' }],
          name: 'Tick',
          type: 'record',
        }),
      ])
      expect(both.map(({ id }) => id)).toEqual([1, 1])
      const again = await reopen()
      expect((await again.register('a-value', recordSchema(SYMBOL))).id).toBe(1)
      expect((await again.register('a-value', recordSchema())).id).toBe(2)
    })

    test('a schema is found by its id as it was registered', async () => {
      const { registry, reopen } = await open()
      const { id } = await registry.register('market-data.trades-value', avroSchema(TRADES))
      const again = await reopen()
      expect((await again.byId(id)).schema).toEqual(avroSchema(TRADES))
      await expect(again.byId(99)).rejects.toMatchObject({ code: 'not_found' })
    })

    test.each([
      ['a new field without default', [SYMBOL, PRICE, { name: 'venue', type: 'string' }], 'field venue'],
      ['a field of another type', [{ name: 'symbol', type: 'int' }, PRICE], 'field symbol'],
      ['a field that may no longer be null', [SYMBOL, PRICE, { name: 'note', type: 'string' }], 'field note'],
      ['another scale', [SYMBOL, { ...PRICE, type: { ...PRICE.type, scale: 4 } }], 'field price'],
      ['a decimal made plain bytes', [SYMBOL, { ...PRICE, type: 'bytes' }], 'field price'],
    ])('%s is refused and named', async (_, fields, named) => {
      const { registry } = await open()
      const first = recordSchema(
        SYMBOL,
        PRICE,
        ...(named === 'field note' ? [{ name: 'note', type: ['null', 'string'] }] : []),
      )
      await registry.register('a-value', first)
      await expect(registry.register('a-value', recordSchema(...fields))).rejects.toMatchObject({
        code: 'conflict',
        message: expect.stringContaining(named),
      })
      expect((await registry.register('a-value', recordSchema(SYMBOL))).id).toBe(2)
    })

    test('fields may be dropped, widened, and added with a default', async () => {
      const { registry } = await open()
      await registry.register('a-value', recordSchema(SYMBOL, { name: 'n', type: 'int' }, PRICE))
      const next = recordSchema(
        SYMBOL,
        { name: 'n', type: 'long' },
        { name: 'note', type: ['null', 'string'], default: null },
      )
      expect((await registry.register('a-value', next)).version).toBe(2)
    })

    test('compatibility is asked of the newest schema of the same subject only', async () => {
      const { registry } = await open()
      await registry.register('a-value', recordSchema(SYMBOL))
      await registry.register('b-value', recordSchema({ name: 'symbol', type: 'int' }))
      await registry.register('a-value', recordSchema())
      expect(
        (await registry.register('a-value', recordSchema({ name: 'n', type: 'int', default: 1 }))).version,
      ).toBe(3)
    })

    test('what is no Avro schema is refused', async () => {
      const { registry } = await open()
      const nonsense = { type: 'recrod', name: 'Tick' } as unknown as Schema
      await expect(registry.register('a-value', nonsense)).rejects.toMatchObject({ code: 'invalid_input' })
      expect((await registry.register('a-value', recordSchema(SYMBOL))).id).toBe(1)
    })
  })
}
