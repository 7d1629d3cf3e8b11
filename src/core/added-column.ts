/** Iceberg's name of a type that a field of a producer's records may bring to a table. A decimal has all 18 digits. */
export type AddedType =
  | 'boolean'
  | 'int'
  | 'long'
  | 'float'
  | 'double'
  | 'string'
  | 'binary'
  | 'timestamptz'
  | `decimal(18, ${number})`

/**
 * A column that the rows of a batch have besides those of their table's definition: records bring it, in a field that
 * the definition does not know. It is told by its id, whatever the table has come to call it.
 */
export interface AddedColumn {
  /** Iceberg's field id. */
  readonly id: number
  readonly type: AddedType
}

/** Whether two lists are of the same columns, in the same order. */
export function sameColumns(a: readonly AddedColumn[], b: readonly AddedColumn[]): boolean {
  return (
    a.length === b.length && a.every(({ id, type }, index) => id === b[index]!.id && type === b[index]!.type)
  )
}
