import { join } from 'node:path'
import {
  createLogger,
  EMPTY_LEDGER,
  type InstrumentState,
  type Ledger,
  MICROS_PER_DAY,
  SEQUENCE_GAPS,
  type SequenceGap,
  systemClock,
  TRADES,
} from '#core'
import type { Engine } from '#engine'
import { fileColumns, localPath, Warehouse } from '#storage'
import { currentSchema } from '../../../src/storage/iceberg/metadata.js'
import { FileIndex } from '../../../src/storage/prune.js'
import { logRows } from '../../support/log-rows.js'
import { AWKWARD_SYMBOLS } from '../../support/market-rows.js'
import type { Row } from '../../support/row-batch.js'
import { SeededRandom } from '../../support/seeded-random.js'
import type { FixtureTable } from './fixtures.js'

const EXCHANGE = 'ASX'
const FIRST_DAY = 19_943
const DAYS = 3
/** Numbers have 64 bits: the gaps of an instrument lie up to there. */
const LAST = 2n ** 63n - 1n

/**
 * `sequence_gaps` as it is derived from trades: of each instrument gaps that are found in one snapshot, a part of which is
 * filled in the next.
 */
export async function writeGaps(directory: string, engine: Engine, seed: number): Promise<FixtureTable> {
  const random = new SeededRandom(seed)
  const warehouse = await Warehouse.open({
    directory: join(directory, 'gaps'),
    engine,
    clock: systemClock,
    random,
    logger: createLogger({ level: 'warn', format: 'text' }),
    partitionCount: 1,
    flush: { rows: 1_000_000, bytes: 2 ** 30, ageMs: 3_600_000 },
    fence: 1,
  })
  await warehouse.start()
  const trades = warehouse.tables.get('trades')!
  const found = new Map(AWKWARD_SYMBOLS.map((symbol) => [symbol, drawnGaps(random)]))
  const filled = [...found].flatMap(([symbol, gaps]) =>
    gaps
      .filter(() => random.oneIn(2))
      .map((gap) => ({ symbol, gap, filledMicros: gap.detectedMicros + 1 + random.below(1_000_000_000) })),
  )
  const ended = new Set(filled.map(({ gap }) => gap))
  const ledgers: readonly Ledger[] = [
    { ...EMPTY_LEDGER, instruments: [...found].map(([symbol, gaps]) => instrument(symbol, gaps)) },
    {
      ...EMPTY_LEDGER,
      instruments: [...found].map(([symbol, gaps]) =>
        instrument(
          symbol,
          gaps.filter((gap) => !ended.has(gap)),
        ),
      ),
      filledGaps: filled.map(({ symbol, gap, ...rest }) => ({ ...gap, ...rest, symbol, exchange: EXCHANGE })),
    },
  ]
  for (const [index, ledger] of ledgers.entries()) {
    // What is missing is told by ledgers; the rows that are there do not matter.
    await trades.append({ ...logRows(TRADES, []), ledger }, [index + 1], false)
    await trades.flush()
  }
  await warehouse.stop()
  const { head } = warehouse.compactables.get(SEQUENCE_GAPS.name)!
  const { metadata, context } = head
  return {
    name: `gaps/${SEQUENCE_GAPS.name}`,
    definition: SEQUENCE_GAPS,
    rows: [
      ...[...found].flatMap(([symbol, gaps]) => gaps.map((gap) => rowOf(symbol, gap, null))),
      ...filled.map(({ symbol, gap, filledMicros }) => rowOf(symbol, gap, BigInt(filledMicros))),
    ],
    pinned: {
      columns: fileColumns(SEQUENCE_GAPS, currentSchema(metadata)),
      tail: [],
      select: () => new FileIndex(context.manifests).selectFiles(metadata, metadata.currentSnapshotId, []),
      release: () => {},
    },
    path: localPath(metadata.location),
    snapshotId: null,
  }
}

/** Ascending, apart from each other and from those of others; some of one number, some enormous. */
function drawnGaps(random: SeededRandom): readonly SequenceGap[] {
  const gaps: SequenceGap[] = []
  for (let from = BigInt(1 + random.below(1000)); from < LAST && gaps.length < 30; ) {
    const length = random.oneIn(3) ? 0n : BigInt(random.uint32()) ** (random.oneIn(8) ? 2n : 1n)
    const to = from + length < LAST ? from + length : LAST - 1n
    const day = FIRST_DAY + random.below(DAYS)
    const detectedMicros = day * MICROS_PER_DAY + random.below(86_400) * 1_000_000 + random.below(1_000_000)
    gaps.push({
      ...{ from, to, detectedMicros, afterMicros: detectedMicros - 2, beforeMicros: detectedMicros - 1 },
      sessionDay: day - random.below(2),
    })
    from = to + 2n + BigInt(random.below(1000))
  }
  return gaps
}

function instrument(symbol: string, gaps: readonly SequenceGap[]): InstrumentState {
  const run = { first: 0n, last: LAST, startMicros: 0, endMicros: 1, gaps }
  const counts = { accepted: 2, newestMicros: null, duplicates: 0, refused: {}, prices: null }
  return { partition: 0, exchange: EXCHANGE, symbol, ...counts, runs: [run] }
}

function rowOf(symbol: string, gap: SequenceGap, filledMicros: bigint | null): Row {
  return {
    exchange: EXCHANGE,
    symbol,
    table_name: 'trades',
    session_date: gap.sessionDay,
    from_sequence: gap.from,
    to_sequence: gap.to,
    detected_at: BigInt(gap.detectedMicros),
    filled_at: filledMicros,
  }
}
