import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import express, {
  type Express,
  type NextFunction,
  type Request,
  type RequestHandler,
  type Response,
} from 'express'
import swaggerUi from 'swagger-ui-express'
import {
  assert,
  type Clock,
  type Logger,
  type Metrics,
  type Service,
  type TableName,
  TicklakeError,
} from '#core'
import type { EmbeddedRegistry } from '#ingest'
import type { AnswerCache, QueryLimits, QueryRouter, SqlRouter } from '#query'
import type { StreamTable } from '#storage'
import { type DerivedTable, describeTable, describeTables } from './admin.js'
import { bodyText } from './body.js'
import { cacheRouter } from './cache.js'
import { CORRECTIONS_PATH } from './corrections.js'
import { estimateRouter } from './estimate.js'
import { evolutionRouter } from './evolution-routes.js'
import { describeHealth, type Vitals } from './health.js'
import { HOME_PAGE } from './home.js'
import { guardHost, guardOrigin, isLoopback } from './host-guard.js'
import { ICEBERG_ROOT } from './iceberg-routes.js'
import { type IcebergOptions, icebergFailure, icebergRouter } from './iceberg-server.js'
import { correctionRoute, type IngestRouteOptions, ingestRoute } from './ingest-routes.js'
import { loadRoutes } from './load-routes.js'
import type { Loads } from './loads.js'
import { jobRouter, type Maintaining, maintenanceRouter } from './maintenance-routes.js'
import { lakeMetrics, type QueryDurations } from './metrics.js'
import { openApiDocument } from './openapi.js'
import type { Format } from './parameters.js'
import { HttpError, problemOf } from './problem.js'
import { rateLimit } from './rate-limit.js'
import { REGISTRY_MEDIA_TYPE, REGISTRY_ROOT, registryProblem } from './registry-routes.js'
import { registryElsewhere, registryRouter } from './registry-server.js'
import { type RecordReplay, replayParameters, replayQuarantine } from './replay.js'
import {
  ClientLeft,
  chooseFormat,
  clientSignal,
  knownTags,
  NO_PARAMETERS,
  readParameters,
} from './request.js'
import type { Resource } from './resource.js'
import { RESOURCES } from './resources.js'
import { sendAnswer } from './response.js'
import { describeRollup } from './rollups.js'
import { SQL_PATH, sqlRoute } from './sql.js'
import { type TimeBounds, TimeLimit } from './time-limit.js'

export interface ApiOptions {
  readonly router: QueryRouter
  readonly sql: SqlRouter
  readonly limits: Pick<QueryLimits, 'status'>
  readonly timeouts: TimeBounds
  readonly tables: ReadonlyMap<TableName, StreamTable>
  /** By name, those that are filled from others. */
  readonly derived: ReadonlyMap<string, DerivedTable>
  readonly cache: AnswerCache
  readonly loads: Loads
  /** Served below /schema-registry; or the URL of the one that is used instead. */
  readonly schemaRegistry: EmbeddedRegistry | string
  readonly maintenance: Maintaining
  /** Served below /iceberg. */
  readonly iceberg: IcebergOptions
  readonly ingest: IngestRouteOptions
  readonly replay: RecordReplay
  readonly rollups: Vitals['rollups']
  readonly consumers: Vitals['consumers']
  readonly pressure: Vitals['pressure']
  readonly breakers: Vitals['breakers']
  /** False until the tails have caught up with the log: data routes then answer 503. */
  readonly ready: () => boolean
  readonly clock: Clock
  readonly logger: Logger
  readonly host: string
  /** 0: any free port. */
  readonly port: number
  /** An existing folder for uploads. */
  readonly tempDirectory: string
  readonly version: string
}

/** The HTTP server. `url` is known once it has started. */
export interface ApiServer extends Service {
  readonly url: string
}

export function createApi(options: ApiOptions): ApiServer {
  return new ExpressServer(options)
}

/** Ours, made here or taken from a client that passed one on; in the answer's header from the start. */
const REQUEST_ID = 'X-Request-Id'

