import { QUALITY_FIELDS } from '#query'
import { ofTableParameter, pageParameters, selectionParameters } from './parameters.js'
import { selectionOf } from './request.js'
import { defineResource, rowsOf, tableQualitySchema } from './resource.js'

/** /v1/quality */
export const qualityResource = defineResource({
  path: '/v1/quality',
  summary:
    'How good the data of each instrument are: flags, freshness, completeness, and what became of its records',
  parameters: { ...selectionParameters, ...ofTableParameter, ...pageParameters },
  data: rowsOf('Quality', QUALITY_FIELDS),
  answer: (router, parameters, options) => {
    const { of: table, limit, page_token: pageToken = null } = parameters
    return router.quality({ ...selectionOf(parameters), table, limit, pageToken }, options)
  },
})

/** /v1/quality/tables */
export const tableQualityResource = defineResource({
  path: '/v1/quality/tables',
  summary:
    'What became of all that was meant for each table: accepted, quarantined by reason, dropped as duplicates',
  parameters: {},
  data: tableQualitySchema(),
  answer: (router, _parameters, options) => router.tableQuality(options),
})
