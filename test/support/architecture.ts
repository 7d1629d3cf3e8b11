import type { IForbiddenRuleType, IReporterOutput } from 'dependency-cruiser'
import { cruise, type ICruiseResult } from 'dependency-cruiser'

/** Who may import whom, besides itself. The picture in ARCHITECTURE.md is drawn from what the code really does. */
export const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  core: [],
  engine: ['core'],
  storage: ['engine', 'core'],
  ingest: ['storage', 'engine', 'core'],
  query: ['storage', 'engine', 'core'],
  api: ['query', 'ingest', 'storage', 'core'],
  cli: ['api', 'query', 'ingest', 'storage', 'engine', 'core'],
}

/** Each package lives behind one wall: the paths that may import it. */
export const PACKAGE_HOMES: Readonly<Record<string, string>> = {
  '@asteasolutions/zod-to-openapi': '^src/api/',
  '@duckdb/node-api': '^src/engine/',
  '@duckdb/node-bindings': '^src/engine/',
  '@mongodb-js/zstd': '^src/ingest/',
  'apache-arrow': '^src/query/encodings/',
  avsc: '^src/(ingest|storage/iceberg)/',
  'cli-progress': '^src/cli/',
  commander: '^src/cli/',
  'csv-parse': '^src/ingest/',
  express: '^src/api/',
  fzstd: '^src/ingest/',
  ioredis: '^src/query/cache/',
  kafkajs: '^src/ingest/log/',
  lmdb: '^src/ingest/',
  'lossless-json': '^src/(ingest|query|storage)/',
  'lru-cache': '^src/query/cache/',
  opossum: '^src/core/',
  'prom-client': '^src/core/',
  'swagger-ui-express': '^src/api/',
  winston: '^src/core/',
  'xxhash-wasm': '^src/ingest/',
  yaml: '^src/settings-file[.]ts$',
  yauzl: '^src/ingest/',
  zod: '^src/((config|settings-file)[.]ts$|api/|cli/)',
}

const ENTRY = '^src/main[.]cts$'

function rules(): IForbiddenRuleType[] {
  const modules = Object.keys(MAY_IMPORT)
  return [
    ...modules.map((from) => ({
      name: `import-table-${from}`,
      severity: 'error' as const,
      from: { path: `^src/${from}/` },
      to: {
        path: `^src/(${modules.filter((to) => to !== from && !MAY_IMPORT[from]!.includes(to)).join('|')})/`,
      },
    })),
    {
      name: 'doors-only',
      severity: 'error',
      from: { path: '^src/([^/]+)' },
      to: { path: '^src/[^/]+/', pathNot: ['^src/$1/', '^src/[^/]+/index[.]ts$', '^src/cli/'] },
    },
    {
      name: 'own-door',
      severity: 'error',
      from: { path: '^src/([^/]+)/', pathNot: '/index[.]ts$' },
      to: { path: '^src/$1/index[.]ts$' },
    },
    {
      name: 'cli-is-the-root',
      severity: 'error',
      from: { path: '^src/', pathNot: ['^src/cli/', ENTRY] },
      to: { path: '^src/(cli/|config[.]ts$|main[.]cts$)' },
    },
    { name: 'no-cycles', severity: 'error', from: { path: '^src/' }, to: { circular: true } },
    {
      name: 'no-dead-files',
      severity: 'error',
      from: { path: ENTRY },
      // The in-memory implementation of a contract serves the contract's tests.
      to: { path: '^src/', pathNot: [ENTRY, '/memory[.]ts$', '/memory-store[.]ts$'], reachable: false },
    },
    { name: 'resolvable', severity: 'error', from: {}, to: { couldNotResolve: true } },
    ...Object.entries(PACKAGE_HOMES).map(([name, home]) => ({
      name: `home-of-${name}`,
      severity: 'error' as const,
      from: { path: '^src/', pathNot: home },
      to: { path: `node_modules/${name}/` },
    })),
    {
      name: 'every-package-has-a-home',
      severity: 'error',
      from: { path: '^src/' },
      to: {
        path: 'node_modules/',
        pathNot: `node_modules/(@types/)?(${Object.keys(PACKAGE_HOMES).join('|')})/`,
      },
    },
  ]
}

/** Reads every import below `src` of the folder, types included, and holds it against the rules. */
export async function cruiseSources(baseDir: string): Promise<ICruiseResult> {
  const { output }: IReporterOutput = await cruise(
    ['src'],
    {
      baseDir,
      ruleSet: { forbidden: rules() },
      validate: true,
      tsPreCompilationDeps: true,
      doNotFollow: { path: 'node_modules' },
    },
    {
      conditionNames: ['source', 'import', 'types', 'require', 'node', 'default'],
      extensionAlias: { '.js': ['.ts', '.js'] },
    } as object, // extensionAlias is enhanced-resolve's; dependency-cruiser passes it on but does not declare it.
  )
  if (typeof output === 'string')
    throw new TypeError('dependency-cruiser gave text where a result was asked for')
  return output
}

/** One line a violation: rule, importer, imported; a dead file stands alone. */
export function violationsOf(result: ICruiseResult): string[] {
  return result.summary.violations.map(({ rule, from, to }) =>
    from === to ? `${rule.name}: ${from}` : `${rule.name}: ${from} → ${to}`,
  )
}
