import express, { type Request, type Router } from 'express'
import { asRequest, type CatalogServer, parseJson } from '#storage'
import { Admission } from './admission.js'
import { AnsweredRequests } from './answered-requests.js'
import {
  configJson,
  ICEBERG_ROOT,
  ICEBERG_ROUTES,
  type IcebergAnswer,
  type IcebergQuestion,
  type IcebergRoute,
  icebergProblem,
  namespaceOf,
} from './iceberg-routes.js'
import { HttpError, type Problem } from './problem.js'

export interface IcebergOptions {
  readonly catalog: CatalogServer
  /** Other engines read only. */
  readonly isReadOnly: boolean
}

/** Of a body: a commit that removes 10,000 snapshots is 200 kB. */
const MAX_BODY_BYTES = 16 * 1024 * 1024
const MAX_REQUESTS = 64
const MAX_UNDER_WAY_BYTES = 64 * 1024 * 1024

const KEY_HEADER = 'Idempotency-Key'

/** Iceberg's REST catalog protocol on the tables here. */
export function icebergRouter({ catalog, isReadOnly }: IcebergOptions): Router {
  const router = express.Router()
  const admission = new Admission({ maxRequests: MAX_REQUESTS, maxUnderWayBytes: MAX_UNDER_WAY_BYTES })
  const answered = new AnsweredRequests<IcebergAnswer>()
  const readText = express.text({ type: () => true, limit: MAX_BODY_BYTES })
  const config = configJson(isReadOnly)
  router.get('/v1/config', (_, response) => void response.type('json').send(config))
  router.use((request, response, next) => {
    const leave = admission.enter(Number(request.get('content-length') ?? 0))
    response.once('close', leave)
    readText(request, response, (error?: unknown) => next(error === undefined ? undefined : bodyError(error)))
  })
  for (const route of ICEBERG_ROUTES) {
    router[route.method](expressPath(route.path), async (request, response) => {
      if (isReadOnly && route.isWrite) {
        throw new HttpError(
          403,
          'this catalog is read-only (catalog.readOnly): nothing is changed through it',
        )
      }
      const text = typeof request.body === 'string' ? request.body : ''
      const work = () => answerTo(route, catalog, request, text)
      const key = route.isWrite ? request.get(KEY_HEADER) : undefined
      const answer = await (key === undefined
        ? work()
        : answered.answer(key, [request.method, request.originalUrl, text], work))
      response.status(answer.status)
      if (answer.status === 204) response.end()
      else response.type('json').send(answer.text)
    })
  }
  for (const path of new Set(ICEBERG_ROUTES.map((route) => route.path))) {
    const methods = ICEBERG_ROUTES.filter((route) => route.path === path).map(({ method }) =>
      method.toUpperCase(),
    )
    router.all(expressPath(path), (request) => {
      const message = `${request.method} is not for ${request.originalUrl}: it takes ${methods.join(', ')}`
      throw new HttpError(405, message, { Allow: methods.join(', ') })
    })
  }
  return router
}

/** The answer to a request below ICEBERG_ROOT that failed. */
export function icebergFailure(error: unknown, problem: Problem, { method, originalUrl }: Request) {
  const path = pathOf(originalUrl)
  const isAsked = (route: IcebergRoute) =>
    route.method === method.toLowerCase() &&
    new RegExp(`^${ICEBERG_ROOT}${pattern(route.path)}/?$`).test(path)
  return icebergProblem(error, problem, ICEBERG_ROUTES.find(isAsked))
}

async function answerTo(
  route: IcebergRoute,
  catalog: CatalogServer,
  request: Request,
  text: string,
): Promise<IcebergAnswer> {
  const part = (name: string) => String(request.params[name] ?? '')
  const question: IcebergQuestion = {
    namespace: namespaceOf(part('namespace')),
    table: part('table'),
    query: new URL(request.originalUrl, BASE).searchParams,
    body: text === '' ? null : asRequest(() => parseJson(text, 'the body')),
  }
  return route.answer(catalog, question)
}

/** URLs of requests are paths; the base is thrown away. */
const BASE = 'http://localhost'

function pathOf(originalUrl: string): string {
  return new URL(originalUrl, BASE).pathname
}

function expressPath(path: string): string {
  return path.replaceAll('{', ':').replaceAll('}', '')
}

function pattern(path: string): string {
  return path.replace(/\{\w+\}/g, '[^/]+')
}

function bodyError(error: unknown): unknown {
  const status = error instanceof Error && 'status' in error ? Number(error.status) : 500
  if (!(error instanceof Error) || status >= 500) return error
  return new HttpError(
    status,
    status === 413 ? `the body is longer than ${MAX_BODY_BYTES} bytes` : error.message,
  )
}
