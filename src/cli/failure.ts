import { CommanderError } from 'commander'
import { TicklakeError } from '#core'

/** How a command ends: 0 done, 1 failed, 2 the command line is wrong. */
export type ExitCode = 0 | 1 | 2

/** The exit code of what a command threw. */
export function exitCodeOf(error: unknown): ExitCode {
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2
  return error instanceof TicklakeError && error.detail.field?.startsWith('--') ? 2 : 1
}

/** What to print of it: one line for an operating error, which says what to do; the stack for a mistake of ours. */
export function failureText(error: unknown, subject?: string): string {
  const prefix = subject === undefined ? 'error' : `error: ${subject}`
  if (error instanceof TicklakeError || isSystemError(error)) return `${prefix}: ${messageOf(error)}`
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
