import { expect, test } from 'vitest'
import { TRADES } from '#core'
import { checkBroughtFiles } from '../../../src/storage/catalog/brought-files.js'
import type { CommitContext } from '../../../src/storage/commit.js'
import {
  type DataFile,
  encodeManifest,
  type ForeignFields,
  type ManifestEntry,
} from '../../../src/storage/iceberg/manifest.js'
import { encodeManifestList, type ManifestFile } from '../../../src/storage/iceberg/manifest-list.js'
import { defaultSpec, newTableMetadata, type TableMetadata } from '../../../src/storage/iceberg/metadata.js'
import type { PartitionSpec } from '../../../src/storage/iceberg/partition.js'
import { icebergSchema, type Schema } from '../../../src/storage/iceberg/schema.js'
import { MemoryObjectStore } from '../../../src/storage/objects/memory.js'
import { commitContext } from '../../support/commit-context.js'
import { bareFile } from '../../support/data-file.js'
import { ManualClock } from '../../support/manual-clock.js'
import { foreignAppend, updated } from '../../support/table-metadata.js'

const clock = new ManualClock()
const LOCATION = 'memory:///w/trades'
const DATA = `${LOCATION}/data/theirs.parquet`
const SNAPSHOT = 77n
const SIZE_BYTES = 10

interface Brought {
  readonly file?: Partial<DataFile>
  readonly foreign?: Partial<ForeignFields>
  readonly entry?: Partial<ManifestEntry>
  readonly listed?: Partial<ManifestFile>
  /** Of the manifest; default: that of the table. */
  readonly spec?: PartitionSpec
  /** Of the table and of the manifest: by price, which its writer takes for a text. */
  readonly isByPrice?: boolean
  /** How often the manifest lists the file, and the list the manifest. Default: once. */
  readonly copies?: number
  readonly manifests?: number
}

/** What becomes of a commit that brings one manifest of one file; all that is not said is right. */
async function bring({
  file = {},
  foreign,
  entry = {},
  listed = {},
  spec,
  isByPrice,
  copies = 1,
  manifests = 1,
}: Brought): Promise<void> {
  const objects = new MemoryObjectStore(clock)
  await objects.create(DATA, new Uint8Array(SIZE_BYTES))
  const made = newTrades()
  const base = isByPrice ? { ...made, partitionSpecs: [BY_PRICE] } : made
  const list = `${LOCATION}/metadata/list.avro`
  const whole: ManifestEntry = {
    status: 'added',
    snapshotId: SNAPSHOT,
    sequenceNumber: null,
    fileSequenceNumber: null,
    file: { ...FILE, ...file, ...(foreign && { foreign: { ...PLAIN, ...foreign } }) },
    ...entry,
  }
  const manifest = encodeManifest(
    isByPrice ? PRICE_AS_TEXT : icebergSchema(TRADES),
    spec ?? defaultSpec(base),
    Array.from({ length: copies }, () => whole),
  )
  const paths = Array.from({ length: manifests }, (_, index) => `${LOCATION}/metadata/manifest-${index}.avro`)
  for (const path of paths) await objects.create(path, manifest)
  const owner = { snapshotId: SNAPSHOT, parentSnapshotId: null, sequenceNumber: 1 }
  const files = paths.map((path) => ({ ...LISTED, path, lengthBytes: manifest.length, ...listed }))
  await objects.create(list, encodeManifestList(owner, files))
  await checkBroughtFiles(contextOf(objects), base, appended(base, list))
}

function contextOf(objects: MemoryObjectStore): CommitContext {
  return commitContext(objects, 'memory:///w', { clock })
}

/** The table of trades before anybody has written to it. */
function newTrades(): TableMetadata {
  return newTableMetadata(TRADES, { location: LOCATION, uuid: 'u', nowMs: clock.nowMs(), partitionCount: 1 })
}

function appended(base: TableMetadata, manifestList: string): TableMetadata {
  const next = updated(base, clock.nowMs(), ...foreignAppend(base, SNAPSHOT, clock.nowMs()))
  return { ...next, snapshots: next.snapshots.map((snapshot) => ({ ...snapshot, manifestList })) }
}

