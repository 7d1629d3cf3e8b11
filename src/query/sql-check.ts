import { FUNCTIONS, PARSER_FUNCTIONS, TABLE_FUNCTIONS, TYPES } from './sql-functions.js'
import { GRAMMAR, OPERATORS, type Rule } from './sql-grammar.js'
import { isNode, isNumber, locationOf, type Node } from './sql-tree.js'

/** What a statement is refused for, and where, in bytes from its start. */
export class SqlRefusal extends Error {
  readonly position: number | null

  constructor(message: string, position: number | null) {
    super(message)
    this.name = 'SqlRefusal'
    this.position = position
  }
}

/** A statement that reads nothing but tables that it was given, under names that nothing else has. */
export interface CheckedTree {
  readonly tree: Node
  /** The tables that it reads. */
  readonly tables: ReadonlySet<string>
  /** Its parameters by name: "1", "2" and so on of `?`. */
  readonly parameters: ReadonlySet<string>
}

/** What a table is called where the statement runs. No table, view or file has such a name: only a WITH can mean it. */
export function lakeName(table: string): string {
  return `lake ${table}`
}

/**
 * Checks a statement's tree against the allow-lists, node by node and member by member, and renames what it reads: its
 * own WITH names to "cte 0", "cte 1", …, tables to `lakeName`. So whatever scope DuckDB finds a name in, it means one of them
 * or nothing. Whole parameters (`integers`) are cast to BIGINT, so that what is computed with them stays exact. Pure.
 */
export function checkTree(
  statement: Node,
  tables: ReadonlySet<string>,
  integers: ReadonlySet<string>,
): CheckedTree {
  const check = new Check(tables, integers)
  check.collect(statement, null)
  const node = check.node(statement.node, null)
  return {
    tree: { node, named_param_map: statement.named_param_map },
    tables: check.read,
    parameters: check.parameters,
  }
}

class Check {
  readonly read = new Set<string>()
  readonly parameters = new Set<string>()
  readonly #tables: ReadonlySet<string>
  readonly #integers: ReadonlySet<string>
  readonly #ctes = new Map<string, string>()

  constructor(tables: ReadonlySet<string>, integers: ReadonlySet<string>) {
    this.#tables = tables
    this.#integers = integers
  }

