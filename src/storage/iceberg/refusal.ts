import { TicklakeError } from '#core'

/** The error for a change that a table does not allow. The message names what it is about, and a way out if there is one. */
export function refused(message: string): TicklakeError {
  return new TicklakeError('invalid_input', message)
}
