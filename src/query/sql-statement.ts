import { invalid, type TextPosition, TicklakeError } from '#core'
import { type EmptyEngine, type SqlValue, StatementError } from '#engine'
import { checkTree, SqlRefusal } from './sql-check.js'
import { isNode, isSameTree, parseTree, treeText } from './sql-tree.js'

export const MAX_SQL_BYTES = 64 * 1024

/** Values of parameters by name: "1", "2" and so on of `?`. A bigint is a BIGINT. */
export type SqlArguments = Readonly<Record<string, SqlValue>>

/** A SELECT that may run: written by DuckDB from the very tree that was checked. */
export interface CheckedStatement {
  readonly sql: string
  readonly tables: ReadonlySet<string>
  /** Turns what DuckDB says about `sql`, of which it names a place, into an error about what was asked. */
  failure(message: string, position: number | null): TicklakeError
}

/**
 * Reads a stranger's SQL: exactly one SELECT, which reads tables of these names only. What comes back was written by
 * DuckDB from the checked tree, and has, parsed again, that same tree: nothing runs that was not checked.
 */
export async function readStatement(
  text: string,
  values: SqlArguments,
  tables: ReadonlySet<string>,
  engine: EmptyEngine,
  signal: AbortSignal | undefined,
): Promise<CheckedStatement> {
  if (Buffer.byteLength(text) > MAX_SQL_BYTES || text.includes('\0')) {
    throw invalid('sql', text, `a statement of at most ${MAX_SQL_BYTES} bytes without NUL in it`)
  }
  try {
    const statement = onlyStatement(parseTree(await engine.parse(text, signal)))
    const integers = Object.keys(values).filter((name) => typeof values[name] === 'bigint')
    const checked = checkTree(statement, tables, new Set(integers))
    requireValues(checked.parameters, values)
    const sql = await engine.write(treeText({ error: false, statements: [checked.tree] }), signal)
    const written = onlyStatement(parseTree(await engine.parse(sql, signal)))
    const places = new Map<number, number>()
    if (!isSameTree(checked.tree, written, (asked, runs) => places.set(runs, asked))) {
      throw new SqlRefusal('it cannot be written so that it means the same: say it in another way', null)
    }
    return {
      sql,
      tables: checked.tables,
      failure: (message, position) =>
        sqlError(text, message, position === null ? null : (places.get(position) ?? null)),
    }
  } catch (error) {
    if (error instanceof SqlRefusal || error instanceof StatementError)
      throw sqlError(text, error.message, error.position)
    throw error
  }
}

function onlyStatement(tree: unknown) {
  const statements = isNode(tree) && Array.isArray(tree.statements) ? tree.statements : []
  const [statement] = statements
  if (statements.length === 1 && isNode(statement)) return statement
  throw new SqlRefusal(`it holds ${statements.length} statements: exactly one SELECT is taken`, null)
}

function requireValues(names: ReadonlySet<string>, values: SqlArguments): void {
  const given = Object.keys(values)
  const missing = [...names].find((name) => !given.includes(name))
  if (missing !== undefined) throw new SqlRefusal(`the parameter ${missing} has no value`, null)
  const unused = given.find((name) => !names.has(name))
  if (unused !== undefined)
    throw invalid('params', unused, `a parameter of the statement: ${[...names].join(', ') || 'it has none'}`)
}

/** The error about a text, with the place; `position` counts bytes. */
function sqlError(text: string, message: string, position: number | null): TicklakeError {
  const said = message.replaceAll(/"?\blake (\w+)"?/g, '$1').replace(/\nDid you mean [\s\S]*$/, '')
  const place = position === null ? null : placeOf(text, position)
  const where = place ? ` (line ${place.line}, column ${place.column})` : ''
  return new TicklakeError('invalid_input', `sql: ${said}${where}`, {
    field: 'sql',
    value: text,
    ...(place && { position: place }),
  })
}

function placeOf(text: string, bytes: number): TextPosition {
  const before = [...Buffer.from(text).subarray(0, bytes).toString()]
  const line = before.filter((character) => character === '\n').length + 1
  return { offset: before.length, line, column: before.length - before.lastIndexOf('\n') }
}
