import { z } from 'zod'
import { TicklakeError } from '#core'
import type { EmbeddedRegistry } from '#ingest'
import { HttpError } from './problem.js'

/** What a route of the registry is asked, by its path and its body; empty what it does not ask for. */
export interface RegistryQuestion {
  readonly subject: string
  readonly version: string
  readonly id: string
  /** JSON text. */
  readonly schema: string
}

/** A route of Confluent's registry: described once, for the router and for the OpenAPI document. */
export interface RegistryRoute {
  readonly method: 'get' | 'post' | 'put'
  /** Below REGISTRY_ROOT, as OpenAPI writes it: a part in braces is a parameter. */
  readonly path: string
  readonly summary: string
  readonly body?: z.ZodObject
  readonly data: z.ZodType
  answer(registry: EmbeddedRegistry, question: RegistryQuestion): Promise<unknown>
}

export const REGISTRY_ROOT = '/schema-registry'
export const REGISTRY_MEDIA_TYPE = 'application/vnd.schemaregistry.v1+json'

/** A refusal with one of Confluent's codes: an HTTP status, followed by two digits. */
export class RegistryError extends HttpError {
  readonly errorCode: number

  constructor(errorCode: number, message: string) {
    super(errorCode < 1000 ? errorCode : Math.floor(errorCode / 100), message)
    this.errorCode = errorCode
  }
}

const NO_SUBJECT = 40_401
const NO_VERSION = 40_402
const NO_SCHEMA = 40_403
const INVALID_SCHEMA = 42_201
const INVALID_VERSION = 42_202
const INVALID_LEVEL = 42_203

const id = z.int().meta({ description: 'what records carry on the wire' })
const version = z.int().meta({ description: 'version of the subject, from 1' })
const subject = z.string().meta({ description: '<topic>-value', example: 'market-data.trades-value' })
const schemaText = z.string().meta({ description: 'the schema as JSON text, as it was registered' })
const registered = z.object({ subject, id, version, schema: schemaText }).meta({ id: 'RegisteredSchema' })

/** What clients send of a schema; what they may leave out is not understood here, and refused when it says something. */
const schemaBody = z.object({
  schema: z.string('a schema as JSON text').meta({ description: 'the schema as JSON text' }),
  schemaType: z
    .literal('AVRO', 'AVRO: there are no other schemas here')
    .nullish()
    .meta({ description: 'AVRO, also when left out' }),
  references: z
    .array(z.unknown())
    .max(0, 'empty: a schema here is whole by itself')
    .nullish()
    .meta({ description: 'none' }),
  ruleSet: z.null('absent: rules are not applied here').optional().meta({ description: 'none' }),
})

const level = z.literal('BACKWARD', 'BACKWARD: no other compatibility is kept here')
const levelBody = z.object({ compatibility: level.meta({ description: 'the only one here' }) })
const levelData = z.object({
  compatibilityLevel: level.meta({
    description: 'a new version can read what was written with the one before',
  }),
})

