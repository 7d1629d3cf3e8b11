import type { ConditionTable, PrintUse } from '#core'

/** The codes of a print, the slow, obvious way. */
export function codesOf(conditions: string, { written }: ConditionTable): readonly string[] {
  const words = conditions.split(/[\s,]+/)
  switch (written) {
    case 'characters':
      return [...conditions].filter((character) => character !== ' ')
    case 'words':
      return words.filter((word) => word !== '')
    case 'flags': {
      const flags = [...Number.parseInt(words[0] || '0', 16).toString(2)].reverse()
      const set = flags.flatMap((bit, index) => (bit === '1' ? [(2 ** index).toString(16)] : []))
      return [...set, ...words.slice(1).filter((word) => word !== '')]
    }
  }
}

/** Whether a print counts for a use, one code after the other. */
export function counts(
  exchange: string,
  conditions: string | null,
  use: PrintUse,
  tables: readonly ConditionTable[],
): boolean {
  const table = tables.find(({ exchanges }) => exchanges.includes(exchange))
  if (!table) return true
  const codes = codesOf(conditions ?? '', table)
  return codes.every((code) => {
    const known = table.codes.find((one) => one.code === code)
    if (!known) return (table.written === 'flags' && /^[1248]0*$/.test(code)) || table.others.includes(use)
    return known.counts.includes(use) || known.unless.some((other) => codes.includes(other))
  })
}
