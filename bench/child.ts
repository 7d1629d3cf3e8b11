import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'

/**
 * Runs a script of this folder in a process of its own, so that its memory is its own, on the program as it was built;
 * gives the JSON that it prints last. `input` is its first argument, as JSON.
 */
export async function runChild<Result>(script: string, input: object): Promise<Result> {
  const path = fileURLToPath(new URL(script, import.meta.url))
  const child = spawn(process.execPath, ['--import', 'tsx', path, JSON.stringify(input)], {
    // What main.cts sets for the program: queries and file writes share libuv's threads.
    env: { ...process.env, UV_THREADPOOL_SIZE: '16' },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const closed = once(child, 'close')
  const output = await text(child.stdout)
  const [code] = await closed
  if (code !== 0) throw new Error(`${script} ended with ${code}`)
  return JSON.parse(output.trimEnd().split('\n').at(-1) ?? '')
}

/** The input that `runChild` gave this process. */
export function childInput<Input>(): Input {
  return JSON.parse(process.argv[2] ?? '{}')
}
