import type { DataFile } from '#storage'
import type { CommitContext, TableChange } from '../../src/storage/commit.js'
import type { JsonObject } from '../../src/storage/iceberg/json.js'
import type { ForeignFields } from '../../src/storage/iceberg/manifest.js'
import {
  addSnapshot,
  currentSnapshot,
  MAIN,
  specById,
  type TableMetadata,
} from '../../src/storage/iceberg/metadata.js'
import { snapshotJson } from '../../src/storage/iceberg/snapshot.js'
import {
  liveManifests,
  newSnapshotId,
  writeManifest,
  writeManifestList,
} from '../../src/storage/manifest-writer.js'

/** Files of one partition spec. */
export interface ForeignFiles {
  readonly specId: number
  readonly files: readonly DataFile[]
}

/** What a commit of another engine adds at once. The files are written. */
export interface ForeignAddition {
  readonly data: readonly ForeignFiles[]
  readonly deletes: readonly ForeignFiles[]
  readonly snapshotId: bigint
}

/** A commit of another engine that goes by the catalog of the files. */
export class ForeignCommit implements TableChange {
  readonly #context: CommitContext
  readonly #addition: ForeignAddition
  #isDone = false

  constructor(context: CommitContext, data: readonly ForeignFiles[], deletes: readonly ForeignFiles[]) {
    this.#context = context
    // Ids of other engines have 63 bits.
    this.#addition = { data, deletes, snapshotId: 2n ** 62n + BigInt(context.random.id()) }
  }

  id(): string {
    return nameOf(this.#addition)
  }

  isApplied(): boolean {
    return this.#isDone
  }

  async apply(base: TableMetadata, attempt: number): Promise<TableMetadata> {
    const snapshotId = newSnapshotId(base, this.#addition.snapshotId)
    const next = await added(this.#context, base, { ...this.#addition, snapshotId }, attempt)
    this.#isDone = true
    return next
  }
}

/** What another engine asks a REST catalog for, to add this to what is current in `base`: its manifests are written. */
export async function additionRequest(
  context: CommitContext,
  base: TableMetadata,
  addition: ForeignAddition,
): Promise<JsonObject> {
  const next = await added(context, base, addition, 0)
  const { summary, ...snapshot } = snapshotJson(currentSnapshot(next)!)
  const theirs = Object.entries(Object(summary)).filter(([key]) => !key.startsWith('ticklake.'))
  return {
    requirements: [
      { type: 'assert-table-uuid', uuid: base.tableUuid },
      { type: 'assert-ref-snapshot-id', ref: MAIN, 'snapshot-id': base.currentSnapshotId },
    ],
    updates: [
      // Strings by string keys, as they were in the summary.
      {
        action: 'add-snapshot',
        snapshot: { ...snapshot, summary: Object.fromEntries(theirs) as JsonObject },
      },
      {
        action: 'set-snapshot-ref',
        'ref-name': MAIN,
        type: 'branch',
        'snapshot-id': addition.snapshotId,
      },
    ],
  }
}

const nameOf = ({ snapshotId }: ForeignAddition) => `foreign-${snapshotId}`

async function added(
  context: CommitContext,
  base: TableMetadata,
  addition: ForeignAddition,
  attempt: number,
): Promise<TableMetadata> {
  const { data, deletes, snapshotId } = addition
  const manifests = await Promise.all([
    ...data.map((files) => manifestOf(context, base, addition, 'data', files)),
    ...deletes.map((files) => manifestOf(context, base, addition, 'deletes', files)),
  ])
  const kept = await liveManifests(context, base)
  return addSnapshot(base, {
    operation: deletes.length === 0 ? 'append' : 'overwrite',
    snapshotId,
    nowMs: context.clock.nowMs(),
    manifestList: await writeManifestList(context, base, snapshotId, [...manifests, ...kept], attempt),
    added: data.flatMap(({ files }) => files),
    removed: [],
    summary: deletes.length === 0 ? {} : totals(base, addition),
    properties: {},
  })
}

function manifestOf(
  context: CommitContext,
  base: TableMetadata,
  addition: ForeignAddition,
  content: 'data' | 'deletes',
  { specId, files }: ForeignFiles,
) {
  const { snapshotId } = addition
  return writeManifest(context, base, {
    spec: specById(base, specId),
    content,
    entries: files.map((file) => ({
      status: 'added',
      snapshotId,
      sequenceNumber: null,
      fileSequenceNumber: null,
      file,
    })),
    snapshotId,
    name: `${nameOf(addition)}-${content}-${specId}`,
  })
}

/** What our own summaries, which add no deletes, do not count. */
function totals(base: TableMetadata, { data, deletes }: ForeignAddition): Record<string, string> {
  const before = currentSnapshot(base)?.summary ?? {}
  const files = deletes.flatMap((one) => one.files)
  const total = (key: string, more: number) => ({ [key]: String(Number(before[key] ?? 0) + more) })
  const rows = (content: ForeignFields['content']) =>
    files
      .filter(({ foreign }) => foreign?.content === content)
      .reduce((sum, { recordCount }) => sum + recordCount, 0)
  const bytes = [...files, ...data.flatMap((one) => one.files)].reduce(
    (sum, { fileSizeBytes }) => sum + fileSizeBytes,
    0,
  )
  return {
    ...total('total-delete-files', files.length),
    ...total('total-position-deletes', rows('position-deletes')),
    ...total('total-equality-deletes', rows('equality-deletes')),
    ...total('total-files-size', bytes),
  }
}
