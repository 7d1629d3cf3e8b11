import { asofResource } from './asof.js'
import { barsResource } from './bars.js'
import { correctionsResource } from './corrections.js'
import { coverageResource } from './coverage.js'
import { countResource, eventsResource } from './events.js'
import { latestResource, snapshotsResource, symbolsResource } from './instruments.js'
import { marketSnapshotResource } from './market-snapshot.js'
import { qualityResource, tableQualityResource } from './quality.js'
import { quarantineResource } from './quarantine.js'
import type { Resource } from './resource.js'
import { vwapResource } from './vwap.js'

/** Everything that is answered from the tables. */
export const RESOURCES: readonly Resource[] = [
  eventsResource('trades'),
  eventsResource('quotes'),
  countResource('trades'),
  countResource('quotes'),
  barsResource,
  vwapResource,
  asofResource,
  marketSnapshotResource,
  latestResource,
  symbolsResource,
  coverageResource,
  qualityResource,
  tableQualityResource,
  quarantineResource,
  correctionsResource,
  snapshotsResource,
]
