import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { stageInput } from '../../src/ingest/staged-input.js'
import { zipOf, zstdOf } from '../support/archives.js'

let folder: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'ticklake-stage-'))
})
afterEach(() => rm(folder, { recursive: true, force: true }))

async function stage(name: string, content: Uint8Array | string) {
  const path = join(folder, name)
  await writeFile(path, content)
  const input = await stageInput(path, name, folder)
  const files = await Promise.all(
    input.files.map(async (file) => ({
      name: file.name,
      text: await readFile(file.path, file.encoding === 'utf-8' ? 'utf8' : 'latin1'),
    })),
  )
  return { ...input, contents: files }
}

/** Some 700 kB that do not compress to nothing. */
const LINES = Array.from({ length: 40_000 }, (_, row) => `${row},${(row * 7919) % 10_007},abc`).join('\n')

/** RFC 8878, 3.1.2. */
const SKIPPABLE_FRAME = Buffer.from('502a4d18' + '04000000' + 'ffffffff', 'hex')

describe('an input is staged as plain text', () => {
  test.each([
    ['a.csv', LINES, 'a.csv'],
    ['a.csv.gz', gzipSync(LINES), 'a.csv'],
    ['a.csv.zst', zstdOf(LINES), 'a.csv'],
    ['misnamed.csv', gzipSync(LINES), 'misnamed.csv'],
    ['two.zst', Buffer.concat([zstdOf(LINES.slice(0, 1000)), zstdOf(LINES.slice(1000))]), 'two'],
    // As pzstd writes it: a frame to be skipped comes first.
    ['parallel.zst', Buffer.concat([SKIPPABLE_FRAME, zstdOf(LINES)]), 'parallel'],
    ['a.zip', zipOf({ 'inner/b.csv': LINES }), 'b.csv'],
    ['two.gz', Buffer.concat([gzipSync(LINES.slice(0, 1000)), gzipSync(LINES.slice(1000))]), 'two'],
    // As tapes leave it.
    ['padded.gz', Buffer.concat([gzipSync(LINES), Buffer.alloc(200_000)]), 'padded'],
  ])('%s', async (name, content, entry) => {
    const staged = await stage(name, content)
    expect(staged.incomplete).toBeUndefined()
    expect(staged.contents).toEqual([{ name: entry, text: LINES }])
    const plain = await stage('plain.csv', LINES)
    expect(staged.contentDigest).toBe(plain.contentDigest)
  })

  test('each file of a .zip, but for folders and what systems hide in them', async () => {
    const staged = await stage(
      'a.zip',
      zipOf({
        'x/': '',
        'x/a.csv': '1\n',
        '__MACOSX/a.csv': 'no',
        '.DS_Store': 'no',
        'empty.csv': '',
        'b.csv': '2\n',
      }),
    )
    expect(staged.contents).toEqual([
      { name: 'a.csv', text: '1\n' },
      { name: 'empty.csv', text: '' },
      { name: 'b.csv', text: '2\n' },
    ])
  })

  test('the staged files go with dispose', async () => {
    const staged = await stage('a.csv', 'x\n')
    expect(await readdir(folder)).toHaveLength(2)
    await staged.dispose()
    expect(await readdir(folder)).toEqual(['a.csv'])
  })

  test('an empty file, and an empty .zip', async () => {
    expect((await stage('a.csv', '')).contents).toEqual([{ name: 'a.csv', text: '' }])
    expect((await stage('a.zip', zipOf({}))).contents).toEqual([])
  })
})

describe('line ends become LF, and nothing else changes', () => {
  test.each([
    ['a\r\nb\r\n', 'a\nb\n'],
    ['a\nb', 'a\nb'],
    ['a\rb\r\nc\n\nd\r', 'a\nb\nc\n\nd\n'],
    ['\r\n\r\n', '\n\n'],
    ['\ufeffa\nb', 'a\nb'],
    ['\ufeff', ''],
    ['é\r\n', 'é\n'],
    ['a', 'a'],
  ])('%j', async (text, expected) => {
    expect((await stage('a.txt', text)).contents[0]?.text).toBe(expected)
  })

  test('wherever the chunks of the file begin', async () => {
    const text = `${'x'.repeat(65_535)}\r\n${'y'.repeat(65_533)}\r\nz\r`
    expect((await stage('a.txt', text)).contents[0]?.text).toBe(
      text.replaceAll('\r\n', '\n').replace('\r', '\n'),
    )
  })

  test('a text that is not UTF-8 is read as Latin-1', async () => {
    const staged = await stage('a.txt', Buffer.from('ok\nB\xe4r\n', 'latin1'))
    expect(staged.files[0]?.encoding).toBe('latin-1')
    expect(staged.contents[0]?.text).toBe('ok\nBär\n')
  })

  test('a Parquet file stays as it is', async () => {
    const bytes = Buffer.from('PAR1\r\n\r\0\xff', 'latin1')
    const staged = await stage('a.parquet', bytes)
    expect(staged.files[0]?.isParquet).toBe(true)
    expect(await readFile(staged.files[0]!.path)).toEqual(bytes)
  })

  test('a line without end is an error', async () => {
    await expect(stage('a.bin', Buffer.alloc(5 << 20, 'x'))).rejects.toThrow(
      /a line has more than 4194304 bytes/,
    )
  })
})

