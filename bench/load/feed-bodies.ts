import avro from 'avsc'
import { SeededRandom } from '../../test/support/seeded-random.js'

const BODIES = 20
const SYMBOLS = 400
const SYNC = Buffer.alloc(16, 7)
const text = (name: string) => ({ name, type: 'string' }) as const
const SCHEMA = {
  type: 'record',
  name: 'Posted',
  fields: [
    text('exchange'),
    text('symbol'),
    { name: 'ts_ns', type: 'long' },
    text('price'),
    text('size'),
    text('side'),
    text('trade_id'),
  ],
} as const
/** A time of these years is a varint of nine bytes. */
const TIME_BYTES = 9

/** Bodies of trades as a feed posts them, encoded beforehand: what is new in each is the time. Each has one of PROBE. */
export class FeedBodies {
  readonly #bodies: readonly { readonly bytes: Buffer; readonly times: readonly number[] }[]
  #next = 0

  constructor(rowCount: number) {
    const random = new SeededRandom(20_261_126)
    this.#bodies = Array.from({ length: BODIES }, () => body(rowCount, random))
  }

  /** The next body, of rows of that moment, ms since 1970. It is another's again after some more. */
  take(ms: number): Buffer {
    const { bytes, times } = this.#bodies[this.#next++ % BODIES]!
    const time = varint(nanosOf(ms))
    for (const at of times) time.copy(bytes, at)
    return Buffer.from(bytes)
  }
}

/** Of a moment, ms since 1970, as rows give it. */
export function nanosOf(ms: number): bigint {
  return BigInt(Math.round(ms * 1_000)) * 1_000n
}

/** An object container of one block, and where its times are. */
function body(rowCount: number, random: SeededRandom) {
  const times: number[] = []
  const rows: Buffer[] = []
  let length = 0
  const add = (bytes: Buffer) => {
    rows.push(bytes)
    length += bytes.length
  }
  for (let row = 0; row < rowCount; row++) {
    // Activity is skewed: half of the rows are of a sixteenth of the symbols.
    const symbol = `SYM${Math.floor(random.below(SYMBOLS) ** 4 / SYMBOLS ** 3)}`
    add(string('FEED'))
    add(string(row === 0 ? 'PROBE' : symbol))
    times.push(length)
    add(Buffer.alloc(TIME_BYTES))
    const price = `${100 + random.below(50)}.${10 + random.below(90)}`
    for (const cell of [price, `${1 + random.below(500)}`, random.pick(['buy', 'sell']), `T${row}`]) {
      add(string(cell))
    }
  }
  const head = Buffer.concat([
    Buffer.from('Obj\u0001', 'latin1'),
    varint(1n),
    string('avro.schema'),
    string(JSON.stringify(SCHEMA)),
    varint(0n),
    SYNC,
    varint(BigInt(rowCount)),
    varint(BigInt(length)),
  ])
  return { bytes: Buffer.concat([head, ...rows, SYNC]), times: times.map((at) => head.length + at) }
}

const STRING = avro.Type.forSchema('string')

function string(value: string): Buffer {
  return STRING.toBuffer(value)
}

/** Zigzag, of a number that is not negative. */
function varint(value: bigint): Buffer {
  const bytes: number[] = []
  for (let rest = value << 1n; ; rest >>= 7n) {
    if (rest < 0x80n) return Buffer.from([...bytes, Number(rest)])
    bytes.push(Number(rest & 0x7fn) | 0x80)
  }
}