/** Longer than the pauses of clients, and of the balancers that they may be behind. */
const KEEP_ALIVE_MS = 75_000
/** A format of one's own travels in the URL (16 KiB is Node's own bound). */
const MAX_HEADER_BYTES = 256 * 1024

/** How long a stop waits for requests that run. */
const STOP_AFTER_MS = 5_000

class ExpressServer implements ApiServer {
  readonly #options: ApiOptions
  readonly #server: Server
  readonly #metrics: Metrics
  readonly #queries: QueryDurations
  #url: string | null = null
  #isStopping = false

  constructor(options: ApiOptions) {
    this.#options = options
    const { metrics, queries } = lakeMetrics(options, options.loads, options.clock)
    this.#metrics = metrics
    this.#queries = queries
    this.#server = createServer({ maxHeaderSize: MAX_HEADER_BYTES }, this.#routes())
    // An upload takes as long as it takes; headers have their own, short timeout.
    this.#server.requestTimeout = 0
    // A client that goes on after a pause must not meet a connection that is just being closed.
    this.#server.keepAliveTimeout = KEEP_ALIVE_MS
  }

  get url(): string {
    assert(this.#url !== null, 'the server has started')
    return this.#url
  }

  async start(): Promise<void> {
    const { host, port } = this.#options
    this.#server.listen(port, host)
    try {
      await once(this.#server, 'listening')
    } catch (error) {
      throw new TicklakeError('unavailable', `cannot listen on ${host}:${port}: ${listenFailure(error)}`, {
        cause: error,
      })
    }
    // A server that listens on host and port has an address with a port.
    const address = this.#server.address() as AddressInfo
    this.#url = `http://${host.includes(':') ? `[${host}]` : host}:${address.port}`
  }

  /** Takes no new requests, finishes those that run, if they do so in time, then closes. */
  async stop(): Promise<void> {
    if (!this.#isStopping && !this.#server.listening) return
    this.#isStopping = true
    // A client that neither sends on nor reads on would hold up the stop for ever.
    const cancel = this.#options.clock.after(STOP_AFTER_MS, () => this.#server.closeAllConnections())
    // Called a second time, it says "not running" and still calls back when the last connection has ended.
    await new Promise<void>((resolve) => this.#server.close(() => resolve()))
    cancel()
  }

  #routes(): Express {
    const { router, tables, loads, ingest, replay, schemaRegistry, clock, ready, tempDirectory, version } =
      this.#options
    const app = express()
    app.disable('x-powered-by').disable('etag')
    app.use((request, response, next) => this.#receive(request, response, next))
    const get = (path: string, handler: RequestHandler) =>
      app.route(path).get(handler).all(refuseMethod('GET, HEAD'))
    get('/', (_, response) => void response.type('html').send(HOME_PAGE))
    get('/health/live', (_, response) => void response.json({ status: 'live' }))
    get('/health/ready', (_, response) => {
      const health = describeHealth(this.#options)
      if (ready()) response.json({ status: 'ready', ...health })
      else this.#refuse(notReady(this.#options), response, health)
    })
    get('/metrics', async (_, response) => {
      response.type(this.#metrics.contentType).send(await this.#metrics.text())
    })
    const document = openApiDocument(RESOURCES, version)
    get('/openapi.json', (_, response) => void response.json(document))
    app.use(
      '/docs',
      swaggerUi.serve,
      swaggerUi.setup(undefined, { swaggerOptions: { url: '/openapi.json' } }),
    )
    app.use('/v1', (_request, _response, next) => {
      if (!ready()) throw notReady(this.#options)
      next()
    })
    for (const resource of RESOURCES) {
      if (resource.path === CORRECTIONS_PATH) continue
      get(resource.path, (request, response) => this.#answer(resource, request, response))
    }
    app.use('/v1/estimate', estimateRouter(router, RESOURCES))
    const answerSql = sqlRoute(this.#options, this.#queries)
    app.route(SQL_PATH).post(bodyText(), answerSql).all(refuseMethod('POST'))
    const load = loadRoutes(loads, tempDirectory)
    app
      .route('/v1/loads')
      .post((request, response) => load.post(request, response, requestId(response)))
      .all(refuseMethod('POST'))
    get('/v1/loads/:id', (request, response) => load.get(request, response, requestId(response)))
    const post = ingestRoute(ingest, clock)
    app
      .route('/v1/ingest/:table')
      .post((request, response) => post(request, response))
      .all(refuseMethod('POST'))
    const correct = correctionRoute(ingest, clock)
    const listCorrections = RESOURCES.find(({ path }) => path === CORRECTIONS_PATH)
    assert(listCorrections !== undefined, 'what was posted can be asked for')
    app
      .route(CORRECTIONS_PATH)
      .get((request, response) => this.#answer(listCorrections, request, response))
      .post((request, response) => correct(request, response))
      .all(refuseMethod('GET, HEAD, POST'))
    get('/admin/tables', async (request, response) => {
      readParameters(request, NO_PARAMETERS)
      sendData(response, await describeTables(this.#options))
    })
    get('/admin/tables/:table', async (request, response) => {
      readParameters(request, NO_PARAMETERS)
      sendData(response, await describeTable(this.#options, String(request.params.table)))
    })
    app.use('/admin/cache', cacheRouter(this.#options.cache))
    get('/admin/rollups', (request, response) => {
      readParameters(request, NO_PARAMETERS)
      sendData(response, this.#options.rollups.map(describeRollup))
    })
    app.use('/admin/tables', maintenanceRouter(this.#options.maintenance))
    app.use('/admin/tables', evolutionRouter(tables))
    app.use('/admin/jobs', jobRouter(this.#options.maintenance))
    app
      .route('/admin/quarantine/replay')
      .post(async (request, response) => {
        const parameters = readParameters(request, replayParameters)
        if (!ready()) throw notReady(this.#options)
        sendData(response, await replayQuarantine(router, tables, replay, parameters, clientSignal(response)))
      })
      .all(refuseMethod('POST'))
    // Also before the tables have caught up: what is committed is there.
    app.use(ICEBERG_ROOT, icebergRouter(this.#options.iceberg))
    // Also before the tables have caught up: what they read may wait for a schema.
    app.use(
      REGISTRY_ROOT,
      typeof schemaRegistry === 'string' ? registryElsewhere(schemaRegistry) : registryRouter(schemaRegistry),
    )
    app.use((request: Request) => {
      const what = `${request.method} ${request.path}`
      throw new HttpError(404, `there is no ${what} here; /docs shows what there is`)
    })
    // Express knows an error handler by its four parameters.
    app.use((error: unknown, request: Request, response: Response, _next: NextFunction) =>
      this.#fail(error, request, response),
    )
    return app
  }

  /** Names the request, logs its end, and refuses foreign hosts. */
  #receive(request: Request, response: Response, next: NextFunction): void {
    const { clock, logger, host } = this.#options
    const given = request.get(REQUEST_ID)
    const id = given !== undefined && /^[\w.:-]{1,128}$/.test(given) ? given : randomUUID()
    response.setHeader(REQUEST_ID, id)
    const startedMs = clock.monotonicMs()
    const { method, originalUrl: url } = request
    response.once('close', () => {
      const elapsedMs = Math.round((clock.monotonicMs() - startedMs) * 10) / 10
      const level = isPolled(method, url) ? 'debug' : 'info'
      const status = response.writableFinished ? response.statusCode : 'left'
      logger[level]('request', { request_id: id, method, url, status, elapsed_ms: elapsedMs })
      // A connection that is kept alive would hold up the stop once its request is over.
      if (this.#isStopping) setImmediate(() => this.#server.closeIdleConnections())
    })
    if (isLoopback(host)) {
      guardHost(request.get('host'))
      guardOrigin(request.get('origin'))
    }
    next()
  }

  async #answer(resource: Resource, request: Request, response: Response): Promise<void> {
    const { clock, limits, timeouts } = this.#options
    const startedMs = clock.monotonicMs()
    response.set(rateLimit(limits.status()))
    response.once('close', () => {
      const status = response.writableFinished ? String(response.statusCode) : 'cut'
      this.#queries.observe({ path: resource.path, status }, clock.monotonicMs() - startedMs)
    })
    const parameters = readParameters(request, resource.parameters)
    // Every resource has `format` and `timeout_ms` among its parameters (resource.ts).
    const format = chooseFormat(request, parameters.format as Format | undefined)
    const time = new TimeLimit(parameters.timeout_ms as number | undefined, timeouts, clock)
    const left = clientSignal(response)
    const asked = {
      encoding: format,
      signal: AbortSignal.any([left, time.signal]),
      knownTags: knownTags(request.get('if-none-match')),
      explain: parameters.explain === true,
    }
    const answer = await time.answer(resource.answer(this.#options.router, parameters, asked))
    await sendAnswer(response, answer, left, clock)
  }

  #fail(error: unknown, request: Request, response: Response): void {
    if (error instanceof ClientLeft || response.destroyed) return
    const { problem, headers, isBug } = problemOf(error, requestId(response))
    if (isBug) {
      const stack = error instanceof Error ? (error.stack ?? error.message) : String(error)
      this.#options.logger.error('a request failed', {
        request_id: problem.request_id,
        url: request.originalUrl,
        stack,
      })
    }
    // Half an answer is out: only a broken connection still tells the client.
    if (response.headersSent) {
      response.destroy()
      return
    }
    if (request.originalUrl.startsWith(`${ICEBERG_ROOT}/`)) {
      const { status, body } = icebergFailure(error, problem, request)
      response.status(status).set(headers).type('json').send(JSON.stringify(body))
      return
    }
    if (request.originalUrl.startsWith(`${REGISTRY_ROOT}/`)) {
      const { status, body } = registryProblem(error, problem.status, problem.detail)
      response.status(status).set(headers).type(REGISTRY_MEDIA_TYPE).send(JSON.stringify(body))
      return
    }
    this.#refuse(error, response)
  }

  /** Answers with problem details, and further members if there are any. */
  #refuse(error: unknown, response: Response, members: object = {}): void {
    const { problem, headers } = problemOf(error, requestId(response))
    response
      .status(problem.status)
      .set(headers)
      .type('application/problem+json')
      .send(JSON.stringify({ ...problem, ...members }))
  }
}

/** What is asked again and again would hide the rest of the log. */
function isPolled(method: string, url: string): boolean {
  return (
    method === 'GET' &&
    (url.startsWith('/health/') || url.startsWith('/metrics') || url.startsWith('/v1/loads/'))
  )
}

function listenFailure(error: unknown): string {
  const code = error instanceof Error && 'code' in error ? error.code : null
  if (code === 'EADDRINUSE')
    return 'another process has this port: choose another with --port, or stop that one'
  return error instanceof Error ? error.message : String(error)
}

/** For the methods that a route does not have; `allowed` are those that it has. */
function refuseMethod(allowed: string): RequestHandler {
  return (request) => {
    const message = `${request.method} is not for ${request.path}: it takes ${allowed}`
    throw new HttpError(405, message, { Allow: allowed })
  }
}

/** Not yet, and why; when a reader has failed, not until a restart. */
function notReady({ consumers }: Pick<Vitals, 'consumers'>): TicklakeError {
  const statuses = consumers.map((consumer) => consumer.status())
  for (const { table, failure } of statuses) {
    if (!failure) continue
    const message = `the log is not read into ${table} any more, until a restart: ${failure.message}`
    return new TicklakeError('unavailable', message, { cause: failure })
  }
  const stalled = statuses.find((status) => status.stalled)
  const why = stalled ? `: ${stalled.table} waits: ${stalled.stalled?.message}` : ''
  return new TicklakeError('unavailable', `the tables have not caught up with the log yet${why}`)
}

function requestId(response: Response): string {
  return String(response.getHeader(REQUEST_ID))
}

function sendData(response: Response, data: unknown): void {
  response.json({ data, complete: true, next_page_token: null })
}