const FILE = bareFile(DATA, [19_000], 3, SIZE_BYTES)
const PLAIN: ForeignFields = {
  content: 'data',
  format: 'PARQUET',
  nanValueCounts: new Map(),
  keyMetadata: null,
  equalityIds: null,
  referencedDataFile: null,
}
const LISTED: Omit<ManifestFile, 'path' | 'lengthBytes'> = {
  partitionSpecId: 0,
  content: 'data',
  sequenceNumber: 1,
  minSequenceNumber: 1,
  addedSnapshotId: SNAPSHOT,
  addedFiles: 1,
  existingFiles: 0,
  deletedFiles: 0,
  addedRows: 3,
  existingRows: 0,
  deletedRows: 0,
  partitions: null,
  keyMetadata: null,
}
const UNPARTITIONED: PartitionSpec = { specId: 0, fields: [], extra: {} }

const PRICE_AS_TEXT: Schema = {
  ...icebergSchema(TRADES),
  fields: icebergSchema(TRADES).fields.map((field) =>
    field.name === 'price' ? { ...field, type: 'string' } : field,
  ),
}
const BY_PRICE: PartitionSpec = {
  specId: 0,
  fields: [
    {
      sourceId: PRICE_AS_TEXT.fields.find(({ name }) => name === 'price')!.id,
      fieldId: 1000,
      name: 'price',
      transform: 'identity',
      extra: {},
    },
  ],
  extra: {},
}

const WRONG: readonly (readonly [RegExp, Brought])[] = [
  [/does not exist/, { file: { path: `${LOCATION}/data/none.parquet` } }],
  [/has 10 bytes, and its manifest says 11/, { file: { fileSizeBytes: 11 } }],
  [/not below/, { file: { path: `${LOCATION}-2/data/x.parquet` } }],
  [/not below/, { file: { path: `${LOCATION}/data/../../../x.parquet` } }],
  [/a pattern of paths/, { file: { path: `${LOCATION}/data/*.parquet` } }],
  [/is ORC/, { foreign: { format: 'ORC' } }],
  [
    /is PUFFIN/,
    { foreign: { content: 'position-deletes', format: 'PUFFIN' }, listed: { content: 'deletes' } },
  ],
  [/is encrypted/, { foreign: { keyMetadata: new Uint8Array([1]) } }],
  [/is of position-deletes, in a manifest of data/, { foreign: { content: 'position-deletes' } }],
  [/is of data, in a manifest of deletes/, { listed: { content: 'deletes' } }],
  [
    /has sequence number 9000, and its snapshot 77 has 1/,
    {
      foreign: { content: 'equality-deletes', equalityIds: [1] },
      listed: { content: 'deletes', sequenceNumber: 9_000 },
    },
  ],
  [/has sequence number 2/, { entry: { sequenceNumber: 2, fileSequenceNumber: 1 } }],
  [/has 1 live files, and the manifest list says that it has none/, { listed: { addedFiles: 0 } }],
  [/spec 5, which the table does not have/, { listed: { partitionSpecId: 5 } }],
  [/theirs\.parquet is brought twice/, { copies: 2 }],
  [/theirs\.parquet is brought twice/, { manifests: 2 }],
  [/not partitioned as partition spec 0/, { spec: UNPARTITIONED, file: { partition: [] } }],
  [
    /has partition values that its spec does not have, or that ticklake cannot write/,
    { isByPrice: true, file: { partition: ['1.5'] } },
  ],
]

test('files that are right are taken', async () => {
  await bring({})
  await bring({ foreign: { content: 'position-deletes' }, listed: { content: 'deletes' } })
})

test.for(WRONG)(
  'files of another engine that would break queries or ingest are refused: %s',
  async ([why, brought]) => {
    await expect(bring(brought)).rejects.toThrow(
      expect.objectContaining({ code: 'invalid_input', message: expect.stringMatching(why) }),
    )
  },
)

test('a partition spec stays while a manifest is of it', async () => {
  const objects = new MemoryObjectStore(clock)
  const list = `${LOCATION}/metadata/list.avro`
  await objects.create(
    list,
    encodeManifestList({ snapshotId: SNAPSHOT, parentSnapshotId: null, sequenceNumber: 1 }, [
      { ...LISTED, path: `${LOCATION}/metadata/m.avro`, lengthBytes: 1 },
    ]),
  )
  const base = appended(newTrades(), list)
  const unpartitioned = updated(
    base,
    clock.nowMs(),
    { action: 'add-spec', spec: { fields: [] } },
    { action: 'set-default-spec', 'spec-id': -1 },
  )
  const without = (id: number) =>
    checkBroughtFiles(
      contextOf(objects),
      unpartitioned,
      updated(unpartitioned, clock.nowMs(), { action: 'remove-partition-specs', 'spec-ids': [id] }),
    )
  await expect(without(0)).rejects.toThrow(/m\.avro of snapshot 77 is of partition spec 0/)
  await expect(without(9)).resolves.toBeUndefined()
})
