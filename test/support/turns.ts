import { setImmediate as turn } from 'node:timers/promises'

/** Resolves once it is so: turns of the event loop pass until then. */
export async function until(isSo: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await isSo())) await turn()
}
