import { type Clock, createLogger } from '#core'
import { type Compactable, Maintenance } from '#storage'

/** The maintenance of some tables, which does nothing unless it is asked to. */
export function maintenanceOf(tables: readonly Compactable[], clock: Clock): Maintenance {
  return new Maintenance({
    tables,
    policy: {
      everyMs: 0,
      targetFileBytes: 2 ** 26,
      minInputFiles: 5,
      snapshots: { maxAgeMs: 432_000_000, minToKeep: 10, maxCount: 500 },
      orphansOlderThanMs: 259_200_000,
    },
    clock,
    logger: createLogger({ level: 'silent', format: 'json' }),
    mayRun: () => true,
  })
}
