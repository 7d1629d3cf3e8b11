import { isLosslessNumber, parse, stringify } from 'lossless-json'
import { TicklakeError } from '#core'

/** A node of DuckDB's parse tree, or a part of one. Numbers are as they were written: constants may exceed 2^53. */
export type Node = { readonly [name: string]: unknown }

/** Brackets within brackets of a tree's JSON: a sum of 100 terms has 200. Deeper ones could overflow a stack, here or in DuckDB. */
const MAX_DEPTH = 600

export function parseTree(json: string): unknown {
  if (depthOf(json) > MAX_DEPTH) {
    throw new TicklakeError('invalid_input', 'sql: it is nested too deeply: take it apart with WITH')
  }
  return parse(json)
}

export function treeText(tree: unknown): string {
  const text = stringify(tree)
  if (text === undefined) throw new TypeError('a tree has a text')
  return text
}

export function isNode(value: unknown): value is Node {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !isLosslessNumber(value)
}

export function isNumber(value: unknown): boolean {
  return isLosslessNumber(value)
}

/** Where a node begins in the text, in bytes; null where the parser does not say. */
export function locationOf(node: Node): number | null {
  const at = Number(node.query_location ?? Number.NaN)
  return Number.isSafeInteger(at) ? at : null
}

/**
 * Whether two trees are the same but for where their nodes are in the text; `meet` is told each pair of places. A list of
 * VALUES that DuckDB wraps in `SELECT * FROM (VALUES …) AS valueslist` when it writes it is what it was.
 */
export function isSameTree(
  one: unknown,
  other: unknown,
  meet: (one: number, other: number) => void,
): boolean {
  if (Array.isArray(one)) {
    return (
      Array.isArray(other) &&
      one.length === other.length &&
      one.every((part, index) => isSameTree(part, other[index], meet))
    )
  }
  if (isLosslessNumber(one)) return isLosslessNumber(other) && String(one) === String(other)
  if (!isNode(one) || !isNode(other)) return one === other
  const [a, b] = [unwrapped(one), unwrapped(other)]
  const [here, there] = [locationOf(a), locationOf(b)]
  if (here !== null && there !== null) meet(here, there)
  const names = Object.keys(a).filter((name) => !UNCOMPARED.has(name))
  return (
    names.length === Object.keys(b).filter((name) => !UNCOMPARED.has(name)).length &&
    names.every((name) => isSameTree(a[name], b[name], meet))
  )
}

/** The parameters are nodes themselves, each with its name. */
const UNCOMPARED = new Set(['query_location', 'named_param_map'])

function unwrapped(node: Node): Node {
  if (node.type !== 'SUBQUERY' || node.alias !== 'valueslist' || !isNode(node.subquery)) return node
  const query = node.subquery.node
  const values = isNode(query) ? query.from_table : null
  return isNode(values) && values.type === 'EXPRESSION_LIST' && values.alias === 'valueslist' ? values : node
}

function depthOf(json: string): number {
  let depth = 0
  let deepest = 0
  for (const [token] of json.matchAll(/"(?:[^"\\]|\\.)*"|[[\]{}]/g)) {
    if (token === '[' || token === '{') deepest = Math.max(deepest, ++depth)
    else if (token === ']' || token === '}') depth--
  }
  return deepest
}
