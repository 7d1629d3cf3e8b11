import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { told } from '../told.js'

/**
 * Runs a script beside this file with a question on its standard input, and gives what it answers. Throws with what it
 * complained of.
 */
export async function runScript(script: string, question: object): Promise<unknown> {
  const path = fileURLToPath(new URL(script, import.meta.url))
  const child = spawn(told('TICKLAKE_TEST_PYTHON'), ['-B', '-s', path], { stdio: 'pipe' })
  const closed = once(child, 'close')
  // A script that dies at once does not read its question; its exit code tells.
  child.stdin.on('error', () => {})
  child.stdin.end(JSON.stringify(question))
  const [answer, complaint] = await Promise.all([text(child.stdout), text(child.stderr)])
  const [code] = await closed
  if (code !== 0) throw new Error(`${script} ended with ${code}: ${complaint.trim()}`)
  return JSON.parse(answer)
}
