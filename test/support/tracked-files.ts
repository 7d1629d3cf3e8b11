import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'

export const projectRoot = resolve(import.meta.dirname, '../..')

/** Paths, from the project's root, of all files that are or would be tracked. */
export function trackedFiles(): string[] {
  const list = execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard'], {
    cwd: projectRoot,
    encoding: 'utf8',
  })
  return list.split('\n').filter((file) => file !== '' && existsSync(join(projectRoot, file)))
}

export function readTracked(file: string): string {
  return readFileSync(join(projectRoot, file), 'utf8')
}
