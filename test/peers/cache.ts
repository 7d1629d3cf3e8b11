import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, rename, rm } from 'node:fs/promises'
import { homedir } from 'node:os'
import { join } from 'node:path'

/**
 * The folder of an installation: made by `build` when it is not in the user's cache folder yet. It is named by what
 * it is and by its pins, so that any clone finds it and a change of a pin installs anew.
 */
export async function cached(
  name: string,
  pins: string,
  build: (folder: string) => Promise<void>,
): Promise<string> {
  const cache = join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'ticklake-peers')
  const digest = createHash('sha256').update(pins).digest('hex').slice(0, 16)
  const folder = join(cache, `${name}-${digest}`)
  if (existsSync(folder)) return folder
  await mkdir(cache, { recursive: true })
  const building = await mkdtemp(join(cache, 'building-'))
  try {
    await build(building)
    // Complete or not there at all. Another run may have been faster.
    await rename(building, folder).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'ENOTEMPTY' && error.code !== 'EEXIST') throw error
    })
  } finally {
    await rm(building, { recursive: true, force: true })
  }
  return folder
}
