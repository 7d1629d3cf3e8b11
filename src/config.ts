import { readFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { resolve } from 'node:path'
import { z } from 'zod'
import { invalid, type LoggingOptions } from '#core'
import { firstMistake, parseYaml, section } from './settings-file.js'

/** All settings, validated. Defaults and their meaning: config/default.yaml. */
export interface Config {
  /** Absolute path. */
  readonly data: string
  readonly host: string
  /** 0: any free port. */
  readonly port: number
  readonly logging: LoggingOptions
  readonly log: {
    readonly partitions: number
    readonly acceptAddedPartitions: boolean
    readonly maxPartitionBytes: number
    readonly maxAgeMs: number
  }
  readonly registry: {
    /** Empty: the embedded one. */
    readonly url: string
    readonly user: string
    readonly password: string
    readonly timeoutMs: number
    readonly unknownWaitMs: number
    readonly maxAddedColumns: number
  }
  readonly ingest: Settings['ingest']
  /** Null: the embedded log. */
  readonly kafka: {
    readonly brokers: readonly string[]
    readonly group: string
    readonly topicPrefix: string
    /** Null: the brokers' default. */
    readonly replicationFactor: number | null
    readonly acceptLost: string
    readonly sasl: {
      readonly mechanism: 'plain' | 'scram-sha-256' | 'scram-sha-512'
      readonly username: string
      readonly password: string
    } | null
    /** An empty file: the authorities that Node knows. */
    readonly tls: { readonly caFile: string } | null
  } | null
  readonly flush: { readonly rows: number; readonly bytes: number; readonly ageMs: number }
  readonly quality: {
    readonly largeGap: 'continue' | 'halt'
    readonly dedupe: {
      readonly trades: 'none' | 'message_id'
      readonly quotes: 'none' | 'message_id'
      readonly rememberedIds: number
    }
  }
  readonly pressure: Settings['pressure']
  readonly catalog: { readonly readOnly: boolean }
  /** The folder is an absolute path; null: there are no others. */
  readonly rollups: Settings['rollups']
  readonly maintenance: Settings['maintenance']
  readonly queries: z.infer<typeof QUERIES>
  /** No URL: no Redis. */
  readonly cache: z.infer<typeof CACHE>
  readonly engine: {
    readonly memoryLimit: string
    readonly spillLimit: string
    readonly threads: number
  }
}

/** Settings that a command's options may override. */
export interface ConfigOverrides {
  readonly data?: string | undefined
  readonly host?: string | undefined
  readonly port?: string | undefined
}

/** What of the process decides settings; passed in by tests. */
export interface Surroundings {
  readonly env: Readonly<Record<string, string | undefined>>
  readonly isTerminal: boolean
  readonly cores: number
}

/** DuckDB takes a path with one of these for a pattern, and would read all the files that it fits. */
const PATTERN = /[*?[]/
/** No user and password in it: it is told in messages. */
const REGISTRY_URL = /^$|^https?:\/\/[^\s@/?#]+(\/[^\s@?#]*)?$/
const BROKERS = /^$|^[^\s,:]+:\d{1,5}(\s*,\s*[^\s,:]+:\d{1,5})*$/
const KAFKA_NAME = /^[A-Za-z0-9._-]{1,200}$/
const LOOPBACK = /^(localhost|127(\.\d{1,3}){3}|::1)$/

/** A whole number; text counts too, since environment variables and options are text. */
function whole(min: number, max: number) {
  const error = `a whole number from ${min} to ${max}`
  const text = z
    .string()
    .regex(/^\d{1,16}$/, error)
    .transform(Number)
  return z.union([z.number(), text], { error }).pipe(z.int(error).min(min, error).max(max, error))
}

function oneOf<const T extends readonly string[]>(choices: T) {
  return z.enum(choices, { error: `one of ${choices.join(', ')}` })
}

/** Yes or no; text counts too. */
function yesOrNo() {
  return z
    .union([z.boolean(), z.enum(['true', 'false'])], { error: 'true or false' })
    .transform((value) => value === true || value === 'true')
}

function text(pattern: RegExp, error: string) {
  return z.string(error).regex(pattern, error)
}

/** As DuckDB writes it. */
function size() {
  return text(/^\d+(\.\d+)? ?[KMGT]i?B$/, 'a size such as 512MB or 2GB')
}

/** In a file it may look like a number. */
function password() {
  return z.union([z.string(), z.number().transform(String)], { error: 'text' })
}

const QUERIES = section({
  concurrent: whole(2, 1018),
  large: whole(1, 1018),
  streamed: whole(1, 1018),
  maxWaiting: whole(0, 100_000),
  memoryBytes: whole(1_000_000, Number.MAX_SAFE_INTEGER),
  smallMs: whole(0, 86_400_000),
  timeoutMs: whole(1, 86_400_000),
  maxTimeoutMs: whole(1, 86_400_000),
  maxResidentPercent: whole(1, 100),
  minFreeDiskBytes: whole(0, Number.MAX_SAFE_INTEGER),
})

const CACHE = section({
  memoryBytes: whole(0, 2 ** 40),
  memoryTtlMs: whole(1, 10 ** 10),
  maxEntryBytes: whole(1, 256 * 1024 * 1024),
  redisUrl: text(/^$|^rediss?:\/\/\S+$/, 'empty, or such as redis://localhost:6379'),
  redisTimeoutMs: whole(1, 60_000),
  redisTtlMs: whole(1, 10 ** 10),
})

const SETTINGS = section({
  data: text(/./, 'the path of a folder')
    .transform((path) => resolve(path))
    .refine((path) => !PATTERN.test(path), 'the path of a folder without *, ? and [ in it'),
  host: text(
    LOOPBACK,
    'a loopback address (127.0.0.1, ::1 or localhost): without API keys, nobody else may reach the data',
  ),
  port: whole(0, 65_535),
  logging: section({
    level: oneOf(['debug', 'info', 'warn', 'error', 'silent']),
    format: oneOf(['json', 'text', 'auto']),
  }),
  log: section({
    partitions: whole(1, 1024),
    acceptAddedPartitions: yesOrNo(),
    maxPartitionBytes: whole(0, Number.MAX_SAFE_INTEGER),
    maxAgeMs: whole(0, Number.MAX_SAFE_INTEGER),
  }),
  registry: section({
    url: text(
      REGISTRY_URL,
      'empty, or where a schema registry is, such as http://localhost:8081, user and password apart',
    ),
    user: text(/^[^:]*$/, 'a user name, which has no colon in it'),
    password: password(),
    timeoutMs: whole(1, 600_000),
    unknownWaitMs: whole(0, 86_400_000),
    maxAddedColumns: whole(0, 1_000),
  }),
  ingest: section({
    maxBodyBytes: whole(1, 256 * 1024 * 1024),
    maxRows: whole(1, 1_000_000),
    maxRequests: whole(1, 1_000),
    maxUnderWayBytes: whole(1, Number.MAX_SAFE_INTEGER),
    idempotencyKeys: whole(1_000, 1_000_000),
  }),
  kafka: section({
    brokers: text(BROKERS, 'a list of host:port with commas between'),
    group: text(KAFKA_NAME, 'a name of letters, digits, dots, - and _'),
    topicPrefix: text(/^[A-Za-z0-9._-]{0,150}$/, 'letters, digits, dots, - and _, or empty'),
    replicationFactor: z.union([z.literal('auto'), whole(1, 100)], {
      error: 'a whole number from 1 to 100, or auto',
    }),
    acceptLost: z.string('a list such as market-data.trades/0:100-250, or empty'),
    sasl: section({
      mechanism: oneOf(['none', 'plain', 'scram-sha-256', 'scram-sha-512']),
      user: z.string('text'),
      password: password(),
    }).refine(({ mechanism, user }) => mechanism === 'none' || user !== '', {
      path: ['user'],
      error: 'the name of a user, which the mechanism needs',
    }),
    tls: section({ enabled: yesOrNo(), caFile: z.string('the path of a file, or empty') }),
  }),
  flush: section({
    rows: whole(1, 100_000_000),
    bytes: whole(1, Number.MAX_SAFE_INTEGER),
    ageMs: whole(1, 86_400_000),
  }),
  quality: section({
    largeGap: oneOf(['continue', 'halt']),
    dedupe: section({
      trades: oneOf(['none', 'message_id']),
      quotes: oneOf(['none', 'message_id']),
      rememberedIds: whole(1, 16_000_000),
    }),
  }),
  pressure: section({
    elevatedLag: whole(1, Number.MAX_SAFE_INTEGER),
    criticalLag: whole(1, Number.MAX_SAFE_INTEGER),
    elevatedHeapPercent: whole(1, 100),
    criticalHeapPercent: whole(1, 100),
  }),
  catalog: section({ readOnly: yesOrNo() }),
  rollups: section({
    shipped: yesOrNo(),
    folder: z.string('a path, or empty').transform((path) => (path === '' ? null : resolve(path))),
  }),
  maintenance: section({
    everyMs: whole(0, 86_400_000),
    targetFileBytes: whole(1_048_576, 2 ** 40),
    minInputFiles: whole(2, 10_000),
    snapshotMaxAgeMs: whole(60_000, 10 ** 13),
    snapshotMinToKeep: whole(1, 10_000),
    snapshotMaxCount: whole(1, 100_000),
    orphansOlderThanMs: whole(3_600_000, 10 ** 13),
  }),
  queries: QUERIES,
  cache: CACHE,
  engine: section({
    memoryLimit: size(),
    spillLimit: size(),
    threads: z.union([z.literal('auto'), whole(1, 1024)], {
      error: 'a whole number from 1 to 1024, or auto',
    }),
  }),
})

type Settings = z.infer<typeof SETTINGS>

/** Where the settings are. */
const FILE = 'config/default.yaml'

/** What this process is surrounded by. The one place that reads the environment. */
export function processSurroundings(): Surroundings {
  return { env: process.env, isTerminal: process.stderr.isTTY === true, cores: availableParallelism() }
}

/**
 * The file's settings, overridden by TICKLAKE_* variables, overridden by options; validated once.
 * A wrong value is an `invalid_input` that names the key, the value and what would be right.
 */
export function loadConfig(
  overrides: ConfigOverrides,
  surroundings: Surroundings = processSurroundings(),
  text = readFileSync(new URL(`../${FILE}`, import.meta.url), 'utf8'),
): Config {
  const settings = parseYaml(FILE, text)
  if (!isObject(settings)) throw invalid(FILE, settings, 'settings by name')
  const origins = new Map<string, string>()
  overrideFromEnvironment(settings, surroundings.env, origins)
  for (const [key, value] of Object.entries(overrides)) {
    if (value === undefined) continue
    settings[key] = value
    origins.set(key, `--${key}`)
  }
  const result = SETTINGS.safeParse(settings)
  if (!result.success) {
    const { key, value, expected } = firstMistake(result.error, settings)
    throw invalid(origins.get(key) ?? (key || FILE), withoutPassword(value), expected)
  }
  requireThreads(result.data, surroundings.env, origins)
  requireOrder(result.data, origins)
  return resolveSettings(result.data, surroundings)
}

/** Threads of libuv's pool that are kept for the log, flushes and file input, whatever the queries do. */
const THREADS_BESIDE_QUERIES = 6

/** Each reading holds a thread of the pool while DuckDB works for it; without spare ones, slow queries would stop the log. */
function requireThreads(
  settings: Settings,
  env: Surroundings['env'],
  origins: ReadonlyMap<string, string>,
): void {
  if (env.UV_THREADPOOL_SIZE === undefined) return
  const most = Number(env.UV_THREADPOOL_SIZE) - THREADS_BESIDE_QUERIES
  if (settings.queries.concurrent <= most) return
  const key = 'queries.concurrent'
  const expected = `at most ${most}: UV_THREADPOOL_SIZE (${env.UV_THREADPOOL_SIZE}) less ${THREADS_BESIDE_QUERIES}`
  throw invalid(origins.get(key) ?? key, settings.queries.concurrent, expected)
}

/** Pressure rises through `elevated` to `critical`; what is large leaves room for what is small. */
function requireOrder({ pressure, queries }: Settings, origins: ReadonlyMap<string, string>): void {
  const atMost = (low: string, value: number, high: string, most: number) => {
    if (value <= most) return
    throw invalid(origins.get(low) ?? low, value, `at most ${most}, since ${high}`)
  }
  for (const [low, high] of [
    ['elevatedLag', 'criticalLag'],
    ['elevatedHeapPercent', 'criticalHeapPercent'],
  ] as const) {
    atMost(`pressure.${low}`, pressure[low], `pressure.${high} is ${pressure[high]}`, pressure[high])
  }
  const { concurrent, large, streamed, timeoutMs, maxTimeoutMs } = queries
  atMost(
    'queries.large',
    large,
    `queries.concurrent is ${concurrent}, and one is for small ones`,
    concurrent - 1,
  )
  atMost('queries.streamed', streamed, `queries.large is ${large}`, large)
  atMost('queries.timeoutMs', timeoutMs, `queries.maxTimeoutMs is ${maxTimeoutMs}`, maxTimeoutMs)
}

function resolveSettings(settings: Settings, { env, isTerminal, cores }: Surroundings): Config {
  const { level, format } = settings.logging
  const readable = isTerminal && env.NODE_ENV !== 'production'
  return {
    ...settings,
    kafka: resolveKafka(settings.kafka),
    logging: { level, format: format === 'auto' ? (readable ? 'text' : 'json') : format },
    engine: {
      ...settings.engine,
      threads: settings.engine.threads === 'auto' ? Math.max(1, cores - 1) : settings.engine.threads,
    },
  }
}

function resolveKafka({
  brokers,
  replicationFactor,
  sasl,
  tls,
  ...same
}: Settings['kafka']): Config['kafka'] {
  if (brokers === '') return null
  const { mechanism, user: username, password } = sasl
  return {
    ...same,
    brokers: brokers.split(',').map((broker) => broker.trim()),
    replicationFactor: replicationFactor === 'auto' ? null : replicationFactor,
    sasl: mechanism === 'none' ? null : { mechanism, username, password },
    tls: tls.enabled ? { caFile: tls.caFile } : null,
  }
}

/** The environment variable of a setting: engine.memoryLimit → TICKLAKE_ENGINE_MEMORY_LIMIT. */
function variableOf(path: readonly string[]): string {
  return ['ticklake', ...path].map((part) => part.replace(/[A-Z]/g, '_$&').toUpperCase()).join('_')
}

function overrideFromEnvironment(
  settings: Record<string, unknown>,
  env: Surroundings['env'],
  origins: Map<string, string>,
): void {
  const known = new Set<string>()
  const visit = (node: Record<string, unknown>, path: readonly string[]) => {
    for (const [key, value] of Object.entries(node)) {
      const here = [...path, key]
      if (isObject(value)) {
        visit(value, here)
        continue
      }
      const variable = variableOf(here)
      known.add(variable)
      if (env[variable] === undefined) continue
      node[key] = env[variable]
      origins.set(here.join('.'), variable)
    }
  }
  visit(settings, [])
  for (const [variable, value] of Object.entries(env)) {
    if (!variable.startsWith('TICKLAKE_') || known.has(variable)) continue
    throw invalid(variable, value, `a setting of ticklake: there are ${[...known].sort().join(', ')}`)
  }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** A URL may hold one, and messages go to the log. */
function withoutPassword(value: string): string {
  return value.replace(/\/\/[^/]*@/, '//…@')
}
