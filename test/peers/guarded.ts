import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process'
import { once } from 'node:events'

/**
 * Starts a process that, with all its children, never outlives us. It is in a process group of its own, which a Ctrl-C
 * at the terminal does not reach: we decide when it ends. A shell beside it, the guard, is told the group and then
 * reads on: when we are gone, however we went, it finds the end of the pipe and kills the group. Throws when the
 * program can't be run.
 */
export async function spawnGuarded(
  file: string,
  args: readonly string[],
  options: SpawnOptions,
): Promise<ChildProcess> {
  const script = 'read -r group; read -r _; kill -KILL "-$group" 2>/dev/null'
  const guard = spawn('sh', ['-c', script], { detached: true, stdio: ['pipe', 'ignore', 'ignore'] })
  // A guard that has been ended reads no more; the child's own end is told by its own events.
  guard.stdin.on('error', () => {})
  guard.unref()
  const child = spawn(file, args, { ...options, detached: true })
  // The number may soon be another group's.
  child.once('exit', () => guard.kill('SIGKILL'))
  child.once('error', () => guard.kill('SIGKILL'))
  guard.stdin.write(`${child.pid}\n`)
  await once(child, 'spawn')
  return child
}

/** Signals a guarded process and its children. No effect when they are gone. */
export function signalGroup({ pid }: ChildProcess, signal: NodeJS.Signals): void {
  try {
    process.kill(-pid!, signal)
  } catch (error) {
    // ESRCH: no such group any more. What is thrown by kill has a code.
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
  }
}
