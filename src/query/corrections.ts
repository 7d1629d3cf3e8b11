import { CORRECTED_COLUMNS, CORRECTIONS, type OffsetVector, type TableName } from '#core'
import { type AsOf, appliedOffsets, appliedOffsetsAt, type PinnedVersion, type StreamTable } from '#storage'
import type { Statement } from './answer.js'
import { Bindings } from './bindings.js'
import { selectionConditions, whereAll } from './conditions.js'
import {
  chooseFields,
  decimalField,
  type Encoding,
  encodeRow,
  type Field,
  numberField,
  textField,
  timeField,
} from './field.js'
import { afterOrderKey, ORDER_KEY_FORM, orderBy, orderKeyText, tieOf } from './order-key.js'
import { oneMoreThan } from './page.js'
import type { PagePosition } from './page-token.js'
import type { PagedList } from './paged-list.js'
import { type CorrectionsRequest, MARKET_TABLES, type MarketTable, type Selection } from './request.js'
import { isUniqueRowKey, selectionAfter } from './rows.js'
import { relation, type Scan } from './scan.js'

const NEW_VALUE = 'what replaces the value; null: it stays'

export const CORRECTION_FIELDS: readonly Field[] = [
  timeField('received_at', 'epoch_us(received_at)', ['received_at'], 'when the log took it, RFC 3339 in UTC'),
  textField('id', 'correction_id', "the sender's name of it: made once, however often it comes"),
  textField('source', 'source', 'who asked for it'),
  textField('table', 'target_table', 'trades or quotes'),
  textField('action', 'action', 'cancel or replace'),
  textField('state', 'state', 'pending, made or refused: by now, or, with as_of, by then'),
  textField('detail', 'detail', 'why it was refused'),
  textField('reason', 'reason', 'why it was asked for'),
  textField('message_id', 'target_message_id', 'message id of the row that is meant'),
  numberField('target_partition', 'target_partition', 'or its place in the log: partition'),
  numberField('target_offset', 'target_offset', 'and offset'),
  textField('symbol', 'target_symbol', 'symbol that the row must have'),
  textField('exchange', 'target_exchange', 'exchange that the row must have'),
  timeField('ts', 'epoch_us(new_timestamp)', ['new_timestamp'], NEW_VALUE),
  ...CORRECTED_COLUMNS.filter((name) => !name.startsWith('exchange_')).map((name) =>
    CORRECTIONS.columns.some((column) => column.name === name && column.type === 'decimal')
      ? decimalField(name, name, NEW_VALUE)
      : textField(name, name, NEW_VALUE),
  ),
  numberField('log_partition', 'log_partition', 'its own place in the log: partition'),
  numberField('log_offset', 'log_offset', 'and offset: corrections are made in this order'),
]

const COLUMNS = CORRECTIONS.columns.map(({ name }) => name)
/** A correction is an event whose time is when the log took it. */
const AS_EVENTS = [
  ...COLUMNS.filter((name) => !name.startsWith('exchange_')),
  'exchange_timestamp AS new_timestamp',
  'received_at AS exchange_timestamp',
  '0 AS exchange_nanos',
].join(', ')
const TIE = tieOf(['received_at', 'source', 'reason'])

const EVERYTHING: Selection = { symbols: null, exchange: null, startNanos: null, endNanos: null }

/** Corrections, in the order in which the log took them, with what has become of them. */
export function correctionsList(
  request: CorrectionsRequest,
  tables: ReadonlyMap<TableName, StreamTable>,
): PagedList {
  return {
    name: 'corrections',
    table: 'corrections',
    request,
    keyForm: ORDER_KEY_FORM,
    usesWatermarks: false,
    isUnique: isUniqueRowKey,
    at: (pinned, after) => {
      const made = madeCorrections(tables, pinned, request.asOf)
      return {
        fields: chooseFields(CORRECTION_FIELDS, request.fields).map(({ name }) => name),
        // What says that one was refused came later.
        selection: EVERYTHING,
        holdsPage: true,
        statement: ({ scan }, { encoding }) => correctionsStatement(request, scan, made, after, encoding),
      }
    },
  }
}

/** By table, up to where its corrections have been made or refused. */
type MadeCorrections = ReadonlyMap<MarketTable, OffsetVector>

/**
 * As it is now or, of a list of history, as it was at its time: when its snapshot was committed, if none is named. `gone` when a
 * table that has corrections no longer knows what it held then.
 */
function madeCorrections(
  tables: ReadonlyMap<TableName, StreamTable>,
  { metadata, version }: PinnedVersion,
  asOf: AsOf | undefined,
): MadeCorrections {
  const snapshot = metadata.snapshots.find(({ snapshotId }) => snapshotId === version.snapshotId)
  const timeMs = asOf?.kind === 'time' ? asOf.timeMs : asOf && snapshot ? snapshot.timestampMs : null
  return new Map(
    MARKET_TABLES.flatMap((name) => {
      const corrected = tables.get(name)?.metadata()
      if (!corrected) return []
      const made = timeMs === null ? appliedOffsets(corrected) : appliedOffsetsAt(corrected, timeMs)
      return [[name, made] as const]
    }),
  )
}

/** One page of corrections. */
function correctionsStatement(
  request: CorrectionsRequest,
  scan: Scan,
  made: MadeCorrections,
  after: PagePosition | null,
  encoding: Encoding,
): Statement {
  const every = relation(scan, COLUMNS)
  const { of, state, source } = request
  const bindings = new Bindings()
  const conditions = [
    ...selectionConditions(selectionAfter(request, after), bindings),
    ...(of === null ? [] : [`target_table = ${bindings.bind(of)}`]),
    ...(state === null ? [] : [`state = ${bindings.bind(state)}`]),
    ...(source === null ? [] : [`source = ${bindings.bind(source)}`]),
    ...(after ? [afterOrderKey(after, request.order, TIE, bindings)] : []),
  ]
  const withStates = `SELECT c.*, refusal.detail, CASE WHEN refusal.place IS NOT NULL THEN 'refused'
      WHEN ${isMade(made)} THEN 'made' ELSE 'pending' END AS state
    FROM (SELECT ${AS_EVENTS} FROM ${every} WHERE action <> 'refused') AS c
    LEFT JOIN (SELECT (target_partition, target_offset) AS place, min(reason) AS detail FROM ${every}
      WHERE action = 'refused' AND target_table = '${CORRECTIONS.name}' GROUP BY ALL) AS refusal
      ON refusal.place = (c.log_partition::BIGINT, c.log_offset)`
  const page = [
    `SELECT * FROM (${withStates}) ${whereAll(conditions)}`,
    `ORDER BY ${orderBy(request.order, TIE)} ${oneMoreThan(request.limit)} OFFSET ${after?.ties ?? 0}`,
  ].join(' ')
  const row = encodeRow(chooseFields(CORRECTION_FIELDS, request.fields), encoding)
  return {
    sql: `SELECT ${row} AS row, ${orderKeyText(TIE)} AS key FROM (${page})`,
    parameters: bindings.values,
  }
}

function isMade(made: MadeCorrections): string {
  const conditions = [...made].flatMap(([table, offsets]) =>
    offsets.map(
      (offset, partition) =>
        `(c.target_table = '${table}' AND c.log_partition = ${partition} AND c.log_offset < ${offset})`,
    ),
  )
  return conditions.length === 0 ? 'false' : conditions.join(' OR ')
}
