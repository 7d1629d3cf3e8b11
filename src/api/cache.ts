import express, { type Router } from 'express'
import { z } from 'zod'
import type { AnswerCache } from '#query'
import { NO_PARAMETERS, readParameters } from './request.js'

const count = z.int().min(0)

/** A layer of the cache, as GET /admin/cache answers it. */
export const cacheLayerSchema = z
  .object({
    layer: z.enum(['memory', 'redis']).meta({ description: 'where rows are kept' }),
    hits: count.meta({ description: 'rows that were found, since the process began' }),
    misses: count.meta({ description: 'rows that were not' }),
    entries: count.nullable().meta({ description: 'what is kept now; null: it is not counted here' }),
    bytes: count.nullable().meta({ description: 'size of that, in bytes' }),
    refused: count.meta({ description: 'what was not kept: too large, or no room' }),
    failure: z.string().nullable().meta({ description: 'why it does not answer; null: it does' }),
  })
  .meta({ id: 'CacheLayer' })

/** What DELETE /admin/cache answers of each layer. */
export const clearedLayerSchema = z
  .object({
    layer: z.enum(['memory', 'redis']).meta({ description: 'where rows were kept' }),
    entries: count.meta({ description: 'how many entries were forgotten' }),
  })
  .meta({ id: 'ClearedLayer' })

/** /admin/cache */
export function cacheRouter(cache: AnswerCache): Router {
  const router = express.Router()
  router.get('/', (request, response) => {
    readParameters(request, NO_PARAMETERS)
    response.json({ data: cache.status(), complete: true, next_page_token: null })
  })
  router.delete('/', async (request, response) => {
    readParameters(request, NO_PARAMETERS)
    response.json({ data: await cache.clear(), complete: true, next_page_token: null })
  })
  return router
}
