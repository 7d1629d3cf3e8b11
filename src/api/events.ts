import { COUNT_FIELDS, type MarketTable, rowFields } from '#query'
import { orderParameter, pageParameters, rowFieldsParameter, selectionParameters } from './parameters.js'
import { selectionOf } from './request.js'
import { defineResource, type Resource, rowOf, rowsOf } from './resource.js'

const NAMES: Readonly<Record<MarketTable, string>> = { trades: 'Trade', quotes: 'Quote' }

/** /v1/trades, /v1/quotes: their rows. */
export function eventsResource(table: MarketTable): Resource {
  return defineResource({
    path: `/v1/${table}`,
    summary: `The ${table} of a selection, by event time, nanoseconds and log position`,
    parameters: {
      ...selectionParameters,
      ...orderParameter,
      ...rowFieldsParameter(table),
      ...pageParameters,
    },
    data: rowsOf(NAMES[table], rowFields(table)),
    answer: (router, parameters, options) => {
      const { order, limit, fields = null, page_token: pageToken = null } = parameters
      return router.rows({ ...selectionOf(parameters), table, order, fields, limit, pageToken }, options)
    },
  })
}

/** /v1/trades/count, /v1/quotes/count. */
export function countResource(table: MarketTable): Resource {
  return defineResource({
    path: `/v1/${table}/count`,
    summary: `How many ${table} a selection has`,
    parameters: selectionParameters,
    data: rowOf(COUNT_FIELDS),
    answer: (router, parameters, options) => router.count({ ...selectionOf(parameters), table }, options),
  })
}
