import { parse, stringify, YAMLError } from 'yaml'
import { z } from 'zod'
import { TicklakeError } from '#core'

/** What a YAML file says. `invalid_input` names the file, the line and why it is no YAML. */
export function parseYaml(file: string, text: string): unknown {
  try {
    return parse(text)
  } catch (error) {
    // The second is an alias of nothing.
    if (!(error instanceof YAMLError || error instanceof ReferenceError)) throw error
    // Without the lines that it shows: a password may be in them.
    const [what] = error.message.split(':\n')
    throw new TicklakeError('invalid_input', `${file} is no YAML: ${what}`, { field: file, cause: error })
  }
}

/** A section of such a file: these keys and no others. */
export function section<T extends z.ZodRawShape>(shape: T) {
  const keys = Object.keys(shape).join(', ')
  return z.strictObject(shape, {
    error: ({ code }) =>
      code === 'unrecognized_keys' ? `a setting here; there are ${keys}` : `settings: there are ${keys}`,
  })
}

/** What is wrong with a file: where, what is there, and what would be right. */
export interface SettingMistake {
  /** Keys joined with dots; empty: the file as a whole. */
  readonly key: string
  /** As it was written, on one line; empty when it is not there. */
  readonly value: string
  readonly expected: string
}

/** The first mistake. A misspelt key comes before the one that is therefore missing. */
export function firstMistake({ issues }: z.ZodError, given: unknown): SettingMistake {
  const unknown = issues.find(({ code }) => code === 'unrecognized_keys')
  const { path, message } = unknown ?? issues[0]!
  const value = unknown?.code === 'unrecognized_keys' ? unknown.keys[0] : valueAt(given, path)
  return { key: path.join('.'), value: written(value), expected: message }
}

function valueAt(given: unknown, path: readonly PropertyKey[]): unknown {
  return path.reduce<unknown>((node, key) => Object(node)[key], given)
}

function written(value: unknown): string {
  if (typeof value === 'string') return value
  return value === undefined ? '' : stringify(value, { collectionStyle: 'flow' }).trim()
}
