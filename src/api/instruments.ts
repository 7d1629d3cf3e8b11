import { z } from 'zod'
import { rowFields, SYMBOL_FIELDS } from '#query'
import {
  eitherFieldsParameter,
  ofTableParameter,
  pageParameters,
  selectionParameters,
  tableParameter,
} from './parameters.js'
import { selectionOf } from './request.js'
import { defineResource, rowOf, rowsOf, snapshotRowsSchema } from './resource.js'

/** /v1/latest */
export const latestResource = defineResource({
  path: '/v1/latest',
  summary: 'The newest trade or quote of each instrument, by exchange and symbol',
  parameters: { ...selectionParameters, ...ofTableParameter, ...eitherFieldsParameter, ...pageParameters },
  data: z.array(
    z.union([
      rowOf(rowFields('trades')).meta({ id: 'Trade' }),
      rowOf(rowFields('quotes')).meta({ id: 'Quote' }),
    ]),
  ),
  answer: (router, parameters, options) => {
    const { of: table, fields = null, limit, page_token: pageToken = null } = parameters
    return router.latest({ ...selectionOf(parameters), table, fields, limit, pageToken }, options)
  },
})

/** /v1/symbols */
export const symbolsResource = defineResource({
  path: '/v1/symbols',
  summary: 'The instruments that have events, by exchange and symbol',
  parameters: { ...selectionParameters, ...ofTableParameter, ...pageParameters },
  data: rowsOf('Symbol', SYMBOL_FIELDS),
  answer: (router, parameters, options) => {
    const { of: table, limit, page_token: pageToken = null } = parameters
    return router.symbols({ ...selectionOf(parameters), table, limit, pageToken }, options)
  },
})

/** /v1/snapshots */
export const snapshotsResource = defineResource({
  path: '/v1/snapshots',
  summary: 'The snapshots that a table keeps, oldest first',
  parameters: tableParameter,
  data: snapshotRowsSchema(),
  answer: (router, { table }, options) => router.snapshots({ table }, options),
})
