import { invalid } from '#core'
import { Fields, type Json } from './json.js'
import {
  FIRST_PARTITION_FIELD_ID,
  type PartitionField,
  type PartitionSpec,
  parseTransform,
  type Transform,
} from './partition.js'
import { refused } from './refusal.js'
import { type Column, singleColumns, type Type, typeName } from './types.js'

/** A partition field as a request has it, which may leave its id to us. */
export interface RequestedField extends Omit<PartitionField, 'fieldId'> {
  readonly fieldId: number | null
}

const TIMES = ['timestamp', 'timestamptz']
const DATES = ['date', ...TIMES]

/** Which types a transform takes (spec: Partition Transforms); of decimal(18, 8), the word before the bracket. */
const TAKES: Readonly<Record<Transform['kind'], (type: string) => boolean>> = {
  identity: () => true,
  void: () => true,
  year: (type) => DATES.includes(type),
  month: (type) => DATES.includes(type),
  day: (type) => DATES.includes(type),
  hour: (type) => TIMES.includes(type),
  bucket: (type) => !['boolean', 'float', 'double'].includes(type),
  truncate: (type) => ['int', 'long', 'decimal', 'string', 'binary'].includes(type),
  unknown: () => false,
}

const MAX_WIDTH = 2 ** 31 - 1
const MAX_PARTITION_FIELD_ID = 2 ** 31 - 1

/** A request's fields of a partition spec. */
export function parseRequestedFields(json: Json, path: string): readonly RequestedField[] {
  return new Fields(json, path).list('fields', (element, at) => {
    const from = new Fields(element, at)
    return {
      sourceId: from.integer('source-id'),
      fieldId: from.optional('field-id', from.integer, null),
      name: from.string('name'),
      transform: from.string('transform'),
      extra: from.rest(),
    }
  })
}

/**
 * Refuses fields that cannot partition rows of these columns: a source that is absent, nested or repeated, a transform
 * that does not take its type, a name or a field that is there twice, a name that a column has already.
 */
export function checkSpec(fields: readonly RequestedField[], columns: readonly Column[]): void {
  const names = new Set<string>()
  const values = new Set<string>()
  const ids = new Set<number>()
  for (const { name, sourceId, transform, fieldId } of fields) {
    // Such a field partitions nothing; its column may be gone.
    if (transform !== 'void') checkTransform(`partition field ${name}`, transform, sourceId, columns)
    const namesake = columns.find((column) => column.name === name)
    if (namesake && !(transform === 'identity' && namesake.id === sourceId)) {
      throw refused(
        `the partition field ${name} (${transform}) has the name of a column: give it another one`,
      )
    }
    const value = `${transform} of column ${sourceId}`
    if (name === '' || names.has(name)) throw invalid('partition field', name, 'a name of its own')
    if (values.has(value)) throw refused(`the partition field ${name} repeats ${value}`)
    if (fieldId !== null && ids.has(fieldId)) throw refused(`two partition fields have the id ${fieldId}`)
    names.add(name)
    values.add(value)
    if (fieldId !== null) ids.add(fieldId)
  }
}

/** Refuses a transform that is unknown, or of a column that it does not take or that is not there. `what` names it. */
export function checkTransform(
  what: string,
  transform: string,
  sourceId: number,
  columns: readonly Column[],
): void {
  const parsed = parseTransform(transform)
  if (parsed.kind === 'unknown' || ('width' in parsed && !(parsed.width >= 1 && parsed.width <= MAX_WIDTH))) {
    const expected = 'identity, year, month, day, hour, bucket[N], truncate[N] or void'
    throw invalid(`${what}: transform`, transform, expected)
  }
  const source = [...singleColumns(columns)].find(({ id }) => id === sourceId)
  if (!source) {
    throw refused(`${what}: the schema has no column ${sourceId}, or it is inside of a list or map`)
  }
  if (typeof source.type !== 'string' || !TAKES[parsed.kind](baseOf(source.type))) {
    throw refused(`${what}: ${transform} does not take ${source.name}, which is ${typeName(source.type)}`)
  }
}

/**
 * The fields with ids. A field that any spec of the table has had keeps its id; a new one gets the next. `invalid_input`
 * when a given id already stands for something else: readers would mix up the two in one partition tuple.
 */
export function withFieldIds(
  fields: readonly RequestedField[],
  specs: readonly PartitionSpec[],
  lastPartitionId: number,
): readonly PartitionField[] {
  const past = specs.flatMap((spec) => spec.fields)
  const taken = new Set(fields.flatMap(({ fieldId }) => fieldId ?? []))
  let lastId = Math.max(lastPartitionId, ...taken)
  return fields.map((field) => {
    const clash = past.find((other) => other.fieldId === field.fieldId && !sameMeaning(other, field))
    if (clash) {
      const message = `the partition field ${field.name} has the id ${clash.fieldId}, which is ${clash.name} (${clash.transform})`
      throw refused(`${message}: leave its id out, or take one above ${lastPartitionId}`)
    }
    const isKnown = past.some(({ fieldId }) => fieldId === field.fieldId)
    if (field.fieldId !== null && !isKnown) checkFieldId(field.name, field.fieldId)
    if (field.fieldId !== null) return { ...field, fieldId: field.fieldId }
    const equivalent = past.find((other) => isEquivalent(other, field) && !taken.has(other.fieldId))
    if (!equivalent) checkFieldId(field.name, ++lastId)
    return { ...field, fieldId: equivalent?.fieldId ?? lastId }
  })
}

function checkFieldId(name: string, id: number): void {
  if (id >= FIRST_PARTITION_FIELD_ID && id <= MAX_PARTITION_FIELD_ID) return
  throw refused(
    `the partition field ${name} has the id ${id}, and ids are ${FIRST_PARTITION_FIELD_ID} to ${MAX_PARTITION_FIELD_ID}`,
  )
}

/** Whether two fields give every row the same value. */
export function isEquivalent(
  a: Pick<PartitionField, 'sourceId' | 'transform'>,
  b: Pick<PartitionField, 'sourceId' | 'transform'>,
): boolean {
  return a.sourceId === b.sourceId && a.transform === b.transform
}

/** Whether two specs partition alike and under the same names: then they are one, whatever the ids of their fields. */
export function sameSpec(a: readonly RequestedField[], b: readonly RequestedField[]): boolean {
  return (
    a.length === b.length &&
    a.every((field, index) => isEquivalent(field, b[index]!) && field.name === b[index]!.name)
  )
}

/** A field that version 1 dropped lives on as void, with its id. */
function sameMeaning(a: RequestedField, b: RequestedField): boolean {
  return isEquivalent(a, b) || (a.sourceId === b.sourceId && [a.transform, b.transform].includes('void'))
}

function baseOf(type: Type & string): string {
  return /^\w+/.exec(type)?.[0] ?? type
}
