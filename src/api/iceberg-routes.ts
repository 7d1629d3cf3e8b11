import { invalid, TicklakeError } from '#core'
import {
  asRequest,
  type CatalogServer,
  type CreateTable,
  Fields,
  formatJson,
  formatMetadata,
  type Json,
  parseCreateTable,
  parseIdentifier,
  parseNamespace,
  parseTableCommit,
  type TableIdentifier,
  type TableMetadata,
} from '#storage'
import { HttpError } from './problem.js'

/** What a route is asked, by its path, its query and its body. */
export interface IcebergQuestion {
  readonly namespace: string
  readonly table: string
  readonly query: URLSearchParams
  /** Null: there is none. */
  readonly body: Json
}

export interface IcebergAnswer {
  readonly status: 200 | 204
  /** JSON; empty for 204. */
  readonly text: string
}

/** A route of Iceberg's REST catalog protocol. */
export interface IcebergRoute {
  readonly method: 'get' | 'head' | 'post' | 'delete'
  /** Below ICEBERG_ROOT; a part in braces is a parameter. */
  readonly path: string
  /** Changes something: refused in a catalog that is read-only. */
  readonly isWrite?: boolean
  /** Iceberg's name of what a 409 means here. */
  readonly conflict?: ConflictType
  answer(catalog: CatalogServer, question: IcebergQuestion): Promise<IcebergAnswer>
}

export type ConflictType = 'AlreadyExistsException' | 'CommitFailedException' | 'NamespaceNotEmptyException'

export const ICEBERG_ROOT = '/iceberg'

const NAMESPACES = '/v1/namespaces'
const NAMESPACE = `${NAMESPACES}/{namespace}`
const TABLES = `${NAMESPACE}/tables`
const TABLE = `${TABLES}/{table}`

/** Between the levels of a namespace in a path. */
const LEVEL_SEPARATOR = '\u001f'
const PAGE_SIZE = 1_000

