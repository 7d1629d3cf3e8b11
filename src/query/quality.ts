import { QualityFlag } from '#core'
import type { Statement } from './answer.js'
import { Bindings } from './bindings.js'
import { SELECTION_COLUMNS, selectionConditions, whereAll } from './conditions.js'
import { countsField, type Encoding, encodeRow, type Field, numberField, textField } from './field.js'
import { afterInstrument, INSTRUMENT, INSTRUMENT_KEY_FORM, instrumentKeyText } from './instrument.js'
import { countsRelation, type InstrumentCounts, instrumentCounts } from './instrument-counts.js'
import { oneMoreThan } from './page.js'
import type { PagePosition } from './page-token.js'
import type { PagedList } from './paged-list.js'
import type { QualityRequest } from './request.js'
import { relation, type Scan } from './scan.js'

/** Flags that say what is odd about a row: field, bit, and what it means. */
const COUNTED_FLAGS: readonly (readonly [name: string, flag: number, doc: string])[] = [
  ['crossed', QualityFlag.crossed, 'quotes whose bid was above the ask'],
  ['locked', QualityFlag.locked, 'quotes whose bid was the ask'],
  ['price_outlier', QualityFlag.priceOutlier, 'prices more than three deviations from the mean before them'],
  ['price_move', QualityFlag.priceMove, 'prices that moved by more than a tenth'],
  ['sequence_gap', QualityFlag.sequenceGap, 'rows before which numbers were missing when they came'],
  ['out_of_order', QualityFlag.outOfOrder, 'rows whose number had been missing until they came'],
  ['duplicate_sequence', QualityFlag.duplicateSequence, 'rows whose number had come before'],
  ['sequence_reset', QualityFlag.sequenceReset, 'rows with which the numbers began anew'],
  ['rounded', QualityFlag.rounded, 'rows of which a value was rounded to 8 decimals'],
  ['after_silence', QualityFlag.afterSilence, 'rows that came after a silence in an open market'],
]

const MAX_LONG = 2n ** 63n - 1n

export const QUALITY_FIELDS: readonly Field[] = [
  textField('symbol', 'symbol', 'instrument, as the exchange names it'),
  textField('exchange', 'exchange', 'the feed whose symbols are meant'),
  numberField('rows', 'row_count', 'its rows in the selection; the counts of flags are of these'),
  ...COUNTED_FLAGS.map(([name, , doc]) => numberField(name, name, doc)),
  numberField('freshness_p50_ms', 'freshness_p50', 'from event time to when the log took it: median, in ms'),
  numberField('freshness_p99_ms', 'freshness_p99', 'the same: 99 of 100 rows were no later'),
  numberField(
    'missing',
    'missing',
    'sequence numbers that are missing now in the range asked for; null: they need not be contiguous',
  ),
  {
    name: 'completeness',
    type: 'fraction',
    sql: 'completeness',
    columns: ['completeness'],
    doc: 'of the numbers that there should be, the share that came: 0 to 1; null where missing is',
    freeText: false,
  },
  numberField(
    'received',
    'received',
    'records of the log since its beginning: accepted + quarantined + duplicates',
  ),
  numberField('accepted', 'accepted', 'records that became rows'),
  numberField(
    'quarantined',
    'quarantined',
    'of these, the refused ones. A row that was refused before the log, as it was posted or loaded, is of no instrument: /v1/quality/tables counts it',
  ),
  countsField('quarantined_reasons', 'reasons', 'these by reason'),
  numberField(
    'duplicates',
    'duplicates',
    'records dropped because their message id came before, where quality.dedupe asks for that',
  ),
]

/** How good the data of each instrument are, by exchange and symbol. */
export function qualityList(request: QualityRequest): PagedList {
  return {
    name: 'quality',
    table: request.table,
    request,
    keyForm: INSTRUMENT_KEY_FORM,
    usesWatermarks: false,
    at: (pinned, after) => {
      const counts = instrumentCounts(pinned.instruments.values(), request)
      return {
        fields: QUALITY_FIELDS.map(({ name }) => name),
        selection: request,
        statement: ({ scan }, { encoding }) => qualityStatement(request, scan, counts, after, encoding),
      }
    },
  }
}