  /** The names of all WITHs, wherever they are: which of them is in scope where is for DuckDB to say. */
  collect(value: unknown, at: number | null): void {
    if (Array.isArray(value)) for (const part of value) this.collect(part, at)
    if (!isNode(value)) return
    const here = locationOf(value) ?? at
    const map = isNode(value.cte_map) && Array.isArray(value.cte_map.map) ? value.cte_map.map : []
    for (const { key } of map) {
      const name = String(key).toLowerCase()
      if (this.#tables.has(name))
        throw new SqlRefusal(`${key} is a table: call what WITH names otherwise`, here)
      if (!this.#ctes.has(name)) this.#ctes.set(name, `cte ${this.#ctes.size}`)
    }
    for (const part of Object.values(value)) this.collect(part, here)
  }

  node(value: unknown, at: number | null): unknown {
    if (value === null) return null
    if (!isNode(value)) throw new SqlRefusal('a part of it is not understood here', at)
    const here = locationOf(value) ?? at
    const kind = value.class === undefined ? String(value.type) : `expression ${value.class}`
    const members = GRAMMAR.get(kind)
    if (!members) throw new SqlRefusal(`${nameOf(kind)} is not allowed`, here)
    const checked = Object.fromEntries(
      Object.entries(value).map(([name, member]) => {
        const rule = members[name] ?? 'nothing'
        return [name, this.#member(rule, member, here, `${name} of ${nameOf(kind)}`)]
      }),
    )
    if (kind === 'BASE_TABLE' && value.alias === '') return { ...checked, alias: value.table_name }
    if (kind === 'expression FUNCTION' || kind === 'expression WINDOW') requireSchema(value, here)
    if (kind === 'expression CONSTANT') return exactDouble(checked)
    if (kind === 'expression PARAMETER' && this.#integers.has(String(value.identifier)))
      return cast(checked, 'BIGINT')
    return checked
  }

  #member(rule: Rule, value: unknown, at: number | null, what: string): unknown {
    switch (rule) {
      case 'nothing':
        if (!isNothing(value)) throw new SqlRefusal(`${what} is not allowed`, at)
        return value
      case 'value':
        if (!isValue(value)) throw new SqlRefusal(`${what} is not allowed`, at)
        return value
      case 'node':
        return this.node(value, at)
      case 'nodes':
        return list(value, at).map((part) => this.node(part, at))
      case 'rows':
        return list(value, at).map((row) => list(row, at).map((part) => this.node(part, at)))
      case 'statement':
        return this.#statement(value, at)
      case 'ctes':
        return this.#ctesOf(value, at)
      case 'cte':
        return this.#ctes.get(String(value).toLowerCase()) ?? refuseTable(value, this.#tables, at)
      case 'table':
        return this.#table(String(value), at)
      case 'function':
        if (!FUNCTIONS.has(String(value).toLowerCase()))
          throw new SqlRefusal(`the function ${value} is not allowed`, at)
        return value
      case 'schema':
        if (value !== '' && value !== 'main')
          throw new SqlRefusal('a function is called by its name alone', at)
        return value
      case 'table function':
        return this.#tableFunction(value, at)
      case 'type':
        checkType(value, at)
        return value
      case 'constant':
        if (!isNode(value)) throw new SqlRefusal(`${what} is not understood here`, at)
        checkType(value.type, at)
        return value
      case 'parameter':
        this.parameters.add(String(value))
        return value
      case 'operator':
        if (!OPERATORS.has(String(value))) throw new SqlRefusal(`${nameOf(String(value))} is not allowed`, at)
        return value
      case 'cases':
        return list(value, at).map((part) => this.#parts(part, at, ['when_expr', 'then_expr'], []))
      case 'replacements':
        return list(value, at).map((part) => this.#parts(part, at, ['value'], ['key']))
    }
  }

  /** An object that is no node itself: these members are nodes, those are values, and there are no others. */
  #parts(part: unknown, at: number | null, nodes: readonly string[], values: readonly string[]): Node {
    if (!isNode(part)) throw new SqlRefusal('a part of it is not understood here', at)
    const members = Object.entries(part).map(([name, value]) => {
      const rule = nodes.includes(name) ? 'node' : values.includes(name) ? 'value' : 'nothing'
      return [name, this.#member(rule, value, at, name)] as const
    })
    return Object.fromEntries(members)
  }

  #statement(value: unknown, at: number | null): unknown {
    if (value === null) return null
    if (!isNode(value)) throw new SqlRefusal('a part of it is not understood here', at)
    return { node: this.node(value.node, at), named_param_map: value.named_param_map }
  }

  #ctesOf(value: unknown, at: number | null): Node {
    if (!isNode(value)) throw new SqlRefusal('a part of it is not understood here', at)
    const map = list(value.map, at).map((entry) => {
      if (!isNode(entry) || !isNode(entry.value)) throw new SqlRefusal('a WITH is not understood here', at)
      const { query, aliases, materialized, ...rest } = entry.value
      if (!isNothing(rest)) throw new SqlRefusal('USING KEY is not allowed', at)
      const definition = { ...rest, aliases, materialized, query: this.#statement(query, at) }
      return { key: this.#ctes.get(String(entry.key).toLowerCase()), value: definition }
    })
    return { map }
  }

  #table(name: string, at: number | null): string {
    const folded = name.toLowerCase()
    const cte = this.#ctes.get(folded)
    if (cte !== undefined) return cte
    if (!this.#tables.has(folded)) refuseTable(name, this.#tables, at)
    this.read.add(folded)
    return lakeName(folded)
  }

  #tableFunction(value: unknown, at: number | null): unknown {
    const name = isNode(value) ? String(value.function_name).toLowerCase() : ''
    if (!isNode(value) || value.class !== 'FUNCTION' || !TABLE_FUNCTIONS.has(name)) {
      const allowed = [...TABLE_FUNCTIONS].join(', ')
      throw new SqlRefusal(`FROM ${name}(): only ${allowed} are allowed there`, at)
    }
    requireSchema(value, locationOf(value) ?? at)
    // What it is called with is an expression like any other; it itself is none: range() as a list is not allowed.
    const checked = this.node({ ...value, function_name: 'unnest' }, at)
    return { ...(checked as Node), function_name: value.function_name }
  }
}

function requireSchema({ schema, function_name: name }: Node, at: number | null): void {
  if (schema === '' || PARSER_FUNCTIONS.has(String(name))) return
  throw new SqlRefusal('a function is called by its name alone', at)
}

function refuseTable(name: unknown, tables: ReadonlySet<string>, at: number | null): never {
  const there = [...tables].join(', ')
  throw new SqlRefusal(`there is no table ${JSON.stringify(String(name))}; there are ${there}`, at)
}

function checkType(type: unknown, at: number | null): void {
  if (!isNode(type)) throw new SqlRefusal('a type is not understood here', at)
  const info = isNode(type.type_info) ? type.type_info : {}
  const id = String(type.id)
  const name = id === 'UNBOUND' ? String(info.name) : id
  if (!TYPES.has(name.toUpperCase().replaceAll(' ', '_')))
    throw new SqlRefusal(`the type ${name} is not allowed`, at)
  for (const [member, value] of Object.entries(info)) {
    if (member === 'child_type') checkType(value, at)
    else if (member === 'child_types')
      for (const { second } of list(value, at) as Node[]) checkType(second, at)
    else if (!isValue(value) || ((member === 'schema' || member === 'catalog') && value !== '')) {
      throw new SqlRefusal(`${member} of a type is not allowed`, at)
    }
  }
}

/** 1e10 is a DOUBLE; written back it would be a decimal. */
function exactDouble(constant: Node): Node {
  const value = constant.value
  if (!isNode(value) || !isNode(value.type) || value.type.id !== 'DOUBLE') return constant
  const text = { type: { id: 'VARCHAR', type_info: null }, is_null: false, value: String(value.value) }
  return cast({ ...constant, value: text }, 'DOUBLE')
}

function cast(child: Node, id: string): Node {
  const { alias, query_location } = child
  const inner = { ...child, alias: '' }
  return {
    class: 'CAST',
    type: 'OPERATOR_CAST',
    alias,
    query_location,
    child: inner,
    cast_type: { id, type_info: null },
    try_cast: false,
  }
}

function list(value: unknown, at: number | null): readonly unknown[] {
  if (!Array.isArray(value)) throw new SqlRefusal('a part of it is not understood here', at)
  return value
}

function isNothing(value: unknown): boolean {
  if (Array.isArray(value)) return value.length === 0
  if (isNode(value)) return Object.values(value).every(isNothing)
  return value === null || value === '' || value === false
}

/** Texts, numbers, and lists and objects of them; no node. */
function isValue(value: unknown): boolean {
  if (Array.isArray(value)) return value.every(isValue)
  if (isNode(value)) return !('class' in value) && Object.values(value).every(isValue)
  return value === null || ['string', 'boolean'].includes(typeof value) || isNumber(value)
}

/** OPERATOR_UNPACK, expression STAR → as one says it. */
function nameOf(kind: string): string {
  return kind
    .replace(/^expression /, '')
    .replaceAll('_', ' ')
    .toLowerCase()
}
