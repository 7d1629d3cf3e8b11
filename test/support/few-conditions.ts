import type { ConditionTable } from '#core'

/** Of one exchange, and of few codes: others are unknown to it. */
export const FEW_CONDITIONS: readonly ConditionTable[] = [
  {
    exchanges: ['ASX'],
    written: 'words',
    codes: [
      { code: 'V', counts: ['volume'], unless: ['R'] },
      { code: 'H', counts: ['highLow', 'volume'], unless: [] },
      { code: 'C', counts: ['openClose', 'highLow'], unless: [] },
    ],
    others: [],
  },
]