/** All but GET /v1/config, which tells of them. */
export const ICEBERG_ROUTES: readonly IcebergRoute[] = [
  {
    method: 'get',
    path: NAMESPACES,
    answer: async (catalog, { query }) => {
      const parent = query.get('parent')
      // Namespaces are not nested: there is nothing below one.
      if (parent) await catalog.namespace(namespaceOf(parent))
      const { page, next } = pageOf(parent ? [] : await catalog.namespaces(), query)
      return json({ namespaces: page.map((name) => [name]), 'next-page-token': next })
    },
  },
  {
    method: 'post',
    path: NAMESPACES,
    isWrite: true,
    conflict: 'AlreadyExistsException',
    answer: async (catalog, { body }) => {
      const { name, properties } = readBody(body, (from) => ({
        name: parseNamespace(from.json('namespace'), 'body.namespace'),
        properties: stringsOf(from, 'properties'),
      }))
      return json({ namespace: [name], properties: await catalog.createNamespace(name, properties) })
    },
  },
  {
    method: 'head',
    path: NAMESPACE,
    answer: async (catalog, { namespace }) => {
      await catalog.namespace(namespace)
      return DONE
    },
  },
  {
    method: 'get',
    path: NAMESPACE,
    answer: async (catalog, { namespace }) =>
      json({ namespace: [namespace], properties: await catalog.namespace(namespace) }),
  },
  {
    method: 'delete',
    path: NAMESPACE,
    isWrite: true,
    conflict: 'NamespaceNotEmptyException',
    answer: async (catalog, { namespace }) => {
      await catalog.dropNamespace(namespace)
      return DONE
    },
  },
  {
    method: 'post',
    path: `${NAMESPACE}/properties`,
    isWrite: true,
    answer: async (catalog, { namespace, body }) => {
      const { removals, updates } = readBody(body, (from) => ({
        removals: from.has('removals') ? from.values('removals', from.string) : [],
        updates: stringsOf(from, 'updates'),
      }))
      const both = removals.find((key) => Object.hasOwn(updates, key))
      if (both !== undefined) throw new HttpError(422, `${both} is to be removed and to be set`)
      return json({ ...(await catalog.changeNamespace(namespace, removals, updates)) })
    },
  },
  {
    method: 'get',
    path: TABLES,
    answer: async (catalog, { namespace, query }) => {
      const { page, next } = pageOf(await catalog.tables(namespace), query)
      const identifiers = page.map((name) => ({ namespace: [namespace], name }))
      return json({ identifiers, 'next-page-token': next })
    },
  },
  {
    method: 'post',
    path: TABLES,
    isWrite: true,
    conflict: 'AlreadyExistsException',
    answer: async (catalog, { namespace, body }) => {
      const request: CreateTable = parseCreateTable(body, 'body')
      return loaded(await catalog.create(namespace, request))
    },
  },
  {
    method: 'post',
    path: `${NAMESPACE}/register`,
    isWrite: true,
    conflict: 'AlreadyExistsException',
    answer: async (catalog, { namespace, body }) => {
      const { name, location, overwrite } = readBody(body, (from) => ({
        name: from.string('name'),
        location: from.string('metadata-location'),
        overwrite: from.optional('overwrite', from.boolean, false),
      }))
      if (overwrite) throw invalid('overwrite', true, 'taken here: drop the table there is, then register')
      return loaded(await catalog.register({ namespace, name }, location))
    },
  },
  {
    method: 'head',
    path: TABLE,
    answer: async (catalog, question) => {
      await catalog.load(tableOf(question))
      return DONE
    },
  },
  {
    method: 'get',
    path: TABLE,
    answer: async (catalog, question) => {
      const snapshots = question.query.get('snapshots') ?? 'all'
      if (snapshots !== 'all' && snapshots !== 'refs') throw invalid('snapshots', snapshots, 'all or refs')
      const { metadata, metadataLocation } = await catalog.load(tableOf(question))
      return loaded({
        metadata: snapshots === 'all' ? metadata : withRefsOnly(metadata),
        metadataLocation,
      })
    },
  },
  {
    method: 'post',
    path: TABLE,
    isWrite: true,
    conflict: 'CommitFailedException',
    answer: async (catalog, question) => {
      const { metadata, metadataLocation } = await catalog.commit(
        tableOf(question),
        parseTableCommit(question.body, 'body'),
      )
      return text(
        `{"metadata-location":${formatJson(metadataLocation)},"metadata":${formatMetadata(metadata)}}`,
      )
    },
  },
  {
    method: 'delete',
    path: TABLE,
    isWrite: true,
    answer: async (catalog, question) => {
      await catalog.drop(tableOf(question), question.query.get('purgeRequested')?.toLowerCase() === 'true')
      return DONE
    },
  },
  {
    method: 'post',
    path: '/v1/tables/rename',
    isWrite: true,
    conflict: 'AlreadyExistsException',
    answer: async (catalog, { body }) => {
      const { source, destination } = readBody(body, (from) => ({
        source: parseIdentifier(from.json('source'), 'body.source'),
        destination: parseIdentifier(from.json('destination'), 'body.destination'),
      }))
      await catalog.rename(source, destination)
      return DONE
    },
  },
  {
    method: 'post',
    path: '/v1/transactions/commit',
    isWrite: true,
    conflict: 'CommitFailedException',
    answer: async (catalog, { body }) => {
      const changes = readBody(body, (from) =>
        from.list('table-changes', (change, path) => ({
          table: parseIdentifier(new Fields(change, path).json('identifier'), `${path}.identifier`),
          commit: parseTableCommit(change, path),
        })),
      )
      const [change] = changes
      // Each table has a commit point of its own: of two, one could be made and the other not.
      if (!change || changes.length > 1) {
        throw new HttpError(
          406,
          `a transaction here is of one table, not of ${changes.length}: commit each by itself`,
        )
      }
      await catalog.commit(change.table, change.commit)
      return DONE
    },
  },
  {
    method: 'post',
    path: `${TABLE}/metrics`,
    // Taken so that engines need no setting to leave them out; nothing is done with them.
    answer: async (catalog, question) => {
      await catalog.load(tableOf(question))
      return DONE
    },
  },
]

