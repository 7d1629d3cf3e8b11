import { invalid, parseTimeNanos } from '#core'
import { MARKET_SNAPSHOT_FIELDS } from '#query'
import {
  asOfParameter,
  instrumentParameters,
  marketSnapshotFieldsParameter,
  momentParameters,
  pageParameters,
} from './parameters.js'
import { selectionOf } from './request.js'
import { defineResource, rowsOf } from './resource.js'

/** /v1/snapshot */
export const marketSnapshotResource = defineResource({
  path: '/v1/snapshot',
  summary: 'The last trade and the last quote of each instrument at a moment, by exchange and symbol',
  parameters: {
    ...asOfParameter,
    ...instrumentParameters,
    ...momentParameters,
    ...marketSnapshotFieldsParameter,
    ...pageParameters,
  },
  data: rowsOf('MarketSnapshot', MARKET_SNAPSHOT_FIELDS),
  answer: (router, parameters, options) => {
    const { at, max_age: maxAgeSeconds, fields = null, limit, page_token: pageToken = null } = parameters
    const moment = at === undefined ? null : parseTimeNanos('at', at)
    if (maxAgeSeconds !== undefined && moment === null)
      throw invalid('max_age', `${maxAgeSeconds}s`, 'given with at: the age is that at the moment')
    const endNanos = moment === null ? null : moment + 1n
    const startNanos =
      moment === null || maxAgeSeconds === undefined ? null : moment - BigInt(maxAgeSeconds) * 1_000_000_000n
    const selection = { ...selectionOf(parameters), startNanos, endNanos }
    return router.marketSnapshot({ ...selection, fields, limit, pageToken }, options)
  },
})
