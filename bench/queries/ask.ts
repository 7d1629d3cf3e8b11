import { tableFromIPC } from 'apache-arrow'

/** What came of a question over HTTP. */
export interface Asked {
  readonly rowCount: number
  /** Null where the answer has no `meta`. */
  readonly meta: Meta | null
}

export interface Meta {
  readonly files_total: number
  readonly files_read: number
  readonly bytes_read: number
  readonly rows_scanned: number
  readonly elapsed_ms: number
  readonly cache: string
  readonly rollup: string | null
  readonly tables?: readonly Pick<Meta, 'files_total' | 'files_read' | 'bytes_read' | 'rows_scanned'>[]
}

/** Asks until every byte is here, with nothing in the caches unless they may be used; how long that took, ms. */
export async function ask(
  url: string,
  path: string,
  mayBeCached: boolean,
): Promise<Asked & { tookMs: number }> {
  if (!mayBeCached) await fetch(`${url}/admin/cache`, { method: 'DELETE' }).then((cleared) => cleared.text())
  const startedMs = performance.now()
  const response = await fetch(`${url}${path}`)
  const bytes = new Uint8Array(await response.arrayBuffer())
  const tookMs = performance.now() - startedMs
  if (!response.ok) throw new Error(`${path}: ${response.status} ${Buffer.from(bytes)}`)
  return { tookMs, ...read(response, bytes) }
}

function read(response: Response, bytes: Uint8Array): Asked {
  if (response.headers.get('content-type')?.includes('arrow'))
    return { rowCount: tableFromIPC(bytes).numRows, meta: null }
  const { data, meta } = JSON.parse(Buffer.from(bytes).toString())
  return { rowCount: Array.isArray(data) ? data.length : 1, meta }
}
