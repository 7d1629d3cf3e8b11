import express, { type Request, type RequestHandler, type Router } from 'express'
import type { EmbeddedRegistry } from '#ingest'
import { HttpError } from './problem.js'
import { REGISTRY_MEDIA_TYPE, REGISTRY_ROUTES, RegistryError, readRegistryBody } from './registry-routes.js'

/** Of a body. Confluent's own bound on a schema is below it. */
const MAX_BODY_BYTES = 1024 * 1024

/** Confluent's routes on the embedded registry. */
export function registryRouter(registry: EmbeddedRegistry): Router {
  const router = express.Router()
  const readText = express.text({ type: () => true, limit: MAX_BODY_BYTES })
  router.use((request, response, next) => {
    readText(request, response, (error?: unknown) => next(error === undefined ? undefined : bodyError(error)))
  })
  for (const route of REGISTRY_ROUTES) {
    router[route.method](expressPath(route.path), async (request, response) => {
      // Unknown query parameters are left alone: clients send many that mean nothing here (normalize, fetchMaxId).
      const part = (name: string) => String(request.params[name] ?? '')
      const answer = await route.answer(registry, {
        subject: part('subject'),
        version: part('version'),
        id: part('id'),
        schema: readRegistryBody(route, typeof request.body === 'string' ? request.body : ''),
      })
      response.setHeader('Content-Type', REGISTRY_MEDIA_TYPE)
      response.send(Buffer.from(JSON.stringify(answer)))
    })
  }
  for (const path of new Set(REGISTRY_ROUTES.map((route) => route.path))) {
    const methods = REGISTRY_ROUTES.filter((route) => route.path === path).map(({ method }) =>
      method.toUpperCase(),
    )
    router.all(expressPath(path), (request) => refuse(request, methods))
  }
  return router
}

/** Where the schemas of another registry are to be found. */
export function registryElsewhere(url: string): RequestHandler {
  return () => {
    throw new RegistryError(404, `schemas are not served here: the registry is at ${url}`)
  }
}

function expressPath(path: string): string {
  return path.replaceAll('{', ':').replaceAll('}', '')
}

function refuse({ method, originalUrl }: Request, allowed: readonly string[]): never {
  const methods = allowed.join(', ')
  // Records need their schemas for as long as there are any.
  const why = method === 'DELETE' ? 'schemas are never deleted; ' : ''
  throw new HttpError(405, `${method} is not for ${originalUrl}: ${why}it takes ${methods}`, {
    Allow: methods,
  })
}

function bodyError(error: unknown): unknown {
  const status = error instanceof Error && 'status' in error ? Number(error.status) : 500
  if (!(error instanceof Error) || status >= 500) return error
  return new RegistryError(
    status,
    status === 413 ? `the body is longer than ${MAX_BODY_BYTES} bytes` : error.message,
  )
}
