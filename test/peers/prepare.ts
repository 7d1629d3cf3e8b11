import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { mkdir, mkdtemp, rename, rm } from 'node:fs/promises'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { besideThisFile, type Peer } from './peers.js'

const run = promisify(execFile)

/** What the pinned packages ask for. */
const OLDEST_PYTHON = [3, 11] as const
const PYTHONS = ['python3', 'python', 'python3.14', 'python3.13', 'python3.12', 'python3.11']

interface Python {
  readonly command: string
  readonly version: string
}

/** A program and its arguments; the question goes to its standard input. */
export interface PeerCommand {
  readonly file: string
  readonly args: readonly string[]
}

/**
 * Makes a peer ready to run. Its Python packages are installed once, in a virtual environment in the user's cache
 * folder that is named by the pins, so that any clone finds it. Throws when the peer can't be had, saying why.
 */
export async function preparePeer(peer: Peer): Promise<PeerCommand> {
  const script = besideThisFile(peer.script)
  if (peer.requirements === null) {
    return { file: process.execPath, args: ['--conditions=source', '--import', 'tsx', script] }
  }
  const python = await findPython()
  const requirements = besideThisFile(peer.requirements)
  const pins = createHash('sha256').update(python.version).update(readFileSync(requirements)).digest('hex')
  const cache = join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'ticklake-peers')
  const environment = join(cache, `${peer.id}-${pins.slice(0, 16)}`)
  if (!existsSync(environment)) await install(python, requirements, cache, environment)
  // Neither the user's own packages nor compiled files beside our scripts.
  return { file: pythonOf(environment), args: ['-B', '-s', script] }
}

async function install(
  python: Python,
  requirements: string,
  cache: string,
  environment: string,
): Promise<void> {
  await mkdir(cache, { recursive: true })
  const building = await mkdtemp(join(cache, 'building-'))
  try {
    await run(python.command, ['-m', 'venv', building])
    const pip = ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', '--only-binary=:all:']
    await run(pythonOf(building), [...pip, '--requirement', requirements])
    // Complete or not there at all. Another run may have been faster.
    await rename(building, environment).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'ENOTEMPTY' && error.code !== 'EEXIST') throw error
    })
  } finally {
    await rm(building, { recursive: true, force: true })
  }
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
