import { CommanderError } from 'commander'
import { TicklakeError } from '#core'

/** How a command ends: 0 done, 1 failed, 2 the command line is wrong. */
export type ExitCode = 0 | 1 | 2

/** A command failed, and all that there is to say of it was printed while it ran. */
export class AlreadyTold extends Error {
  override readonly name = 'AlreadyTold'
}

/** The exit code of what a command threw. */
export function exitCodeOf(error: unknown): ExitCode {
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2
  return error instanceof TicklakeError && error.detail.field?.startsWith('--') ? 2 : 1
}

/** What to print of it: one line for an operating error, which says what to do; the stack for a mistake of ours. */
export function failureText(error: unknown, subject?: string): string {
  const prefix = subject === undefined ? 'error' : `error: ${subject}`
  if (error instanceof TicklakeError) return `${prefix}: ${messageOf(error)}`
  // "ENOENT: no such file or directory, stat '/a.csv'": of the subject, the middle says all.
  if (isSystemError(error)) {
    const said = messageOf(error)
    return `${prefix}: ${subject === undefined ? said : said.replace(/^[A-Z]+: (.+), \w+ '.*'$/, '$1')}`
  }
  const stack = error instanceof Error ? error.stack : String(error)
  return `${prefix}: this is a mistake in ticklake, please report it\n${stack}`
}

function messageOf(error: Error): string {
  return error.message.replace(/\s*\n\s*/g, ' ')
}

/** Node's errors from the operating system (ENOENT, EADDRINUSE, ENOSPC, …) name the call and the path. */
function isSystemError(error: unknown): error is NodeJS.ErrnoException {
  return error instanceof Error && 'syscall' in error
}

/** The port is taken, by the system's own word or as the cause of an error that says more. */
export function isAddressInUse(error: unknown): boolean {
  if (!(error instanceof Error)) return false
  return (isSystemError(error) && error.code === 'EADDRINUSE') || isAddressInUse(error.cause)
}
