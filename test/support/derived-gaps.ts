import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { SEQUENCE_GAPS } from '#core'
import { Engine } from '#engine'
import { fileColumns, parquetRelation } from '#storage'
import { FileCatalog } from '../../src/storage/catalog/file-catalog.js'
import { currentSchema } from '../../src/storage/iceberg/metadata.js'
import { Manifests } from '../../src/storage/manifests.js'
import { LocalObjectStore, localLocation } from '../../src/storage/objects/local.js'
import { FileIndex } from '../../src/storage/prune.js'

export interface DerivedGaps {
  /** Numbers of gaps that have begun and not ended. */
  readonly missing: number
  /** Gaps that have ended. */
  readonly ended: number
}

/** What `sequence_gaps` says in a data folder that nobody owns now. */
export async function derivedGaps(data: string): Promise<DerivedGaps> {
  const objects = new LocalObjectStore()
  const catalog = new FileCatalog(objects, localLocation(join(data, 'warehouse', 'market_data')))
  const { metadata } = await catalog.load(SEQUENCE_GAPS.name)
  const { files } = await new FileIndex(new Manifests(objects)).selectFiles(
    metadata,
    metadata.currentSnapshotId,
    [],
  )
  if (files.length === 0) return { missing: 0, ended: 0 }
  const tempDirectory = await mkdtemp(join(tmpdir(), 'ticklake-derived-'))
  const engine = await Engine.open({
    ...{ memoryLimit: '500MB', threads: 1, connections: 1, tempDirectory },
  })
  try {
    const rows = parquetRelation(files, fileColumns(SEQUENCE_GAPS, currentSchema(metadata)))
    const gaps = `SELECT * EXCLUDE filled_at, max(filled_at) AS ended_at FROM ${rows} GROUP BY ALL`
    const { columns } = await engine.query(
      `SELECT coalesce(sum(to_sequence - from_sequence + 1) FILTER (ended_at IS NULL), 0)::BIGINT,
         count(ended_at) FROM (${gaps})`,
    )
    const [missing, ended] = columns.map(([value]) => Number(value))
    return { missing: missing ?? 0, ended: ended ?? 0 }
  } finally {
    await engine.close()
    await rm(tempDirectory, { recursive: true })
  }
}
