import { isUtf8 } from 'node:buffer'
import { Readable } from 'node:stream'
import { CsvError, parse } from 'csv-parse'
import { invalid } from '#core'
import { fieldsAsJson, type PostedRow, shown } from './posted-row.js'

/** Bytes that are parsed before others get their turn. */
const SLICE_BYTES = 64 * 1024

/** The rows of CSV with a header (RFC 4180). Where a quote is misplaced, no row is certain: that refuses the body. */
export async function* csvRows(body: Buffer): AsyncGenerator<PostedRow> {
  if (!isUtf8(body)) throw invalid('body', 'bytes that are no UTF-8', 'CSV in UTF-8')
  const parser = Readable.from(slices(body)).pipe(
    parse({ bom: true, raw: true, relax_column_count: true, skip_empty_lines: true }),
  )
  let header: readonly string[] | null = null
  try {
    for await (const parsed of parser) {
      // With `raw`, csv-parse gives each record with its text.
      const { record, raw } = parsed as { record: readonly string[]; raw: string }
      if (header === null) header = checkedHeader(record)
      else yield csvRow(header, record, raw)
    }
  } catch (error) {
    if (error instanceof CsvError) throw invalid('body', error.message, 'CSV as in RFC 4180', error)
    throw error
  }
  if (header === null) throw invalid('body', '', 'CSV with a header of field names')
}

function* slices(body: Buffer): Generator<Buffer> {
  for (let at = 0; at < body.length; at += SLICE_BYTES) yield body.subarray(at, at + SLICE_BYTES)
}

function checkedHeader(record: readonly string[]): readonly string[] {
  const names = record.map((name) => name.trim())
  const twice = names.find((name, index) => names.indexOf(name) !== index)
  if (twice !== undefined) throw invalid('header', twice, 'named once')
  return names
}

function csvRow(header: readonly string[], record: readonly string[], raw: string): PostedRow {
  if (record.length !== header.length) {
    const expected = `a row of ${header.length} columns, as the header names them`
    const original = () => Buffer.from(raw.replace(/^[\r\n]+|[\r\n]+$/g, ''))
    const value = shown(record.join(','))
    return { problem: { reason: 'wrong_column_count', field: null, value, expected }, original }
  }
  const fields = new Map(header.map((name, index) => [name, record[index]!]))
  return { fields, original: () => fieldsAsJson(fields) }
}
