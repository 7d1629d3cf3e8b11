import { readdirSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { installArchive, JAVA, QUICK_AND_SMALL } from './java.js'
import { ServerProcess } from './server-process.js'

/** The folder of Apicurio Registry in the user's cache; installed when missing. */
export function installRegistry(version: string): Promise<string> {
  return installArchive(
    `apicurio-registry-${version}`,
    `io.apicurio:apicurio-registry-app:${version}:tar.gz:all`,
  )
}

/** Apicurio Registry, which speaks Confluent's protocol, on loopback; it keeps its schemas in memory. */
export class RegistryServer {
  readonly version: string
  /** What a client of Confluent's registry is given: `/subjects`, `/schemas` and `/config` are below it. */
  readonly url: string
  readonly #process: ServerProcess

  private constructor(version: string, url: string, process: ServerProcess) {
    this.version = version
    this.url = url
    this.#process = process
  }

  /** A new, empty registry. `home` is what `installRegistry` gave. */
  static async start(home: string): Promise<RegistryServer> {
    const jar = readdirSync(home).find((name) => name.endsWith('-runner.jar'))
    if (jar === undefined) throw new Error(`${home} holds no Apicurio Registry: no *-runner.jar`)
    const listen = ['-Dquarkus.http.host=127.0.0.1', '-Dquarkus.http.port=0']
    const server = await ServerProcess.start({
      file: JAVA,
      args: [...QUICK_AND_SMALL, ...listen, '-jar', join(home, jar)],
      cwd: tmpdir(),
      ready: /registry-app (\S+) on JVM .* Listening on: (\S+)/,
    })
    const [, version, address] = server.ready
    return new RegistryServer(version!, `${address}/apis/ccompat/v7`, server)
  }

  async stop(): Promise<void> {
    await this.#process.stop()
  }

  /** Ends it at once, and with it all that it knew. */
  async kill(): Promise<void> {
    await this.#process.kill()
  }
}
