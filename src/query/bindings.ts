import type { SqlParameters, SqlValue } from '#engine'

/** Collects the values of one statement: text from outside reaches SQL only as a bound parameter. */
export class Bindings {
  readonly #values: Record<string, SqlValue> = {}
  #count = 0

  /** Binds the value and gives the placeholder to write in its place. */
  bind(value: SqlValue): string {
    const name = `p${this.#count++}`
    this.#values[name] = value
    return `$${name}`
  }

  get values(): SqlParameters {
    return this.#values
  }
}