/** What GET /v1/config answers: the routes that are there, in the protocol's spelling. */
export function configJson(isReadOnly: boolean): string {
  const routes = ICEBERG_ROUTES.filter(({ isWrite = false }) => !(isReadOnly && isWrite))
  const endpoints = routes.map(({ method, path }) => {
    return `${method.toUpperCase()} ${path.replace('/v1/', '/v1/{prefix}/')}`
  })
  return formatJson({ defaults: {}, overrides: {}, endpoints })
}

/** The namespace in a part of a path. */
export function namespaceOf(part: string): string {
  return part.split(LEVEL_SEPARATOR).join('.')
}

/** The answer to a request that failed, in Iceberg's form (REST: ErrorModel). `route`: as far as there is one. */
export function icebergProblem(
  error: unknown,
  { status, detail }: { readonly status: number; readonly detail: string },
  route: IcebergRoute | undefined,
) {
  // Gone is a snapshot that has expired, say: Iceberg knows only what there is and what there is not.
  const code = status === 410 ? 404 : status
  const type = code === 404 ? missingType(error) : typeOf(code, route?.conflict ?? null)
  return { status: code, body: { error: { message: detail, type, code } } }
}

function typeOf(status: number, conflict: ConflictType | null): string {
  if (status === 409) return conflict ?? 'ConflictException'
  // Whoever gets one leaves the files that it has written for the commit: they may be in the table.
  if (status >= 500 && conflict === 'CommitFailedException') return 'CommitStateUnknownException'
  return TYPES[status] ?? (status < 500 ? 'BadRequestException' : 'InternalServerError')
}

function missingType(error: unknown): string {
  if (!(error instanceof TicklakeError)) return 'NotFoundException'
  return error.detail.field === 'namespace' ? 'NoSuchNamespaceException' : 'NoSuchTableException'
}

const TYPES: Readonly<Record<number, string>> = {
  403: 'ForbiddenException',
  405: 'MethodNotAllowedException',
  406: 'UnsupportedOperationException',
  422: 'UnprocessableEntityException',
  429: 'TooManyRequestsException',
  503: 'ServiceUnavailableException',
}

const DONE: IcebergAnswer = { status: 204, text: '' }

function text(body: string): IcebergAnswer {
  return { status: 200, text: body }
}

function json(value: Json): IcebergAnswer {
  return text(formatJson(value))
}

/** Iceberg REST: LoadTableResult. Of a staged creation there is no location of metadata. */
function loaded(table: { metadata: TableMetadata; metadataLocation: string | null }): IcebergAnswer {
  const location =
    table.metadataLocation === null ? '' : `"metadata-location":${formatJson(table.metadataLocation)},`
  return text(`{${location}"metadata":${formatMetadata(table.metadata)},"config":{}}`)
}

/** The snapshots that branches and tags point at; the others are loaded when somebody needs them. */
function withRefsOnly(metadata: TableMetadata): TableMetadata {
  const kept = new Set(Object.values(metadata.refs).map(({ snapshotId }) => snapshotId))
  return { ...metadata, snapshots: metadata.snapshots.filter(({ snapshotId }) => kept.has(snapshotId)) }
}

function tableOf({ namespace, table }: IcebergQuestion): TableIdentifier {
  return { namespace, name: table }
}

function stringsOf(from: Fields, key: string): Readonly<Record<string, string>> {
  return from.has(key) ? from.object(key).strings() : {}
}

/** Without a token, all there is; a token is the last name of the page before. */
function pageOf(names: readonly string[], query: URLSearchParams) {
  const token = query.get('pageToken')
  if (token === null) return { page: names, next: null }
  const size = query.get('pageSize') ?? String(PAGE_SIZE)
  if (!/^[1-9]\d{0,5}$/.test(size)) throw invalid('pageSize', size, 'a whole number from 1 to 999999')
  const after = Buffer.from(token, 'base64url').toString('utf8')
  const left = names.filter((name) => name > after)
  const page = left.slice(0, Number(size))
  const last = page.at(-1)
  const isLast = last === undefined || page.length === left.length
  return { page, next: isLast ? null : Buffer.from(last, 'utf8').toString('base64url') }
}

/** Reads a body that is an object; `invalid_input` says what is wrong with it. */
function readBody<T>(body: Json, read: (from: Fields) => T): T {
  return asRequest(() => read(new Fields(body, 'body')))
}
