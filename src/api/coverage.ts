import { COVERAGE_FIELDS } from '#query'
import { ofTableParameter, pageParameters, selectionParameters } from './parameters.js'
import { selectionOf } from './request.js'
import { defineResource, rowsOf } from './resource.js'

/** /v1/coverage */
export const coverageResource = defineResource({
  path: '/v1/coverage',
  summary: 'What is there and what is missing of each instrument, by trading session',
  parameters: { ...selectionParameters, ...ofTableParameter, ...pageParameters },
  data: rowsOf('Coverage', COVERAGE_FIELDS),
  answer: (router, parameters, options) => {
    const { of: table, limit, page_token: pageToken = null } = parameters
    return router.coverage({ ...selectionOf(parameters), table, limit, pageToken }, options)
  },
})
