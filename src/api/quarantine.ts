import { QUARANTINE_FIELDS } from '#query'
import {
  orderParameter,
  pageParameters,
  quarantineFieldsParameter,
  quarantineParameters,
  receivedParameters,
} from './parameters.js'
import { selectionOf } from './request.js'
import { defineResource, rowsOf } from './resource.js'

/** /v1/quarantine */
export const quarantineResource = defineResource({
  path: '/v1/quarantine',
  summary: 'Records that were refused, whole, each with its reason, by the time at which the log took them',
  parameters: {
    ...quarantineParameters,
    ...receivedParameters,
    ...orderParameter,
    ...quarantineFieldsParameter,
    ...pageParameters,
  },
  data: rowsOf('RefusedRecord', QUARANTINE_FIELDS),
  answer: (router, parameters, options) => {
    const { of = null, reason = null, source: sourceId = null, kind = null } = parameters
    const { order, limit, fields = null, page_token: pageToken = null } = parameters
    const filter = { of, reason, sourceId, kind }
    return router.quarantine(
      { ...selectionOf(parameters), ...filter, order, fields, limit, pageToken },
      options,
    )
  },
})
