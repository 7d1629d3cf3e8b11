import type { TableAnswer } from './question.js'

export const FACETS = ['count', 'columns', 'days', 'products', 'predicates'] as const
export type Facet = (typeof FACETS)[number]

/** Where an answer differs from the one expected, as "place: is … instead of …". */
export function differences(actual: TableAnswer, expected: TableAnswer, facet: Facet): string[] {
  const found = flatten(facet, actual[facet])
  const wanted = flatten(facet, expected[facet])
  return [...new Set([...wanted.keys(), ...found.keys()])]
    .filter((place) => found.get(place) !== wanted.get(place))
    .map((place) => `${place}: is ${shown(found.get(place))} instead of ${shown(wanted.get(place))}`)
}

function flatten(place: string, value: unknown): Map<string, unknown> {
  if (typeof value !== 'object' || value === null) return new Map([[place, value]])
  return new Map(Object.entries(value).flatMap(([key, part]) => [...flatten(`${place}.${key}`, part)]))
}

function shown(value: unknown): string {
  return value === undefined ? 'absent' : JSON.stringify(value)
}