export const REGISTRY_ROUTES: readonly RegistryRoute[] = [
  {
    method: 'get',
    path: '/schemas/types',
    summary: 'What kinds of schemas there are: Avro',
    data: z.array(z.string()),
    answer: async () => ['AVRO'],
  },
  {
    method: 'get',
    path: '/schemas/ids/{id}',
    summary: 'The schema of a wire id',
    data: z.object({ schema: schemaText }),
    answer: async (registry, question) => ({
      schema: await registry.byId(idOf(question)).catch(nothing(NO_SCHEMA)),
    }),
  },
  {
    method: 'get',
    path: '/schemas/ids/{id}/versions',
    summary: 'Where the schema of a wire id is registered',
    data: z.array(z.object({ subject, version })),
    answer: (registry, question) => registry.usesOf(idOf(question)).catch(nothing(NO_SCHEMA)),
  },
  {
    method: 'get',
    path: '/subjects',
    summary: 'The subjects',
    data: z.array(subject),
    answer: (registry) => registry.subjects(),
  },
  {
    method: 'post',
    path: '/subjects/{subject}',
    summary: 'The version of a subject that is this schema',
    body: schemaBody,
    data: registered,
    answer: async (registry, question) => {
      await versionsOf(registry, question)
      return registry.find(question.subject, question.schema).catch(nothing(NO_SCHEMA))
    },
  },
  {
    method: 'get',
    path: '/subjects/{subject}/versions',
    summary: 'The versions of a subject',
    data: z.array(version),
    answer: versionsOf,
  },
  {
    method: 'post',
    path: '/subjects/{subject}/versions',
    summary: 'Registers a schema under a subject, or finds the identical one',
    body: schemaBody,
    data: z.object({ id }),
    answer: async (registry, question) => ({
      id: (await registry.register(question.subject, question.schema)).id,
    }),
  },
  {
    method: 'get',
    path: '/subjects/{subject}/versions/{version}',
    summary: 'One version of a subject, by number or as latest',
    data: registered,
    answer: async (registry, question) => {
      await versionsOf(registry, question)
      return registry.version(question.subject, versionOf(question)).catch(nothing(NO_VERSION))
    },
  },
  {
    method: 'post',
    path: '/compatibility/subjects/{subject}/versions/{version}',
    summary: 'Whether a schema could be registered after that version',
    body: schemaBody,
    data: z.object({
      is_compatible: z.boolean().meta({ description: 'what was written with that version could be read' }),
      messages: z.array(z.string()).meta({ description: 'why not: the field and what is wrong with it' }),
    }),
    answer: async (registry, question) => {
      await versionsOf(registry, question)
      try {
        await registry.requireCompatible(question.subject, versionOf(question), question.schema)
        return { is_compatible: true, messages: [] }
      } catch (error) {
        if (!(error instanceof TicklakeError) || error.code !== 'conflict') return nothing(NO_VERSION)(error)
        return { is_compatible: false, messages: [error.message] }
      }
    },
  },
  {
    method: 'get',
    path: '/config',
    summary: 'The compatibility of all subjects',
    data: levelData,
    answer: async () => ({ compatibilityLevel: 'BACKWARD' }),
  },
  {
    method: 'put',
    path: '/config',
    summary: 'Takes BACKWARD only',
    body: levelBody,
    data: levelBody,
    answer: async () => ({ compatibility: 'BACKWARD' }),
  },
  {
    method: 'get',
    path: '/config/{subject}',
    summary: 'The compatibility of a subject',
    data: levelData,
    answer: async (registry, question) => {
      await versionsOf(registry, question)
      return { compatibilityLevel: 'BACKWARD' }
    },
  },
  {
    method: 'put',
    path: '/config/{subject}',
    summary: 'Takes BACKWARD only',
    body: levelBody,
    data: levelBody,
    answer: async () => ({ compatibility: 'BACKWARD' }),
  },
]

/** The schema in a body, if it holds one. A body that does not fit is refused, saying which member is wrong. */
export function readRegistryBody(route: RegistryRoute, text: string): string {
  if (!route.body) return ''
  const result = route.body.safeParse(json(text))
  if (result.success) return typeof result.data.schema === 'string' ? result.data.schema : ''
  const issue = result.error.issues[0]!
  const code = issue.path[0] === 'compatibility' ? INVALID_LEVEL : INVALID_SCHEMA
  throw new RegistryError(code, `${issue.path.join('.') || 'body'} is not ${issue.message}`)
}

function json(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (error) {
    throw new RegistryError(400, `the body is no JSON: ${error instanceof Error ? error.message : error}`)
  }
}

function versionsOf(registry: EmbeddedRegistry, question: RegistryQuestion): Promise<readonly number[]> {
  return registry.versions(question.subject).catch(nothing(NO_SUBJECT))
}

/** Says of what is not found what it is. */
function nothing(errorCode: number): (error: unknown) => never {
  return (error) => {
    if (error instanceof TicklakeError && error.code === 'not_found')
      throw new RegistryError(errorCode, error.message)
    throw error
  }
}

function idOf({ id: text }: RegistryQuestion): number {
  if (/^\d{1,10}$/.test(text)) return Number(text)
  throw new RegistryError(NO_SCHEMA, `${JSON.stringify(text)} is no schema id: a whole number`)
}

function versionOf({ version: text }: RegistryQuestion): number | 'latest' {
  // Older clients of Confluent's write -1 for the latest.
  if (text === 'latest' || text === '-1') return 'latest'
  if (/^[1-9]\d{0,9}$/.test(text)) return Number(text)
  throw new RegistryError(
    INVALID_VERSION,
    `${JSON.stringify(text)} is no version: a number from 1, or latest`,
  )
}

/** The answer to a request below REGISTRY_ROOT that failed, in Confluent's form. */
export function registryProblem(error: unknown, status: number, detail: string) {
  const code =
    error instanceof RegistryError
      ? error.errorCode
      : error instanceof TicklakeError && error.code === 'invalid_input'
        ? INVALID_SCHEMA
        : status
  return { status: code < 1000 ? code : Math.floor(code / 100), body: { error_code: code, message: detail } }
}
