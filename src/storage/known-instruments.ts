import { MAX_INSTRUMENTS } from '#core'
import { hasOwnRowsOnly } from './iceberg/own-rows.js'
import { type Snapshot, totalRecords } from './iceberg/snapshot.js'
import type { TableLedger } from './ledger.js'
import type { PinnedVersion, TailSlice } from './table.js'

/**
 * What a ledger tells of the instruments of a snapshot, and of the tail on top of it: all of them, unless some rows did
 * not come through the log, or are of more instruments than are followed.
 */
export function instrumentsAt(
  { instruments, acceptedRows }: Pick<TableLedger, 'instruments' | 'acceptedRows'>,
  snapshot: Snapshot | null,
  tail: readonly TailSlice[],
): Pick<PinnedVersion, 'instruments' | 'areInstrumentsKnown'> {
  const rowCount = tail.reduce((sum, slice) => sum + slice.rowCount, totalRecords(snapshot))
  return {
    instruments,
    areInstrumentsKnown:
      hasOwnRowsOnly(snapshot) && instruments.size < MAX_INSTRUMENTS && acceptedRows >= rowCount,
  }
}
