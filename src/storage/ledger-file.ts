import { promisify } from 'node:util'
import { gunzip, gzip } from 'node:zlib'
import {
  EMPTY_LEDGER,
  type FilledGap,
  type InstrumentState,
  type Ledger,
  type SequenceGap,
  TicklakeError,
} from '#core'
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

/** What is written as one text; all of it might be more than a string can hold. */
const LINES_A_CHUNK = 2_000
const LINE_BREAK = 10

/** A line of the file: first the head, then one of the others. */
interface Head extends Stored<Pick<Ledger, 'lastRecords' | 'feeds'>> {
  readonly version: number
}
type Line = { readonly instrument: Stored<InstrumentState> } | { readonly filledGap: Stored<FilledGap> }

/** Writes a ledger durably, beside the manifests: lines of JSON, gzipped piece by piece. */
export async function writeLedger(objects: ObjectStore, location: string, ledger: Ledger): Promise<void> {
  const { lastRecords, feeds, instruments, filledGaps } = ledger
  const lines: object[] = [
    { version: VERSION, lastRecords, feeds },
    ...instruments.map((instrument) => ({ instrument })),
    ...filledGaps.map((filledGap) => ({ filledGap })),
  ]
  const pieces: Buffer[] = []
  for (let start = 0; start < lines.length; start += LINES_A_CHUNK) {
    const texts = lines
      .slice(start, start + LINES_A_CHUNK)
      .map((line) => `${JSON.stringify(line, numbersAsText)}\n`)
    pieces.push(await compress(texts.join(''), { level: 1 }))
  }
  await objects.create(location, Buffer.concat(pieces))
}

function numbersAsText(_: string, value: unknown): unknown {
  return typeof value === 'bigint' ? String(value) : value
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
    const [head, ...lines] = parseLines(await decompress(bytes))
    // Written by `writeLedger` alone; gzip's checksum has told that it is whole.
    const { version, lastRecords, feeds } = head as Head
    if (version !== VERSION) throw new Error(`its version is ${version}`)
    const instruments: InstrumentState[] = []
    const filledGaps: FilledGap[] = []
    for (const line of lines as Line[]) {
      if ('instrument' in line) instruments.push(instrument(line.instrument))
      else filledGaps.push({ ...line.filledGap, ...gap(line.filledGap) })
    }
    return { lastRecords, feeds, instruments, filledGaps }
  } catch (cause) {
    throw new TicklakeError('corrupt', `the ledger ${location} cannot be read: ${String(cause)}`, { cause })
  }
}

function parseLines(text: Buffer): unknown[] {
  const lines: unknown[] = []
  for (let start = 0; start < text.length; ) {
    const end = text.indexOf(LINE_BREAK, start)
    if (end === -1) throw new Error('its last line is cut off')
    lines.push(JSON.parse(text.toString('utf8', start, end)))
    start = end + 1
  }
  return lines
}

function instrument(stored: Stored<InstrumentState>): InstrumentState {
  const runs = stored.runs.map(({ first, last, gaps, ...times }) => ({
    ...times,
    first: BigInt(first),
    last: BigInt(last),
    gaps: gaps.map(gap),
  }))
  // Ledgers of before did not note it.
  return { ...stored, newestMicros: stored.newestMicros ?? null, runs }
}

function gap({ from, to, ...rest }: Stored<SequenceGap>): SequenceGap {
  return { ...rest, from: BigInt(from), to: BigInt(to) }
}