describe('a truncated or damaged archive is kept up to its last whole line', () => {
  const damaged = (bytes: Buffer) => {
    const copy = Buffer.from(bytes)
    copy[copy.length >> 1]! ^= 0xff
    return copy
  }
  const cut = (bytes: Buffer) => bytes.subarray(0, bytes.length >> 1)

  test.each([
    ['cut.gz', cut(gzipSync(LINES))],
    ['cut.zst', cut(zstdOf(LINES))],
    ['cut.zip', cut(zipOf({ 'a.csv': LINES }))],
    ['damaged.gz', damaged(gzipSync(LINES))],
    ['damaged.zip', damaged(zipOf({ 'a.csv': LINES }))],
  ])('%s', async (name, content) => {
    const staged = await stage(name, content)
    expect(staged.incomplete).toMatchObject({ code: 'incomplete' })
    expect(staged.incomplete?.message).toMatch(/truncated or damaged after \d+ bytes of content/)
    const text = staged.contents[0]!.text
    expect(text.length).toBeGreaterThan(LINES.length / 5)
    expect(text.endsWith('\n')).toBe(true)
  })

  test('a wrong checksum at the very end', async () => {
    const bytes = gzipSync(LINES)
    bytes[bytes.length - 8]! ^= 1
    const staged = await stage('a.gz', bytes)
    expect(staged.incomplete?.message).toContain('incorrect data check')
  })

  test('a .gz whose further member begins with a damaged byte, wherever chunks begin', async () => {
    const [first, second] = [gzipSync(`${LINES}\n`), gzipSync('9,9,abc\n')]
    for (const byte of [0x00, 0x01, 0x1e]) {
      const damage = Buffer.concat([first, second])
      damage[first.length] = byte
      // Behind padding of more than a chunk, too.
      const padded = Buffer.concat([first, Buffer.alloc(200_000), second])
      for (const bytes of [damage, padded]) {
        const staged = await stage('a.gz', bytes)
        expect(staged.incomplete).toMatchObject({ code: 'incomplete' })
        expect(`${LINES}\n`.startsWith(staged.contents[0]!.text)).toBe(true)
        await staged.dispose()
      }
    }
    // A chunk of the file is 64 KiB: the member ends where one does.
    const stored = gzipSync(Buffer.alloc(65_536 - 23, 'x'), { level: 0 })
    expect(stored).toHaveLength(65_536)
    const atChunk = Buffer.concat([stored, second])
    expect((await stage('a.gz', atChunk)).incomplete).toBeUndefined()
    atChunk[stored.length] = 0
    expect((await stage('b.gz', atChunk)).incomplete?.message).toContain('neither a member nor padding')
  })

  test('a .zst of which any bit has changed', async () => {
    // `zstd --check` of three short lines.
    const text = 'time,price\n1,2\n1,3\n'
    const whole = Buffer.from('KLUv/SQTmQAAdGltZSxwcmljZQoxLDIKMSwzCsiZFR0=', 'base64')
    expect((await stage('a.zst', whole)).contents[0]!.text).toBe(text)
    // Behind the magic: with another one it is no .zst. Some bits of the header have no effect on the content.
    for (let bit = 32; bit < whole.length * 8; bit++) {
      const bytes = Buffer.from(whole)
      bytes[bit >> 3]! ^= 1 << (bit & 7)
      const staged = await stage('a.zst', bytes)
      const outcome = staged.incomplete?.code ?? staged.contents[0]!.text
      expect(bit < 48 ? ['incomplete', text] : ['incomplete'], `bit ${bit}`).toContain(outcome)
      await staged.dispose()
    }
  })

  test('a .zst without checksum whose frame has another size than it says', async () => {
    // `zstd --no-check` of the same lines, the size of whose content is then said to be one more.
    const bytes = Buffer.from('KLUv/SATmQAAdGltZSxwcmljZQoxLDIKMSwzCg==', 'base64')
    expect((await stage('a.zst', bytes)).incomplete).toBeUndefined()
    bytes[5]! += 1
    expect((await stage('a.zst', bytes)).incomplete).toMatchObject({ code: 'incomplete' })
  })

  test('a .zip whose directory promises another content', async () => {
    const bytes = zipOf({ 'a.csv': LINES })
    // The CRC-32 in the central directory: 16 bytes behind its signature.
    bytes[bytes.lastIndexOf('PK\x01\x02') + 16]! ^= 1
    const staged = await stage('a.zip', bytes)
    expect(staged.incomplete?.message).toContain('CRC-32')
    expect(LINES.startsWith(staged.contents[0]!.text)).toBe(true)
  })

  test('what holds nothing at all is an error', async () => {
    await expect(stage('a.zip', Buffer.from('PK\x03\x04'))).rejects.toThrow(/a \.zip that can be read/)
    await expect(stageInput(join(folder, 'absent'), 'absent', folder)).rejects.toThrow(/absent.*can be read/)
    await expect(stageInput(folder, 'folder', folder)).rejects.toThrow(/is not a file/)
  })
})
