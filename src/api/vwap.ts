import { z } from 'zod'
import { invalid } from '#core'
import { VWAP_FIELDS, VWAP_INTERVAL_FIELDS } from '#query'
import { orderParameter, pageParameters, selectionParameters, vwapParameters } from './parameters.js'
import { clockOf, selectionOf } from './request.js'
import { defineResource, rowOf } from './resource.js'

/** /v1/vwap */
export const vwapResource = defineResource({
  path: '/v1/vwap',
  summary: 'Volume, notional and their quotient, by exchange and symbol, of a range or of its intervals',
  parameters: { ...selectionParameters, ...vwapParameters, ...orderParameter, ...pageParameters },
  data: z.array(
    z.union([
      rowOf(VWAP_FIELDS).meta({ id: 'Vwap' }),
      rowOf(VWAP_INTERVAL_FIELDS).meta({ id: 'VwapInterval' }),
    ]),
  ),
  answer: (router, parameters, options) => {
    const { interval, prints, order, limit, page_token: pageToken = null } = parameters
    if (interval === undefined) {
      for (const name of ['tz', 'session'] as const)
        if (parameters[name] !== undefined) throw invalid(name, parameters[name], 'given with an interval')
      if (order === 'desc') throw invalid('order', order, 'asc, unless an interval is given')
    }
    const clock = clockOf(interval ?? 0, parameters)
    const shape = { intervalSeconds: interval ?? null, prints, order, limit, pageToken }
    return router.vwap({ ...selectionOf(parameters), ...clock, ...shape }, options)
  },
})
