import { promisify } from 'node:util'
import { gunzip, gzip } from 'node:zlib'
import { EMPTY_LEDGER, type InstrumentState, type Ledger, type SequenceGap, TicklakeError } from '#core'
import type { ObjectStore } from './objects/object-store.js'

/** Summary key: location of the ledger as of the snapshot. Snapshots that do not read the log carry it forward. */
export const LEDGER_KEY = 'ticklake.ledger'

const VERSION = 1
const compress = promisify(gzip)
const decompress = promisify(gunzip)

/** Sequence numbers as text: other readers of JSON keep 53 bits. */
type Stored<T> = T extends bigint
  ? string
  : T extends readonly (infer E)[]
    ? readonly Stored<E>[]
    : T extends object
      ? { readonly [K in keyof T]: Stored<T[K]> }
      : T

/** Writes a ledger durably: gzipped JSON, beside the manifests. */
export async function writeLedger(objects: ObjectStore, location: string, ledger: Ledger): Promise<void> {
  const text = JSON.stringify({ version: VERSION, ...ledger }, (_, value: unknown) =>
    typeof value === 'bigint' ? String(value) : value,
  )
  await objects.create(location, await compress(text, { level: 1 }))
}

/** The ledger that a snapshot's summary names; an empty one when it names none. `corrupt` when it is damaged. */
export async function readLedger(
  objects: ObjectStore,
  summary: Readonly<Record<string, string>>,
): Promise<Ledger> {
  const location = summary[LEDGER_KEY]
  if (location === undefined) return EMPTY_LEDGER
  const bytes = await objects.read(location)
  try {
    const text = (await decompress(bytes)).toString('utf8')
    // Written by `writeLedger` alone; gzip's checksum has told that it is whole.
    const stored = JSON.parse(text) as Stored<Ledger> & { readonly version: number }
    if (stored.version !== VERSION) throw new Error(`its version is ${stored.version}`)
    return {
      lastRecords: stored.lastRecords,
      instruments: stored.instruments.map(instrument),
      feeds: stored.feeds,
      filledGaps: stored.filledGaps.map((filled) => ({ ...filled, ...gap(filled) })),
    }
  } catch (cause) {
    throw new TicklakeError('corrupt', `the ledger ${location} cannot be read: ${String(cause)}`, { cause })
  }
}

function instrument(stored: Stored<InstrumentState>): InstrumentState {
  const runs = stored.runs.map(({ first, last, gaps, ...times }) => ({
    ...times,
    first: BigInt(first),
    last: BigInt(last),
    gaps: gaps.map(gap),
  }))
  return { ...stored, runs }
}

function gap({ from, to, ...rest }: Stored<SequenceGap>): SequenceGap {
  return { ...rest, from: BigInt(from), to: BigInt(to) }
}
