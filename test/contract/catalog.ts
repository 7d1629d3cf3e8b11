import { describe, expect, test } from 'vitest'
import { TRADES } from '#core'
import type { Catalog } from '../../src/storage/catalog/catalog.js'
import { addSnapshot, newTableMetadata, type TableMetadata } from '../../src/storage/iceberg/metadata.js'

export interface OpenCatalog {
  /** Two clients of one warehouse, as of two processes. */
  readonly one: Catalog
  readonly other: Catalog
  readonly tableLocation: string
}

export const CATALOG_TEST_MS = 1_700_000_000_000

export function firstMetadata(location: string): TableMetadata {
  return newTableMetadata(TRADES, { location, uuid: 'u-1', nowMs: CATALOG_TEST_MS, partitionCount: 1 })
}

export function withSnapshot(metadata: TableMetadata, snapshotId: bigint): TableMetadata {
  const manifestList = `${metadata.location}/metadata/snap-${snapshotId}.avro`
  const nowMs = CATALOG_TEST_MS
  return addSnapshot(metadata, {
    snapshotId,
    nowMs,
    manifestList,
    operation: 'append',
    added: [],
    removed: [],
    summary: {},
    properties: {},
  })
}

/** What every Catalog owes its callers. */
export function catalogContract(name: string, open: () => Promise<OpenCatalog>): void {
  describe(`${name} keeps the catalog contract`, () => {
    test('a table that is created can be loaded by another', async () => {
      const { one, other, tableLocation } = await open()
      const metadata = firstMetadata(tableLocation)
      const created = await one.create('trades', metadata)
      expect(await other.load('trades')).toMatchObject({
        metadata,
        metadataLocation: created.metadataLocation,
      })
    })

    test('a table is created once', async () => {
      const { one, other, tableLocation } = await open()
      await one.create('trades', firstMetadata(tableLocation))
      await expect(other.create('trades', firstMetadata(tableLocation))).rejects.toMatchObject({
        code: 'conflict',
      })
    })

    test('a table that is not there is not found', async () => {
      const { one } = await open()
      await expect(one.load('trades')).rejects.toMatchObject({ code: 'not_found' })
      await expect(one.load('../trades')).rejects.toMatchObject({ code: 'not_found' })
    })

    test('a commit replaces the metadata and logs the file before it', async () => {
      const { one, other, tableLocation } = await open()
      const base = await one.create('trades', firstMetadata(tableLocation))
      const committed = await one.commit('trades', base, withSnapshot(base.metadata, 5n))
      expect(committed.metadata.currentSnapshotId).toBe(5n)
      const loaded = await other.load('trades')
      expect(loaded.metadata).toEqual(committed.metadata)
      expect(loaded.metadata.metadataLog.map((entry) => entry.metadataFile)).toEqual([base.metadataLocation])
    })

    test('a commit on a base that is not current changes nothing', async () => {
      const { one, other, tableLocation } = await open()
      const base = await one.create('trades', firstMetadata(tableLocation))
      const stale = await other.load('trades')
      const winner = await one.commit('trades', base, withSnapshot(base.metadata, 5n))
      const late = withSnapshot(stale.metadata, 6n)
      await expect(other.commit('trades', stale, late)).rejects.toMatchObject({ code: 'conflict' })
      await expect(one.commit('trades', base, late)).rejects.toMatchObject({ code: 'conflict' })
      expect((await other.load('trades')).metadata).toEqual(winner.metadata)
    })

    test('of two that commit on one base at a time, one wins', async () => {
      const { one, other, tableLocation } = await open()
      await one.create('trades', firstMetadata(tableLocation))
      for (let round = 0n; round < 20n; round++) {
        const base = await one.load('trades')
        const outcomes = await Promise.allSettled(
          [one, other].map((catalog, i) =>
            catalog.commit('trades', base, withSnapshot(base.metadata, 10n * round + BigInt(i) + 1n)),
          ),
        )
        const won = outcomes.flatMap((outcome) => (outcome.status === 'fulfilled' ? [outcome.value] : []))
        expect(won).toHaveLength(1)
        expect((await one.load('trades')).metadata).toEqual(won[0]!.metadata)
      }
    })
  })
}
