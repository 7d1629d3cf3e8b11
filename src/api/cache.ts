import type { Request, Response } from 'express'
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

/** GET and DELETE /admin/cache. */
export function cacheRoutes(cache: AnswerCache) {
  return {
    get: (request: Request, response: Response) => {
      readParameters(request, NO_PARAMETERS)
      const layers: readonly z.output<typeof cacheLayerSchema>[] = cache.status()
      answer(response, layers)
    },
    clear: async (request: Request, response: Response) => {
      readParameters(request, NO_PARAMETERS)
      const cleared: readonly z.output<typeof clearedLayerSchema>[] = await cache.clear()
      answer(response, cleared)
    },
  }
}

function answer(response: Response, data: unknown): void {
  response.json({ data, complete: true, next_page_token: null })
}
