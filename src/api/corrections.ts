import { CORRECTION_FIELDS } from '#query'
import {
  correctionFieldsParameter,
  correctionListParameters,
  orderParameter,
  pageParameters,
  receivedParameters,
} from './parameters.js'
import { selectionOf } from './request.js'
import { defineResource, rowsOf } from './resource.js'

export const CORRECTIONS_PATH = '/v1/corrections'

/** GET /v1/corrections */
export const correctionsResource = defineResource({
  path: CORRECTIONS_PATH,
  summary: 'Corrections, each with what has become of it, by the time at which the log took them',
  parameters: {
    ...correctionListParameters,
    ...receivedParameters,
    ...orderParameter,
    ...correctionFieldsParameter,
    ...pageParameters,
  },
  data: rowsOf('Correction', CORRECTION_FIELDS),
  answer: (router, parameters, options) => {
    const { of = null, state = null, source = null } = parameters
    const { order, limit, fields = null, page_token: pageToken = null } = parameters
    const filter = { of, state, source }
    return router.corrections(
      { ...selectionOf(parameters), ...filter, order, fields, limit, pageToken },
      options,
    )
  },
})
