import { openArchive } from '../../src/ingest/archive.js'

/** The cells of a recording: an archive of one CSV without quotes or header. */
export async function recordedLines(path: string): Promise<readonly (readonly string[])[]> {
  const chunks: Uint8Array[] = []
  for await (const { content } of openArchive(path, 'day.zip'))
    for await (const chunk of content) chunks.push(chunk)
  const lines = Buffer.concat(chunks).toString().split(/\r?\n/)
  return lines.filter((line) => line !== '').map((line) => line.split(','))
}

/** "1674100", a price × 10,000, as an answer has it. */
export function recordedPrice(scaled: string | number): string {
  return String(Number(scaled) / 10_000)
}
