const COMMENT = /^# (HELP|TYPE) ([a-z_:][a-z0-9_:]*) (.+)$/
const SAMPLE = /^([a-z_:][a-z0-9_:]*)(?:\{([^}]*)\})? (\S+)$/
const LABEL = /^([a-z_][a-z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"$/

/** A scrape in Prometheus' text format: values by `name` or `name{label="value",…}`, labels in order. */
export type Exposition = ReadonlyMap<string, number>

/** Reads the format strictly: throws on a line that is none, a sample without HELP and TYPE before it, and twice the same. */
export function parseExposition(text: string): Exposition {
  const values = new Map<string, number>()
  const types = new Map<string, string>()
  const helped = new Set<string>()
  if (!text.endsWith('\n')) throw new SyntaxError('the last line has no end')
  for (const line of text.split('\n').filter((candidate) => candidate !== '')) {
    const [, kind, metric, rest] = COMMENT.exec(line) ?? []
    if (kind === 'HELP') helped.add(metric!)
    else if (kind === 'TYPE') types.set(metric!, rest!)
    else readSample(line, types, helped, values)
  }
  return values
}

function readSample(
  line: string,
  types: ReadonlyMap<string, string>,
  helped: ReadonlySet<string>,
  values: Map<string, number>,
): void {
  const [, name, labels, number] = SAMPLE.exec(line) ?? []
  if (name === undefined) throw new SyntaxError(`not a sample: ${line}`)
  const family = types.has(name) ? name : name.replace(/_(bucket|sum|count)$/, '')
  if (!types.has(family) || !helped.has(family)) throw new SyntaxError(`without HELP or TYPE: ${line}`)
  const pairs = labels === undefined || labels === '' ? [] : labels.split(',')
  for (const pair of pairs) if (!LABEL.test(pair)) throw new SyntaxError(`not a label: ${pair}`)
  const key = pairs.length === 0 ? name : `${name}{${[...pairs].sort().join(',')}}`
  const value = number === '+Inf' ? Number.POSITIVE_INFINITY : number === 'Nan' ? Number.NaN : Number(number)
  if (Number.isNaN(value) && number !== 'Nan') throw new SyntaxError(`not a number: ${line}`)
  if (values.has(key)) throw new SyntaxError(`twice: ${key}`)
  values.set(key, value)
}
