import avro from 'avsc'
import { describe, expect, test } from 'vitest'
import { TRADES } from '#core'
import { encodeAvroFile } from '../../../src/storage/iceberg/avro.js'
import { NO_FIELDS } from '../../../src/storage/iceberg/json.js'
import {
  type DataFile,
  decodeManifest,
  encodeManifest,
  type ManifestEntry,
} from '../../../src/storage/iceberg/manifest.js'
import {
  decodeManifestList,
  encodeManifestList,
  summarisePartitions,
} from '../../../src/storage/iceberg/manifest-list.js'
import { dayPartitionSpec } from '../../../src/storage/iceberg/partition.js'
import { icebergSchema } from '../../../src/storage/iceberg/schema.js'
import { tradesFile } from '../../support/data-file.js'

const schema = icebergSchema(TRADES)
const spec = dayPartitionSpec(TRADES)
const foreignId = 2n ** 63n - 25n
const file: DataFile = tradesFile('file:///w/trades/data/a.parquet', [
  { symbol: 'BHP', micros: 1_394_432_234_754_000n },
  { symbol: 'CBA', micros: 1_394_432_234_754_001n },
  { symbol: null, micros: 1_394_432_234_754_002n },
])
const entries: readonly ManifestEntry[] = [
  { status: 'added', snapshotId: 7n, sequenceNumber: null, fileSequenceNumber: null, file },
  { status: 'existing', snapshotId: foreignId, sequenceNumber: 3, fileSequenceNumber: 4, file },
  {
    status: 'deleted',
    snapshotId: 8n,
    sequenceNumber: 1,
    fileSequenceNumber: 1,
    file: { ...file, partition: [null], splitOffsets: [], sortOrderId: null },
  },
]

/** The header of an Avro file, read by avsc's own file reader rather than ours. */
function headerOf(bytes: Uint8Array): Promise<Record<string, string>> {
  return new Promise((resolve, reject) => {
    const decoder = new avro.streams.BlockDecoder()
    decoder.on('metadata', (_type: unknown, _codec: unknown, header: { meta: Record<string, Buffer> }) =>
      resolve(Object.fromEntries(Object.entries(header.meta).map(([key, value]) => [key, value.toString()]))),
    )
    decoder.on('error', reject)
    decoder.end(Buffer.from(bytes))
  })
}

function fieldIds(schemaText: string): number[] {
  return [...schemaText.matchAll(/"(?:field|element)-id":(\d+)/g)].map((match) => Number(match[1]))
}

describe('a manifest', () => {
  test('comes back as it was written', () => {
    const read = decodeManifest(encodeManifest(schema, spec, entries), 'a.avro')
    expect(read.entries).toEqual(entries)
    expect(read.spec).toEqual(spec)
    expect(read.content).toBe('data')
  })

  test('has the header and the field ids of the specification, in its order', async () => {
    const header = await headerOf(encodeManifest(schema, spec, entries))
    expect(header).toMatchObject({
      'avro.codec': 'deflate',
      'schema-id': '0',
      'partition-spec-id': '0',
      'partition-spec': '[{"source-id":3,"field-id":1000,"name":"exchange_timestamp_day","transform":"day"}]',
      'format-version': '2',
      content: 'data',
    })
    expect(JSON.parse(header.schema!).fields[0]).toEqual({
      id: 1,
      name: 'symbol',
      required: false,
      type: 'string',
      doc: TRADES.columns[0]!.doc,
    })
    expect(fieldIds(header['avro.schema']!)).toEqual([
      0, 1, 3, 4, 134, 100, 101, 1000, 102, 103, 104, 117, 118, 108, 119, 120, 109, 121, 122, 110, 138, 139,
      137, 126, 127, 125, 129, 130, 128, 131, 133, 132, 136, 135, 140, 143, 2,
    ])
    expect(header['avro.schema']).toContain('{"type":"int","logicalType":"date"}')
  })

  test('of another writer is read by field id: other names, another order, fewer fields', () => {
    const foreign = encodeAvroFile(
      {
        type: 'record',
        name: 'manifest_entry',
        fields: [
          {
            name: 'file',
            'field-id': 2,
            type: {
              type: 'record',
              name: 'r2',
              fields: [
                { name: 'rows', type: 'long', 'field-id': 103 },
                { name: 'format', type: 'string', 'field-id': 101 },
                { name: 'location', type: 'string', 'field-id': 100 },
                {
                  name: 'tuple',
                  'field-id': 102,
                  type: {
                    type: 'record',
                    name: 'r102',
                    fields: [{ name: 'd', type: ['null', 'int'], default: null, 'field-id': 1000 }],
                  },
                },
                { name: 'bytes', type: 'long', 'field-id': 104 },
              ],
            },
          },
          { name: 'snap', type: ['null', 'long'], 'field-id': 1 },
          { name: 'state', type: 'int', 'field-id': 0 },
        ],
      },
      { 'partition-spec': '[{"source-id":3,"field-id":1000,"name":"ts_day","transform":"day"}]' },
      [
        {
          file: { rows: 5n, format: 'parquet', location: 's3://x', tuple: { d: 9 }, bytes: 6n },
          snap: foreignId,
          state: 1,
        },
      ],
    )
    const [entry] = decodeManifest(foreign, 'foreign.avro').entries
    expect(entry).toMatchObject({ status: 'added', snapshotId: foreignId, sequenceNumber: null })
    expect(entry!.file).toMatchObject({ path: 's3://x', partition: [9], recordCount: 5, fileSizeBytes: 6 })
    expect(entry!.file.lowerBounds.size).toBe(0)
  })

  test('that is damaged, or cannot be read, is named with the reason', () => {
    const bytes = encodeManifest(schema, spec, entries)
    expect(() => decodeManifest(bytes.subarray(0, bytes.length - 5), 'cut.avro')).toThrow(
      /cut\.avro: its block/,
    )
    expect(() => decodeManifest(Buffer.from('PAR1'), 'p.avro')).toThrow(/p\.avro/)
    const text = Buffer.from(bytes).toString('latin1').replace('deflate', 'snappy!')
    expect(() => decodeManifest(Buffer.from(text, 'latin1'), 's.avro')).toThrow(
      /"snappy!" is not a codec that/,
    )
  })
})

