import { type CodeForm, type ConditionTable, type PrintUse, unreachable } from '#core'
import { sqlString } from '#engine'

/** The columns that `countsFor` reads. */
export const PRINT_COLUMNS = ['exchange', 'conditions'] as const

/** SQL: whether a print counts for a use. Those of an exchange without a table, and those without a condition, count for all. */
export function countsFor(use: PrintUse, tables: readonly ConditionTable[]): string {
  const cases = tables.map(
    (table) => `WHEN exchange IN (${table.exchanges.map(sqlString).join(', ')}) THEN ${byTable(table, use)}`,
  )
  return cases.length === 0 ? 'true' : `CASE ${cases.join(' ')} ELSE true END`
}

function byTable({ written, codes, others }: ConditionTable, use: PrintUse): string {
  const barring = codes.filter(({ counts }) => !counts.includes(use))
  // Codes that give way to the same others are looked for together.
  const groups = new Map<string, { readonly codes: string[]; readonly unless: readonly string[] }>()
  for (const { code, unless } of barring) {
    const key = JSON.stringify(unless)
    const group = groups.get(key) ?? { codes: [], unless }
    group.codes.push(code)
    groups.set(key, group)
  }
  const conditions = [...groups.values()].map((group) =>
    group.unless.length === 0
      ? `NOT ${hasAny(written, group.codes)}`
      : `(NOT ${hasAny(written, group.codes)} OR ${hasAny(written, group.unless)})`,
  )
  const known = codes.map(({ code }) => code)
  if (!others.includes(use)) conditions.push(hasOnly(written, known))
  return conditions.length === 0 ? 'true' : `(${conditions.join(' AND ')})`
}

const TEXT = `coalesce(conditions, '')`
const WORDS = `string_split_regex(${TEXT}, '[\\s,]+')`
const NUMBER = `coalesce(TRY_CAST('0x' || regexp_extract(${TEXT}, '^\\s*([0-9a-fA-F]+)', 1) AS BIGINT), 0)`

/** SQL: whether one of these codes is there. */
function hasAny(written: CodeForm, codes: readonly string[]): string {
  switch (written) {
    case 'characters':
      return `translate(${TEXT}, ${sqlString(codes.join(''))}, '') <> ${TEXT}`
    case 'words':
      return `list_has_any(${WORDS}, ${listOf(codes)})`
    case 'flags': {
      const [mask, words] = flagsOf(codes)
      const isFlagged = `(${NUMBER} & ${mask}) <> 0`
      return words.length === 0 ? isFlagged : `(${isFlagged} OR list_has_any(${WORDS}[2:], ${listOf(words)}))`
    }
    default:
      unreachable(written)
  }
}

/** SQL: whether there is no other code; of flags, no other word after them. */
function hasOnly(written: CodeForm, codes: readonly string[]): string {
  switch (written) {
    case 'characters':
      return `translate(${TEXT}, ${sqlString(` ${codes.join('')}`)}, '') = ''`
    case 'words':
      return `list_has_all(${listOf(['', ...codes])}, ${WORDS})`
    case 'flags':
      return `list_has_all(${listOf(['', ...flagsOf(codes)[1]])}, ${WORDS}[2:])`
    default:
      unreachable(written)
  }
}

/** The flags of codes as one number, and the codes that are none. */
function flagsOf(codes: readonly string[]): readonly [mask: bigint, words: readonly string[]] {
  const isFlag = (code: string) => /^[1248]0{0,14}$/.test(code)
  const mask = codes.filter(isFlag).reduce((sum, code) => sum | BigInt(`0x${code}`), 0n)
  return [mask, codes.filter((code) => !isFlag(code))]
}

function listOf(codes: readonly string[]): string {
  return `[${codes.map(sqlString).join(', ')}]`
}
