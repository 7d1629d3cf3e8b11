import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { parse } from 'yaml'
import { loadConfig } from '#config'
import { projectRoot, readTracked } from './support/tracked-files.js'

// The image is not built here: what can be known without building it is held against the project.
const dockerfile = readTracked('docker/Dockerfile')
const compose = parse(readTracked('docker/compose.yaml'))
const letIn = readTracked('docker/Dockerfile.dockerignore')
  .split('\n')
  .filter((line) => line.startsWith('!'))
  .map((line) => line.slice(1))

test('the image is made of files that there are, and that its context lets in', () => {
  const copied = [...dockerfile.matchAll(/^COPY (?!--from)(.+) \S+$/gm)].flatMap(([, names]) =>
    names!.split(' '),
  )
  expect(copied.sort()).toEqual([...letIn, 'package.json'].sort())
  expect(letIn.filter((name) => !existsSync(join(projectRoot, name)))).toEqual([])
})

test('the variables of the image are settings of ticklake', () => {
  const env = Object.fromEntries(
    [...dockerfile.matchAll(/\b(TICKLAKE_[A-Z_]+)=(\S+)/g)].map(([, name, value]) => [name, value]),
  )
  expect(loadConfig({}, { env, isTerminal: false, cores: 2 }).data).toBe('/data')
})

test('no port of the compose file is open to other machines', () => {
  const services: Record<string, { ports?: string[] }> = compose.services
  const ports = Object.values(services).flatMap((service) => service.ports ?? [])
  expect(ports.length).toBeGreaterThan(0)
  expect(ports.filter((port) => !port.startsWith('127.0.0.1:'))).toEqual([])
})

test('the compose file names the versions that the peers suites try', () => {
  const suites = readTracked('test/peers/suites.ts')
  const versionOf = (name: string) => new RegExp(`^const ${name} = '(.+)'$`, 'm').exec(suites)?.[1]
  const { kafka, registry } = compose.services
  expect(kafka.image).toBe(`apache/kafka:${versionOf('KAFKA_4')}`)
  expect(registry.image).toBe(`apicurio/apicurio-registry-kafkasql:${versionOf('APICURIO')}`)
})
