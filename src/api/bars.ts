import { invalid } from '#core'
import { BAR_FIELDS } from '#query'
import {
  barFieldsParameter,
  barParameters,
  orderParameter,
  pageParameters,
  selectionParameters,
} from './parameters.js'
import { clockOf, selectionOf } from './request.js'
import { defineResource, rowsOf } from './resource.js'

/** /v1/bars */
export const barsResource = defineResource({
  path: '/v1/bars',
  summary: 'Bars of trades, or of the bid, ask or mid of quotes, by time, exchange and symbol',
  parameters: {
    ...selectionParameters,
    ...barParameters,
    ...orderParameter,
    ...barFieldsParameter,
    ...pageParameters,
  },
  data: rowsOf('Bar', BAR_FIELDS),
  answer: (router, parameters, options) => {
    const {
      of,
      interval: intervalSeconds,
      prints,
      fill,
      order,
      limit,
      fields = null,
      page_token: pageToken = null,
    } = parameters
    if (prints !== 'all' && of !== 'trades') throw invalid('prints', prints, 'given with of=trades')
    const shape = { of, intervalSeconds, prints, fill, order, fields, limit, pageToken }
    const clock = clockOf(intervalSeconds, parameters)
    return router.bars({ ...selectionOf(parameters), ...clock, ...shape }, options)
  },
})
