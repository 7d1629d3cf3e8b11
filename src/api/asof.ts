import { ASOF_FIELDS } from '#query'
import {
  asofFieldsParameter,
  asofParameters,
  orderParameter,
  pageParameters,
  selectionParameters,
} from './parameters.js'
import { selectionOf } from './request.js'
import { defineResource, rowsOf } from './resource.js'

/** /v1/asof */
export const asofResource = defineResource({
  path: '/v1/asof',
  summary: 'The trades of a selection, each with the quote that prevailed at it',
  parameters: {
    ...selectionParameters,
    ...asofParameters,
    ...orderParameter,
    ...asofFieldsParameter,
    ...pageParameters,
  },
  data: rowsOf('TradeAndQuote', ASOF_FIELDS),
  answer: (router, parameters, options) => {
    const { prevailing, max_age: maxAgeSeconds, order, limit } = parameters
    const { fields = null, page_token: pageToken = null } = parameters
    const shape = { prevailing, maxAgeSeconds, order, fields, limit, pageToken }
    return router.asof({ ...selectionOf(parameters), ...shape }, options)
  },
})
