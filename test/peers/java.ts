import { execFile } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { cached } from './cache.js'

const run = promisify(execFile)

/** What the servers here are built for. */
const OLDEST_JAVA = 17
const DEPENDENCY_PLUGIN = 'org.apache.maven.plugins:maven-dependency-plugin:3.6.1'

export const JAVA = javaProgram('java')
/** Makes keys and certificates: each Java has it. */
export const KEYTOOL = javaProgram('keytool')

function javaProgram(name: string): string {
  return process.env.JAVA_HOME ? join(process.env.JAVA_HOME, 'bin', name) : name
}

/** Options of a Java that is there for tests: a small heap, and the compiler that starts fast but does not get far. */
export const QUICK_AND_SMALL = ['-Xmx512m', '-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1'] as const

/** Maven coordinates, `group:artifact:version`. */
export type Artifact = `${string}:${string}:${string}`

/**
 * A folder with the jars of these artifacts and of all that they need to run. The versions of the latter are those
 * that the artifacts' own descriptions give: they are pinned too.
 */
export function installJars(name: string, artifacts: readonly Artifact[]): Promise<string> {
  return cached(name, artifacts.join(), async (folder) => {
    await maven(projectOf(artifacts), `${DEPENDENCY_PLUGIN}:copy-dependencies`, [
      '-DincludeScope=runtime',
      `-DoutputDirectory=${folder}`,
    ])
  })
}

/** A folder with the contents of one archive, `group:artifact:version:type:classifier`. */
export function installArchive(name: string, archive: `${Artifact}:${string}:${string}`): Promise<string> {
  return cached(name, archive, async (folder) => {
    const settings = [`-Dartifact=${archive}`, `-DoutputDirectory=${folder}`]
    await maven(projectOf([]), `${DEPENDENCY_PLUGIN}:unpack`, settings)
  })
}

function projectOf(artifacts: readonly Artifact[]): string {
  const dependencies = artifacts.map((artifact) => {
    const [group, name, version] = artifact.split(':')
    return `<dependency><groupId>${group}</groupId><artifactId>${name}</artifactId><version>${version}</version></dependency>`
  })
  return `<project>
  <modelVersion>4.0.0</modelVersion><groupId>ticklake</groupId><artifactId>peers</artifactId><version>1</version>
  <packaging>pom</packaging>
  <dependencies>${dependencies.join('\n    ')}</dependencies>
</project>
`
}

/** Maven takes the packages from wherever it is set up to; a package that does not match its checksum fails. */
async function maven(project: string, goal: string, settings: readonly string[]): Promise<void> {
  await assertJava()
  const directory = await mkdtemp(join(tmpdir(), 'ticklake-maven-'))
  try {
    await writeFile(join(directory, 'pom.xml'), project)
    const options = ['--batch-mode', '--quiet', '--no-transfer-progress', '--strict-checksums']
    await run('mvn', [...options, goal, ...settings], { cwd: directory }).catch((error) => {
      throw new Error(`mvn ${goal}: ${mavenComplaint(error)}`)
    })
  } finally {
    await rm(directory, { recursive: true, force: true })
  }
}

function mavenComplaint(error: NodeJS.ErrnoException & { stdout?: string }): string {
  if (error.code === 'ENOENT') return 'no Maven on the PATH'
  const complaints = error.stdout?.split('\n').filter((line) => line.includes('ERROR')) ?? []
  return complaints[0] ?? error.message
}

async function assertJava(): Promise<void> {
  const { stdout } = await run(JAVA, ['--version']).catch(() => {
    throw new Error(`no Java ${OLDEST_JAVA} or newer: ${JAVA} does not run`)
  })
  const major = Number(/^\w+ (\d+)/.exec(stdout)?.[1])
  if (!(major >= OLDEST_JAVA))
    throw new Error(`no Java ${OLDEST_JAVA} or newer: ${JAVA} is ${stdout.split('\n')[0]}`)
}
