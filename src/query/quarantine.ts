import { QUARANTINE, QUOTES, TRADES } from '#core'
import type { Statement } from './answer.js'
import { Bindings } from './bindings.js'
import { selectionConditions, whereAll } from './conditions.js'
import {
  chooseFields,
  type Encoding,
  encodeRow,
  type Field,
  numberField,
  selectList,
  textField,
  timeField,
} from './field.js'
import { afterOrderKey, ORDER_KEY_FORM, orderBy, orderKeyText, tieOf } from './order-key.js'
import { oneMoreThan } from './page.js'
import type { PagePosition } from './page-token.js'
import type { PagedList } from './paged-list.js'
import type { QuarantineRequest } from './request.js'
import { isUniqueRowKey, selectionAfter } from './rows.js'
import { relation, type Scan } from './scan.js'

export const QUARANTINE_FIELDS: readonly Field[] = [
  timeField('received_at', 'epoch_us(received_at)', ['received_at'], 'when the log took it, RFC 3339 in UTC'),
  textField(
    'source_id',
    'source_id',
    'source id of its load, name of who posted it; of a record of the log, <topic>/<partition>',
  ),
  textField('file', 'file', 'name of the file that held it'),
  numberField('line', 'line', 'line (or row) of that file, from 1; of a record of the log, its offset'),
  textField('topic', 'topic', 'the topic it was meant for'),
  textField('reason', 'reason', 'why it was refused'),
  textField('detail', 'detail', 'field, value and what would have been right'),
  originalField('original', 'try(decode(original))', 'as it came; null when that is no UTF-8', true),
  originalField('original_base64', 'to_base64(original)', 'the same, every byte, in base64', false),
  numberField('log_partition', 'log_partition', 'its place in the quarantine: partition'),
  numberField('log_offset', 'log_offset', 'its place in the quarantine: offset in that partition'),
]

const COLUMNS = QUARANTINE.columns.map((column) => column.name)
/** A refused record is an event of the quarantine: its time is when the log took it. */
const AS_EVENTS = `${selectList(COLUMNS)}, received_at AS exchange_timestamp, 0 AS exchange_nanos`
const TIE = tieOf(COLUMNS)

const TOPICS = { trades: TRADES.topic, quotes: QUOTES.topic } as const

/** A consumer names topic and partition, which no load does; what another engine wrote has no place in the log. */
const IS_RECORD = `coalesce(starts_with(source_id, topic || '/'), false) AND log_offset IS NOT NULL`

/** Refused records, in the order in which the log took them. */
export function quarantineList(request: QuarantineRequest): PagedList {
  return {
    name: 'quarantine',
    table: 'quarantine',
    request,
    keyForm: ORDER_KEY_FORM,
    usesWatermarks: false,
    isUnique: isUniqueRowKey,
    at: (_, after) => ({
      fields: chooseFields(QUARANTINE_FIELDS, request.fields).map(({ name }) => name),
      selection: selectionAfter(request, after),
      holdsPage: true,
      statement: ({ scan }, { encoding }) => quarantineStatement(request, scan, after, encoding),
    }),
  }
}

/** One page of refused records. */
function quarantineStatement(
  request: QuarantineRequest,
  scan: Scan,
  after: PagePosition | null,
  encoding: Encoding,
): Statement {
  const source = relation(scan, COLUMNS)
  const { of, reason, sourceId, kind } = request
  const bindings = new Bindings()
  const conditions = [
    ...selectionConditions(selectionAfter(request, after), bindings),
    ...(of === null ? [] : [`topic = ${bindings.bind(TOPICS[of])}`]),
    ...(reason === null ? [] : [`reason = ${bindings.bind(reason)}`]),
    ...(sourceId === null ? [] : [`source_id = ${bindings.bind(sourceId)}`]),
    ...(kind === null ? [] : [kind === 'record' ? IS_RECORD : `NOT (${IS_RECORD})`]),
    ...(after ? [afterOrderKey(after, request.order, TIE, bindings)] : []),
  ]
  const page = [
    `SELECT * FROM (SELECT ${AS_EVENTS} FROM ${source}) ${whereAll(conditions)}`,
    `ORDER BY ${orderBy(request.order, TIE)} ${oneMoreThan(request.limit)} OFFSET ${after?.ties ?? 0}`,
  ].join(' ')
  const row = encodeRow(chooseFields(QUARANTINE_FIELDS, request.fields), encoding)
  return {
    sql: `SELECT ${row} AS row, ${orderKeyText(TIE)} AS key FROM (${page})`,
    parameters: bindings.values,
  }
}

function originalField(name: string, sql: string, doc: string, freeText: boolean): Field {
  return { name, type: 'string', sql, columns: ['original'], doc, freeText }
}
