import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { createLogger } from '#core'
import { KafkaClient } from '../../../../src/ingest/log/kafka/client.js'

test('a file of authorities must be there and hold a certificate', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'ticklake-authority-'))
  try {
    const caFile = join(directory, 'authority.pem')
    const logger = createLogger({ level: 'silent', format: 'text' })
    const client = () => new KafkaClient({ brokers: ['127.0.0.1:1'], sasl: null, tls: { caFile } }, logger)
    const refused = expect.objectContaining({
      code: 'invalid_input',
      message: expect.stringContaining(`kafka.tls.caFile: no certificate in ${caFile}: `),
    })
    expect(client).toThrow(refused)
    await writeFile(caFile, 'no certificate')
    expect(client).toThrow(refused)
  } finally {
    await rm(directory, { recursive: true, force: true })
  }
})
