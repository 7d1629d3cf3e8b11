import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { dirname } from 'node:path'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import type { Answer, Question } from './question.js'
import type { ReaderCommand } from './reader-suite.js'

/** Runs a reader and asks it. Throws with what it said on standard error when it fails; the signal ends it. */
export async function ask(
  { file, args }: ReaderCommand,
  question: Question,
  signal: AbortSignal,
): Promise<Answer> {
  const child = spawn(file, args, { cwd: dirname(fileURLToPath(import.meta.url)), stdio: 'pipe', signal })
  const ended = once(child, 'close')
  // A peer that dies at once does not read its question; its exit code tells.
  child.stdin.on('error', () => {})
  child.stdin.end(JSON.stringify(question))
  const [answer, complaint] = await Promise.all([text(child.stdout), text(child.stderr)])
  const [code] = await ended
  if (code !== 0) throw new Error(`exit code ${code}: ${complaint.trim().split('\n').slice(-5).join(' | ')}`)
  return JSON.parse(answer)
}
