import express, { type Request, type Response, type Router } from 'express'
import type { z } from 'zod'
import { type TableName, TicklakeError } from '#core'
import type { Evolution, StreamTable, TableMetadata } from '#storage'
import { bodyText, readBody } from './body.js'
import {
  describeOrder,
  describeRef,
  describeRefs,
  describeSchema,
  describeSpec,
  newRef,
  orderChange,
  orderEvolution,
  partitionSpecSchema,
  refEvolution,
  refSchema,
  schemaChanges,
  schemaEvolution,
  sortOrderSchema,
  specChanges,
  tableSchemaSchema,
} from './evolution.js'
import { HttpError } from './problem.js'
import { NO_PARAMETERS, readParameters } from './request.js'

/** A part of a table's metadata that is told and changed below /admin/tables/{table}. */
export interface EvolutionRoute {
  readonly path: string
  readonly method: 'get' | 'post' | 'delete'
  readonly summary: string
  readonly body?: z.ZodType
  /** What `data` holds; null: 204, without content. */
  readonly data: z.ZodType | null
  /** `name` is that of the path, where it has one. */
  answer(table: StreamTable, request: Request, name: string): Promise<unknown>
}

/** The same part, told as it is and as it has become. */
function part<S extends z.ZodType>(
  path: string,
  what: string,
  body: S,
  data: z.ZodType,
  describe: (metadata: TableMetadata) => unknown,
  evolution: (asked: z.output<S>) => Evolution,
): readonly EvolutionRoute[] {
  return [
    {
      path,
      method: 'get',
      summary: `The ${what} of a table`,
      data,
      answer: async (table) => describe(table.metadata()),
    },
    {
      path,
      method: 'post',
      summary: `Changes the ${what} of a table; no file is rewritten`,
      body,
      data,
      answer: async (table, request) => describe(await table.evolve(evolution(readBody(request, body)))),
    },
  ]
}

export const EVOLUTION_ROUTES: readonly EvolutionRoute[] = [
  ...part('/schema', 'schema', schemaChanges, tableSchemaSchema, describeSchema, schemaEvolution),
  ...part(
    '/partition-spec',
    'partition spec',
    specChanges,
    partitionSpecSchema,
    describeSpec,
    ({ changes }) => ({
      of: 'partition-spec',
      changes,
    }),
  ),
  ...part('/sort-order', 'sort order', orderChange, sortOrderSchema, describeOrder, orderEvolution),
  {
    path: '/refs',
    method: 'get',
    summary: 'The branches and tags of a table',
    data: refSchema.array(),
    answer: async (table) => describeRefs(table.metadata()),
  },
  {
    path: '/refs/{name}',
    method: 'get',
    summary: 'A branch or tag',
    data: refSchema,
    answer: async (table, _, name) => {
      const ref = describeRef(table.metadata(), name)
      if (ref) return ref
      throw new TicklakeError('not_found', `${table.definition.name} has no branch or tag ${name}`)
    },
  },
  {
    path: '/refs/{name}',
    method: 'post',
    summary: 'Makes a branch or tag; again with the same state, it changes nothing',
    body: newRef,
    data: refSchema,
    answer: async (table, request, name) =>
      describeRef(await table.evolve(refEvolution(name, readBody(request, newRef))), name),
  },
  {
    path: '/refs/{name}',
    method: 'delete',
    summary: 'Drops a branch or tag',
    data: null,
    answer: async (table, _, name) => {
      await table.evolve({ of: 'ref', drop: name })
    },
  },
]

/** The routes below /admin/tables/{table}, for tables that a log fills. */
export function evolutionRouter(tables: ReadonlyMap<TableName, StreamTable>): Router {
  const router = express.Router()
  for (const route of EVOLUTION_ROUTES) {
    const answer = async (request: Request, response: Response) => {
      readParameters(request, NO_PARAMETERS)
      const table = tableNamed(tables, String(request.params.table))
      const data = await route.answer(table, request, String(request.params.name ?? ''))
      if (route.data === null) response.status(204).end()
      else response.json({ data, complete: true, next_page_token: null })
    }
    router[route.method](expressPath(route.path), bodyText(), answer)
  }
  for (const path of new Set(EVOLUTION_ROUTES.map((route) => route.path))) {
    const methods = EVOLUTION_ROUTES.filter((route) => route.path === path).map(({ method }) =>
      method.toUpperCase(),
    )
    router.all(expressPath(path), (request) => {
      const allowed = methods.join(', ')
      throw new HttpError(405, `${request.method} is not for ${request.originalUrl}: it takes ${allowed}`, {
        Allow: allowed,
      })
    })
  }
  return router
}

function expressPath(path: string): string {
  return `/:table${path.replace('{name}', ':name')}`
}

function tableNamed(tables: ReadonlyMap<TableName, StreamTable>, name: string): StreamTable {
  const table = [...tables.values()].find(({ definition }) => definition.name === name)
  if (table) return table
  const known = [...tables.keys()].join(', ')
  throw new TicklakeError('not_found', `there is no table ${JSON.stringify(name)}: there are ${known}`)
}
