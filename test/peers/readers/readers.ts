import type { Row } from '../../support/row-batch.js'
import type { Predicate, TableQuestion } from './question.js'

/** Software that reads Iceberg tables and that nobody here wrote. */
export interface Reader {
  /** Its suite's name on the command line. */
  readonly id: string
  readonly title: string
  /** Beside this file. */
  readonly script: string
  /** Pinned Python packages that the script needs, beside this file; null: a script for Node. */
  readonly requirements: string | null
  /** A row as this reader's types let it be seen, where they are narrower than the table's. */
  readonly sees?: (row: Row) => Row
  /** It knows the tables by the REST catalog, and is asked of the long-lived one alone. Default: by path. */
  readonly isByCatalog?: boolean
  /** Tables that it cannot read, by how their names begin, and what it has to say then. Default: none. */
  readonly refuses?: readonly (readonly [name: string, says: RegExp])[]
  /** Predicates that it is not asked, since it is known to answer them wrong, or not at all. Default: none. */
  readonly cannot?: (predicate: Predicate, question: TableQuestion) => boolean
}

const BY_VALUE: Reader['refuses'] = [
  ['deleted-by-value/', /equality deletes/],
  ['long-life/deleted by value', /equality deletes/],
]

/** DuckDB 1.5.5 reads equality deletes, but not of a table whose schema or partitions have changed. */
const CRASHES: Reader['refuses'] = [['long-life/deleted by value', /INTERNAL Error/]]

export const READERS: readonly Reader[] = [
  {
    id: 'pyiceberg',
    title: 'PyIceberg (StaticTable)',
    script: 'pyiceberg_static.py',
    requirements: 'requirements/pyiceberg.txt',
    // PyIceberg 0.12 knows no equality deletes (apache/iceberg issue 6568).
    refuses: BY_VALUE,
  },
  {
    id: 'pyiceberg-rest',
    title: 'PyIceberg (REST catalog)',
    script: 'pyiceberg_static.py',
    requirements: 'requirements/pyiceberg.txt',
    isByCatalog: true,
    refuses: BY_VALUE,
  },
  {
    id: 'duckdb-attach',
    title: 'DuckDB (ATTACH)',
    script: 'duckdb_iceberg.py',
    requirements: 'requirements/duckdb.txt',
    isByCatalog: true,
    refuses: CRASHES,
  },
  {
    id: 'duckdb',
    title: 'DuckDB (iceberg extension)',
    script: 'duckdb_iceberg.py',
    requirements: 'requirements/duckdb.txt',
    refuses: CRASHES,
    cannot: boundsBefore1970,
  },
  {
    id: 'chdb',
    title: 'chDB (icebergLocal)',
    script: 'chdb_iceberg.py',
    requirements: 'requirements/chdb.txt',
    cannot: boundsBefore1970,
  },
  {
    id: 'icebird',
    title: 'icebird',
    script: 'icebird.ts',
    requirements: null,
    sees: throughJavaScript,
    // It reads whole tables only.
    cannot: () => true,
  },
]

/**
 * Iceberg's day transform rounds down. DuckDB 1.5.5 truncates towards zero and ClickHouse 26.9 clamps, so that before
 * 1970 both prune the very files that hold a bound's day. (With pruning off they find the rows.)
 */
function boundsBefore1970({ column, values }: Predicate, { dayColumn }: TableQuestion): boolean {
  return column === dayColumn && values.some((value) => Number(value) < 0)
}

/**
 * icebird gives decimals as doubles (rounded to 8 places, which is exact up to 90 million), times as milliseconds
 * and binary as text.
 */
function throughJavaScript(row: Row): Row {
  return Object.fromEntries(
    Object.entries(row).map(([name, value]) => {
      if (value instanceof Uint8Array) return [name, new TextDecoder().decode(value)]
      if (typeof value !== 'bigint') return [name, value]
      if (/timestamp|_at$/.test(name)) return [name, (value / 1000n) * 1000n]
      if (/price|size/.test(name)) return [name, BigInt((Number(value) * 1e-8).toFixed(8).replace('.', ''))]
      return [name, value]
    }),
  )
}
