import type { Config } from '#config'
import type { Breaker, Clock, Service } from '#core'
import { ConfluentRegistry, EmbeddedRegistry, type SchemaRegistry, type StateStore } from '#ingest'

/** The schema registry of a lake, and what goes with it. */
export interface OpenedRegistry {
  readonly registry: SchemaRegistry
  /** What is served below /schema-registry: the embedded one, or the URL of the one that is used instead. */
  readonly served: EmbeddedRegistry | string
  /** What stands before a registry outside. */
  readonly breakers: readonly Breaker[]
}

/** Starts the registry that the configuration asks for: the one at its URL, else one that keeps its schemas in the store. */
export async function openRegistry(
  config: Config['registry'],
  store: StateStore,
  clock: Clock,
  start: <S extends Service>(service: S) => Promise<S>,
): Promise<OpenedRegistry> {
  if (config.url === '') {
    const registry = new EmbeddedRegistry(store)
    return { registry, served: registry, breakers: [] }
  }
  const registry = await start(new ConfluentRegistry({ ...config, clock }))
  return { registry, served: config.url, breakers: [registry.breaker] }
}
