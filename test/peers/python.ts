import { execFile } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { cached } from './cache.js'

const run = promisify(execFile)

/** What the pinned packages ask for. */
const OLDEST_PYTHON = [3, 11] as const
const PYTHONS = ['python3', 'python', 'python3.14', 'python3.13', 'python3.12', 'python3.11']

interface Python {
  readonly command: string
  readonly version: string
}

/**
 * The Python of a virtual environment with the packages that a requirements file pins. It is made once, in the user's
 * cache folder.
 */
export async function installPython(name: string, requirements: string): Promise<string> {
  const python = await findPython()
  const pins = python.version + (await readFile(requirements, 'utf8'))
  const environment = await cached(name, pins, async (folder) => {
    await run(python.command, ['-m', 'venv', folder])
    const pip = ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', '--only-binary=:all:']
    await run(pythonOf(folder), [...pip, '--requirement', requirements])
  })
  return pythonOf(environment)
}

/** What is installed there, as it tells itself: `fastavro 1.2.3, avro 4.5.6`. */
export async function versionsOf(python: string, packages: readonly string[]): Promise<string> {
  const script = 'import sys; from importlib.metadata import version; print(*map(version, sys.argv[1:]))'
  const { stdout } = await run(python, ['-c', script, ...packages])
  const versions = stdout.trim().split(' ')
  return packages.map((name, index) => `${name} ${versions[index]}`).join(', ')
}

async function findPython(): Promise<Python> {
  const found: Python[] = []
  for (const command of PYTHONS) {
    const script = 'import sys; print("%d.%d.%d" % sys.version_info[:3])'
    // A name that does not exist or does not run is no Python: the next one is tried.
    const version = await run(command, ['-c', script]).then(
      ({ stdout }) => stdout.trim(),
      () => null,
    )
    if (version === null) continue
    if (isNewEnough(version)) return { command, version }
    found.push({ command, version })
  }
  const seen = found.map(({ command, version }) => `${command} is ${version}`).join(', ')
  throw new Error(`no Python ${OLDEST_PYTHON.join('.')} or newer (${seen || 'none found'})`)
}

function isNewEnough(version: string): boolean {
  const [major = 0, minor = 0] = version.split('.').map(Number)
  return major === OLDEST_PYTHON[0] && minor >= OLDEST_PYTHON[1]
}

function pythonOf(environment: string): string {
  return process.platform === 'win32'
    ? join(environment, 'Scripts', 'python.exe')
    : join(environment, 'bin', 'python')
}
