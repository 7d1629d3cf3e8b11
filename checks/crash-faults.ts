// Beside kills: a disk that is full, a damaged batch of the log, a clock that goes back. After each, the table has to be
// that of an undisturbed load, row for row.
//
//     npm run check:faults
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import {
  clockSteppedBack,
  damagedBatch,
  type FaultOptions,
  fullDisk,
  withSmallDisk,
} from '../test/support/lake-faults.js'
import { lacking } from '../test/support/lake-rows.js'
import { AS_BUILT } from '../test/support/ticklake-process.js'
import { writeTradesFile } from '../test/support/trades-file.js'
import { withTemporaryFolder } from './temporary-folder.js'

/** Where Debian's package libfaketime puts it; FAKETIME_LIBRARY names another place. */
const FAKETIME = process.env.FAKETIME_LIBRARY ?? '/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1'
const DISK_BYTES = 64 << 20
const ROOMS = [1, 4, 5, 7, 8].map((megabytes) => megabytes << 20)

await withTemporaryFolder(async (folder) => {
  const file = join(folder, 'made.csv')
  await writeTradesFile(file, { seed: 20_140_508, rowCount: 50_000, symbolCount: 50 })
  const program = { program: AS_BUILT, settings: { TICKLAKE_FLUSH_ROWS: '5000' }, file }
  const whole = await damagedBatch({ ...program, data: join(folder, 'damaged') })
  const { partition, offset, said } = whole
  const isNamed = said.includes(`partition ${partition}, offset ${offset} is damaged`)
  tell(`damaged batch: the server ends, "${said}"`, isNamed)
  const { rows } = whole
  tell(`damaged batch, made whole again: ${rows.length} rows of 50000`, rows.length === 50_000)
  const isSame = (found: readonly string[]) => lacking(found, rows) === 0 && lacking(rows, found) === 0
  await tellClock({ ...program, data: join(folder, 'clock') }, isSame)
  for (const room of ROOMS)
    await tellFullDisk({ ...program, data: join(folder, `disk-${room}`) }, room, isSame)
})

function tell(line: string, isRight: boolean): void {
  console.log(`${isRight ? 'right' : 'WRONG'}: ${line}`)
  if (!isRight) process.exitCode = 1
}

async function tellClock(options: FaultOptions, isSame: (rows: readonly string[]) => boolean): Promise<void> {
  if (!existsSync(FAKETIME)) {
    console.log(`not tried: a clock that goes back, since ${FAKETIME} is absent (package libfaketime)`)
    return
  }
  const earlier = { LD_PRELOAD: FAKETIME, FAKETIME: '-2d', FAKETIME_DONT_FAKE_MONOTONIC: '1' }
  const { snapshotMs, rows } = await clockSteppedBack(options, earlier)
  const backwards = snapshotMs.filter((ms, index) => index > 0 && ms <= snapshotMs[index - 1]!).length
  tell(
    `clock set back by two days: ${snapshotMs.length} snapshots, ${backwards} of them no later than the one before; ` +
      `rows ${isSame(rows) ? 'the same' : 'DIFFERENT'}`,
    backwards === 0 && isSame(rows),
  )
}

async function tellFullDisk(
  options: FaultOptions,
  room: number,
  isSame: (rows: readonly string[]) => boolean,
): Promise<void> {
  const { said, rows } = await withSmallDisk(options.data, DISK_BYTES, () => fullDisk(options, room))
  const isClear = /no space|ENOSPC| room: /i.test(said)
  tell(
    `disk with ${room >> 20} MiB of room: ${said}; rows ${isSame(rows) ? 'the same' : 'DIFFERENT'}`,
    isClear && isSame(rows),
  )
}
