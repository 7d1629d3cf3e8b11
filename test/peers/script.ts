import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { told } from './told.js'

/**
 * Runs a Python script with a question on its standard input, and gives what it answers. Throws with what it complained
 * of.
 */
export async function runScript(script: URL, question: object): Promise<unknown> {
  const child = spawn(told('TICKLAKE_TEST_PYTHON'), ['-B', '-s', fileURLToPath(script)], { stdio: 'pipe' })
  const closed = once(child, 'close')
  // A script that dies at once does not read its question; its exit code tells.
  child.stdin.on('error', () => {})
  child.stdin.end(JSON.stringify(question))
  const [answer, complaint] = await Promise.all([text(child.stdout), text(child.stderr)])
  const [code] = await closed
  if (code !== 0) throw new Error(`${script.pathname} ended with ${code}: ${complaint.trim()}`)
  return JSON.parse(answer)
}
