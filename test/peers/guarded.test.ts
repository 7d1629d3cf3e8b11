import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { expect, test } from 'vitest'
import { spawnGuarded } from './guarded.js'

/** Starts a guarded shell with a child of its own; both hold the standard output that we read. */
const STARTER = `
  import { spawnGuarded } from './test/peers/guarded.ts'
  await spawnGuarded('sh', ['-c', 'sleep 600 & wait'], { stdio: ['ignore', 'inherit', 'inherit'] })
  console.log('ready')
  setInterval(() => {}, 1000)
`

test.each(['SIGKILL', 'SIGTERM', 'SIGINT'] as const)(
  'a guarded process and its children are gone when their starter ends by %s',
  async (signal) => {
    const args = ['--import', 'tsx', '--input-type=module', '--eval', STARTER]
    const starter = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] })
    const ended = once(starter, 'exit')
    const lines = createInterface({ input: starter.stdout })
    const closed = once(lines, 'close')
    expect(await once(lines, 'line')).toEqual(['ready'])
    starter.kill(signal)
    expect(await ended).toEqual([null, signal])
    // The pipe ends when the last that holds it is gone.
    await closed
  },
)

test('a program that does not exist is told', async () => {
  await expect(spawnGuarded('no-such-program', [], {})).rejects.toThrow(/ENOENT/)
})
