import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { KEYTOOL } from './java.js'

const run = promisify(execFile)

const STORE = 'server.p12'
const AUTHORITY = 'authority.pem'
/** keytool wants one. */
const PASSWORD = 'not-secret'

/** An authority of nobody else, and a server's key and certificate that it has signed for loopback. */
export interface KafkaCertificates {
  /** The authority's certificate, a PEM file: who has it trusts the server. */
  readonly authorityFile: string
  /** What a broker needs to show the server's certificate. */
  readonly properties: Readonly<Record<string, string>>
}

/** Makes them in a folder, for a day. */
export async function makeCertificates(directory: string): Promise<KafkaCertificates> {
  const keytool = (...args: string[]) =>
    run(KEYTOOL, [...args, '-keystore', STORE, '-storetype', 'PKCS12', '-storepass', PASSWORD], {
      cwd: directory,
    })
  const key = ['-genkeypair', '-keyalg', 'EC', '-groupname', 'secp256r1', '-validity', '1']
  await keytool(...key, '-alias', 'authority', '-dname', 'CN=ticklake test authority', '-ext', 'bc:c')
  const names = ['-ext', 'san=ip:127.0.0.1,dns:localhost']
  await keytool(...key, '-alias', 'server', '-dname', 'CN=localhost', ...names, '-signer', 'authority')
  await keytool('-exportcert', '-rfc', '-alias', 'authority', '-file', AUTHORITY)
  // Or the broker might show this one.
  await keytool('-delete', '-alias', 'authority')
  return {
    authorityFile: join(directory, AUTHORITY),
    properties: {
      'ssl.keystore.type': 'PKCS12',
      'ssl.keystore.location': join(directory, STORE),
      'ssl.keystore.password': PASSWORD,
      'ssl.key.password': PASSWORD,
    },
  }
}
