import { existsSync, statSync } from 'node:fs'
import { formatVector, type OffsetVector, parseVector, sameVector, TRADES } from '#core'
import { type DataFile, type FileColumn, fileColumns, localPath, parquetRelation } from '#storage'
import { FileCatalog } from '../../src/storage/catalog/file-catalog.js'
import { currentSchema, currentSnapshot } from '../../src/storage/iceberg/metadata.js'
import { OFFSETS_KEY } from '../../src/storage/iceberg/snapshot.js'
import { readLedger } from '../../src/storage/ledger-file.js'
import { Manifests } from '../../src/storage/manifests.js'
import { currentOffsets } from '../../src/storage/position.js'
import { FileIndex } from '../../src/storage/prune.js'
import { difference, type Querying } from './answers.js'
import { ROW_TEXT_SQL } from './model.js'
import type { World } from './world.js'

/** What is wrong at the end of a run, by what is on the disk alone; null when all is well. `end` is the log's. */
export async function verdict(world: World, end: OffsetVector): Promise<string | null> {
  const { model, sources, disk, warehouse, engine } = world
  const ofLog = model.problem(sources)
  if (ofLog !== null) return ofLog
  const { metadata } = await new FileCatalog(disk.objects, warehouse).load(TRADES.name)
  const committed = currentOffsets(metadata)
  if (!sameVector(committed, end)) {
    return `the table has committed ${formatVector(committed)}, the log ends at ${formatVector(end)}`
  }
  const index = new FileIndex(new Manifests(disk.objects))
  // Every file that any snapshot reaches; finding them reads the lists and manifests.
  const reached = new Map<string, DataFile>()
  const pathsOf = new Map<bigint, readonly string[]>()
  for (const { snapshotId } of metadata.snapshots) {
    const { files } = await index.selectFiles(metadata, snapshotId, [])
    pathsOf.set(
      snapshotId,
      files.map(({ path }) => path),
    )
    for (const file of files) {
      const problem = ofFile(world, file)
      if (problem !== null) return `snapshot ${snapshotId} refers to ${file.path}, ${problem}`
      reached.set(file.path, file)
    }
  }
  const rows = await rowsByFile(engine, [...reached.values()], fileColumns(TRADES, currentSchema(metadata)))
  for (const { snapshotId, summary } of metadata.snapshots) {
    const offsets = parseVector(summary[OFFSETS_KEY] ?? '')
    // A file that is there twice has its rows twice.
    const found = (pathsOf.get(snapshotId) ?? []).flatMap((path) => rows.get(localPath(path)) ?? [])
    const problem = difference(found.sort(), [...model.rows(offsets)].sort())
    if (problem !== null) return `snapshot ${snapshotId} at ${formatVector(offsets)}: ${problem}`
  }
  const ledger = await readLedger(disk.objects, currentSnapshot(metadata)?.summary ?? {})
  const counted = ledger.instruments.map(
    ({ partition, symbol, accepted, duplicates }) => `${partition} ${symbol}: ${accepted} ${duplicates}`,
  )
  const expected = [...model.counts()].map(([name, counts]) => `${name}: ${counts}`)
  const ofLedger = difference(counted.sort(), expected.sort())
  return ofLedger === null ? null : `the ledger: ${ofLedger}`
}

function ofFile({ disk }: World, { path, fileSizeBytes }: DataFile): string | null {
  const local = localPath(path)
  if (!existsSync(local)) return 'which does not exist'
  return statSync(local).size === fileSizeBytes && disk.sealedSize(path) === fileSizeBytes
    ? null
    : `which has not the ${fileSizeBytes} bytes that it says`
}

/** By local path; in one query, since that is what costs. */
async function rowsByFile(
  engine: Querying,
  files: readonly DataFile[],
  columns: readonly FileColumn[],
): Promise<ReadonlyMap<string, readonly string[]>> {
  const rows = new Map<string, string[]>()
  if (files.length === 0) return rows
  const answer = await engine.query(
    `SELECT filename, ${ROW_TEXT_SQL} FROM ${parquetRelation(files, columns)}`,
  )
  const [names = [], texts = []] = answer.columns
  for (const [index, name] of names.entries()) {
    const list = rows.get(String(name)) ?? []
    rows.set(String(name), list)
    list.push(String(texts[index]))
  }
  return rows
}