/**
 * One page of how good the data of each instrument are: its rows in the selection, beside what the ledger counted since
 * the beginning of the log. An instrument of which every record was refused is there too, with no rows.
 */
function qualityStatement(
  request: QualityRequest,
  scan: Scan,
  counts: readonly InstrumentCounts[],
  after: PagePosition | null,
  encoding: Encoding,
): Statement {
  const bindings = new Bindings()
  const steps: readonly (readonly [name: string, sql: string])[] = [
    ['found', foundSql(request, scan, bindings)],
    ['counted', countsRelation(counts, bindings)],
    [
      'joined',
      `SELECT exchange, symbol, coalesce(row_count, 0) AS row_count,
         ${COUNTED_FLAGS.map(([name]) => `coalesce(${name}, 0) AS ${name}`).join(', ')},
         round(freshness[1] / 1000)::BIGINT AS freshness_p50, round(freshness[2] / 1000)::BIGINT AS freshness_p99,
         coalesce(present, 0) AS present, coalesce(missing_numbers, 0) AS missing_numbers,
         coalesce(accepted, 0) AS accepted, coalesce(quarantined, 0) AS quarantined,
         coalesce(duplicates, 0) AS duplicates, coalesce(reasons, '{}') AS reasons
       FROM found FULL JOIN counted USING (exchange, symbol)`,
    ],
    [
      'page',
      `SELECT *, accepted + quarantined + duplicates AS received,
         CASE WHEN present + missing_numbers > 0 THEN least(missing_numbers, ${MAX_LONG}) END AS missing,
         present / nullif(present + missing_numbers, 0) AS completeness
       FROM joined ${after ? `WHERE ${afterInstrument(after.key, bindings)}` : ''}
       ORDER BY exchange, symbol ${oneMoreThan(request.limit)}`,
    ],
  ]
  const ctes = steps.map(([name, sql]) => `${name} AS (${sql})`).join(', ')
  const row = encodeRow(QUALITY_FIELDS, encoding)
  return {
    sql: `WITH ${ctes} SELECT ${row} AS row, ${instrumentKeyText()} AS key FROM page ORDER BY exchange, symbol`,
    parameters: bindings.values,
  }
}

/** What the rows of the selection tell; `present`: sequence numbers that they have, where these are contiguous. */
function foundSql(request: QualityRequest, scan: Scan, bindings: Bindings): string {
  const flags = COUNTED_FLAGS.map(([name, flag]) => `count(*) FILTER (flags & ${flag} <> 0) AS ${name}`)
  const isPresent = `numbered AND flags & ${QualityFlag.duplicateSequence} = 0`
  return `SELECT exchange, symbol, count(*) AS row_count, ${flags.join(', ')},
      count(*) FILTER (${isPresent}) AS present, quantile_disc(lateness, [0.5, 0.99]) AS freshness
    FROM (${eventsSql(request, scan, bindings)}) GROUP BY ALL`
}

function eventsSql(request: QualityRequest, scan: Scan, bindings: Bindings): string {
  const columns = [...SELECTION_COLUMNS, 'sequence_number', 'quality_flags', 'ingest_timestamp']
  const source = relation(scan, columns)
  const isNumbered = `coalesce(quality_flags, 0) & ${QualityFlag.contiguousSequence} <> 0 AND sequence_number IS NOT NULL`
  const events = `SELECT ${INSTRUMENT}, coalesce(quality_flags, 0) AS flags, ${isNumbered} AS numbered,
      epoch_us(ingest_timestamp) - epoch_us(exchange_timestamp) AS lateness`
  return `${events} FROM ${source} ${whereAll(selectionConditions(request, bindings))}`
}
