import { randomUUID } from 'node:crypto'
import { afterEach, expect, test } from 'vitest'
import { systemClock } from '#core'
import { ConfluentRegistry } from '#ingest'
import { describeRegistry } from '../../contract/registry.js'
import { told } from '../told.js'

/** A real registry. */
const url = told('TICKLAKE_TEST_REGISTRY_URL')

const opened: ConfluentRegistry[] = []

afterEach(async () => {
  for (const registry of opened.splice(0)) await registry.stop()
})

function open(): ConfluentRegistry {
  const registry = new ConfluentRegistry({
    url,
    user: '',
    password: '',
    timeoutMs: 10_000,
    clock: systemClock,
  })
  opened.push(registry)
  return registry
}

describeRegistry(`ConfluentRegistry at ${url}`, async () => ({
  registry: open(),
  prefix: `${randomUUID()}-`,
  reopen: async () => open(),
}))

test('a subject of ours is BACKWARD, and one that was given a level keeps it', async () => {
  const registry = open()
  const level = async (subject: string) => (await fetch(`${url}/config/${subject}`)).json()
  const [ours, theirs] = [`${randomUUID()}-value`, `${randomUUID()}-value`]
  await registry.register(ours, '"string"')
  expect(await level(ours)).toMatchObject({ compatibilityLevel: 'BACKWARD' })
  await registry.register(theirs, '"string"')
  await fetch(`${url}/config/${theirs}`, {
    method: 'PUT',
    headers: { 'Content-Type': 'application/vnd.schemaregistry.v1+json' },
    body: JSON.stringify({ compatibility: 'FULL' }),
  })
  await open().register(theirs, '"string"')
  expect(await level(theirs)).toMatchObject({ compatibilityLevel: 'FULL' })
})
