import express, { type Router } from 'express'
import { z } from 'zod'
import { invalid } from '#core'
import type { QueryRouter } from '#query'
import { bodyText, readBody } from './body.js'
import { clientSignal, NO_PARAMETERS, parseParameters, readParameters } from './request.js'
import type { Resource } from './resource.js'

/** A question, to be judged before it is put. */
export const estimateRequestSchema = z
  .strictObject({
    path: z.string().meta({ description: 'of a list', example: '/v1/bars' }),
    query: z
      .record(z.string(), z.string().meta({ description: 'value of the parameter of that name' }))
      .default({})
      .meta({ description: 'its query parameters, as texts', example: { symbols: 'BHP', interval: '5m' } }),
  })
  .meta({ id: 'EstimateRequest' })

const count = z.int().min(0)

/** What an answer would cost. */
export const estimateSchema = z
  .object({
    files: count.meta({ description: 'files that would be read' }),
    bytes: count.meta({ description: 'size of these files' }),
    rows: count.meta({ description: 'rows of these files and of the tail, before any filter' }),
    rows_read: count.meta({ description: 'about so many of them would be looked at' }),
    predicted_ms: z.number().meta({ description: 'about how long it would take on an idle machine' }),
  })
  .meta({ id: 'Estimate' })

/** /v1/estimate */
export function estimateRouter(router: QueryRouter, resources: readonly Resource[]): Router {
  const routes = express.Router()
  routes.post('/', bodyText(), async (request, response) => {
    readParameters(request, NO_PARAMETERS)
    const asked = readBody(request, estimateRequestSchema)
    const data = await estimate(router, resources, asked, clientSignal(response))
    response.json({ data, complete: true, next_page_token: null })
  })
  return routes
}

/** Plans what a list would read. `invalid_input` for what is no list, or no parameter of it. */
async function estimate(
  router: QueryRouter,
  resources: readonly Resource[],
  { path, query }: z.output<typeof estimateRequestSchema>,
  signal: AbortSignal,
): Promise<z.output<typeof estimateSchema>> {
  const lists = resources.filter(({ parameters }) => 'explain' in parameters.shape)
  const resource = lists.find((candidate) => candidate.path === path)
  if (!resource) throw invalid('path', path, `one of ${lists.map((list) => list.path).join(', ')}`)
  const parsed = parseParameters(new URLSearchParams(query), resource.parameters)
  const answer = await resource.answer(router, parsed, { encoding: 'json', signal, explain: true })
  // The router wrote the plan, whose estimate has this form.
  return (JSON.parse((await answer.data.bytes()).toString()) as { estimate: z.output<typeof estimateSchema> })
    .estimate
}
