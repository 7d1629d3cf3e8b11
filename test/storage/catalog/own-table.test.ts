import { expect, test } from 'vitest'
import { createLogger, TRADES } from '#core'
import { parseTableCommit } from '#storage'
import { Append } from '../../../src/storage/append.js'
import { FileCatalog } from '../../../src/storage/catalog/file-catalog.js'
import { OwnTable } from '../../../src/storage/catalog/own-table.js'
import type { CommitContext } from '../../../src/storage/commit.js'
import { newTableMetadata } from '../../../src/storage/iceberg/metadata.js'
import { Manifests } from '../../../src/storage/manifests.js'
import { MemoryObjectStore } from '../../../src/storage/objects/memory.js'
import { TableHead } from '../../../src/storage/table-head.js'
import { ManualClock } from '../../support/manual-clock.js'
import { SeededRandom } from '../../support/seeded-random.js'

test('a snapshot that is being read is not removed by others until it has been let go [inv 4]', async () => {
  const clock = new ManualClock()
  const objects = new MemoryObjectStore(clock)
  const context: CommitContext = {
    objects,
    manifests: new Manifests(objects),
    catalog: new FileCatalog(objects, 'memory:///w'),
    clock,
    random: new SeededRandom(1),
    fence: 1,
    logger: createLogger({ level: 'silent', format: 'json' }),
  }
  const location = 'memory:///w/trades'
  const first = newTableMetadata(TRADES, { location, uuid: 'u', nowMs: clock.nowMs(), partitionCount: 1 })
  await context.catalog.create('trades', first)
  const head = await TableHead.open('trades', context)
  for (const from of [0, 1]) {
    await head.commit(new Append(context, { files: [], from: [from], to: [from + 1], summary: {} }))
  }
  const { snapshotId } = head.metadata.snapshots[0]!
  const table = new OwnTable(head, TRADES)
  const removal = parseTableCommit(
    { requirements: [], updates: [{ action: 'remove-snapshots', 'snapshot-ids': [snapshotId] }] },
    'body',
  )
  const release = head.hold(snapshotId)
  await expect(table.commit(removal)).rejects.toMatchObject({
    code: 'conflict',
    message: expect.stringContaining(`snapshot ${snapshotId} of trades is being read`),
  })
  release()
  await table.commit(removal)
  expect(head.metadata.snapshots).toHaveLength(1)
})
