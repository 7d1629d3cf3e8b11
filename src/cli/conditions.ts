import { z } from 'zod'
import { CODE_FORMS, type ConditionTable, invalid, PRINT_USES } from '#core'
import { section } from '../settings-file.js'
import { exchangeDefinitions, readDefinition } from './definitions.js'

const EXCHANGES_EXPECTED = 'a list of exchanges such as [XNAS]'
const USES_EXPECTED = `a list of ${PRINT_USES.join(', ')}, or []`
const CODES_EXPECTED = 'a list of codes such as [1, 40]'

const USES = z.array(z.enum(PRINT_USES, USES_EXPECTED), USES_EXPECTED)
/** YAML has 20 as a number. */
const CODE = z.union([z.string().min(1), z.int().transform(String)], CODES_EXPECTED)

const TABLE = section({
  exchanges: z
    .array(z.string(EXCHANGES_EXPECTED).min(1, EXCHANGES_EXPECTED), EXCHANGES_EXPECTED)
    .min(1, EXCHANGES_EXPECTED),
  written: z.enum(CODE_FORMS, `one of ${CODE_FORMS.join(', ')}: how codes are written`),
  codes: z.record(
    z.string(),
    z.union(
      [
        USES.transform((counts) => ({ counts, unless: [] as string[] })),
        z.strictObject({ counts: USES, unless: z.array(CODE, CODES_EXPECTED) }),
      ],
      `${USES_EXPECTED}, or {counts: such a list, unless: codes beside which it is not so}`,
    ),
    'what each code counts for',
  ),
  others: USES,
})

/** The condition tables of a folder's YAML files. `invalid_input` names the file, the key, the value and what would be right. */
export function loadConditions(folder: string): Promise<readonly ConditionTable[]> {
  return exchangeDefinitions(folder, parseConditions)
}

/** One file's text. */
export function parseConditions(name: string, text: string): ConditionTable {
  const { exchanges, written, codes, others } = readDefinition(name, text, TABLE)
  const entries = Object.entries(codes).map(([code, { counts, unless }]) => ({ code, counts, unless }))
  for (const code of entries.flatMap((entry) => [entry.code, ...entry.unless])) {
    if (written === 'characters' && [...code].length !== 1)
      throw invalid(`${name}, codes`, code, 'one character')
    if (written !== 'characters' && /[\s,]/.test(code)) throw invalid(`${name}, codes`, code, 'one word')
  }
  return { exchanges, written, codes: entries, others }
}
