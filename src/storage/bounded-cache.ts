/** Least recently used values leave first. Who asks while a value is being read gets the same read. */
export class BoundedCache<T> {
  readonly #maxWeight: number
  readonly #values = new Map<string, { readonly value: Promise<T>; weight: number }>()
  #weight = 0

  constructor(maxWeight: number) {
    this.#maxWeight = maxWeight
  }

  get(key: string, read: () => Promise<{ value: T; weight: number }>): Promise<T> {
    const known = this.#values.get(key)
    if (known) {
      this.#values.delete(key)
      this.#values.set(key, known)
      return known.value
    }
    const entry = { value: read().then(({ value, weight }) => this.#weigh(key, value, weight)), weight: 0 }
    this.#values.set(key, entry)
    // The caller sees the failure; the next one reads again.
    entry.value.catch(() => this.#values.delete(key))
    return entry.value
  }

  #weigh(key: string, value: T, weight: number): T {
    const entry = this.#values.get(key)
    if (entry) {
      entry.weight = weight
      this.#weight += weight
    }
    for (const [oldest, { weight: freed }] of this.#values) {
      if (this.#weight <= this.#maxWeight || oldest === key) break
      if (freed === 0) continue
      this.#values.delete(oldest)
      this.#weight -= freed
    }
    return value
  }
}