describe('a manifest list', () => {
  const manifest = {
    path: 'file:///w/trades/metadata/m0.avro',
    lengthBytes: 4321,
    partitionSpecId: 0,
    content: 'data' as const,
    sequenceNumber: 9,
    minSequenceNumber: 3,
    addedSnapshotId: foreignId,
    addedFiles: 1,
    existingFiles: 2,
    deletedFiles: 3,
    addedRows: 10,
    existingRows: 20,
    deletedRows: 30,
    partitions: summarisePartitions(schema, spec, [
      file,
      { ...file, partition: [-1] },
      { ...file, partition: [null] },
    ]),
    keyMetadata: null,
  }

  test('comes back as it was written', () => {
    const owner = { snapshotId: 5n, parentSnapshotId: null, sequenceNumber: 9 }
    const unknown = {
      ...manifest,
      content: 'deletes' as const,
      partitions: null,
      keyMetadata: Uint8Array.of(1),
    }
    expect(decodeManifestList(encodeManifestList(owner, [manifest, unknown]), 'l.avro')).toEqual([
      manifest,
      unknown,
    ])
    expect(decodeManifestList(encodeManifestList(owner, []), 'l.avro')).toEqual([])
  })

  test('summarises the days of the files', () => {
    const [summary] = manifest.partitions
    expect(summary).toMatchObject({ containsNull: true, containsNan: false })
    expect(Buffer.from(summary!.lowerBound!).toString('hex')).toBe('ffffffff')
    expect(Buffer.from(summary!.upperBound!).readInt32LE()).toBe(16_139)
  })

  test('has the header and the field ids of the specification, in its order', async () => {
    const owner = { snapshotId: foreignId, parentSnapshotId: null, sequenceNumber: 9 }
    const header = await headerOf(encodeManifestList(owner, [manifest]))
    expect(header).toMatchObject({
      'snapshot-id': '9223372036854775783',
      'parent-snapshot-id': 'null',
      'sequence-number': '9',
      'format-version': '2',
    })
    expect(fieldIds(header['avro.schema']!)).toEqual([
      500, 501, 502, 517, 515, 516, 503, 504, 505, 506, 512, 513, 514, 509, 518, 510, 511, 508, 507, 519,
    ])
  })

  test('of an older writer is read by field id', () => {
    const older = ['manifest_path', 'manifest_length', 'partition_spec_id', 'added_snapshot_id'] as const
    const counts = ['added_data_files_count', 'existing_data_files_count', 'deleted_data_files_count']
    const rows = ['added_rows_count', 'existing_rows_count', 'deleted_rows_count']
    const bytes = encodeAvroFile(
      {
        type: 'record',
        name: 'manifest_file',
        fields: [
          { name: older[0], type: 'string', 'field-id': 500 },
          { name: older[1], type: 'long', 'field-id': 501 },
          { name: older[2], type: 'int', 'field-id': 502 },
          { name: older[3], type: ['null', 'long'], 'field-id': 503 },
          ...counts.map((name, i) => ({ name, type: ['null', 'int'], 'field-id': 504 + i })),
          ...rows.map((name, i) => ({ name, type: ['null', 'long'], 'field-id': 512 + i })),
        ],
      },
      {},
      [
        {
          ...{ manifest_path: 'x', manifest_length: 1n, partition_spec_id: 0, added_snapshot_id: foreignId },
          ...Object.fromEntries(counts.map((name, i) => [name, i + 1])),
          ...Object.fromEntries(rows.map((name, i) => [name, BigInt(i + 4)])),
        },
      ],
    )
    expect(decodeManifestList(bytes, 'old.avro')).toMatchObject([
      {
        addedFiles: 1,
        deletedFiles: 3,
        addedRows: 4,
        deletedRows: 6,
        sequenceNumber: 0,
        content: 'data',
        partitions: null,
      },
    ])
  })
})

test('names with other characters become Avro names', () => {
  const odd = { ...spec, fields: [{ ...spec.fields[0]!, name: '1 tag', extra: NO_FIELDS }] }
  const bytes = encodeManifest(schema, odd, entries)
  expect(decodeManifest(bytes, 'odd.avro').entries[0]!.file.partition).toEqual(file.partition)
})
