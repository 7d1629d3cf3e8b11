import type { ConditionTable, SessionCalendars } from '#core'

/** What is known of markets beside their data: when they trade, and what the conditions of their prints mean. */
export interface MarketRules {
  readonly sessions: SessionCalendars
  readonly conditions: readonly ConditionTable[]
}
