// A client in its own process: asks for the count of PROBE over and over until it has reached `expected`; prints when
// each count was first seen, in ms since 1970.
import { childInput } from '../child.js'

export interface Sighting {
  readonly count: number
  readonly atMs: number
}

const { url, expected } = childInput<{ url: string; expected: number }>()
const sightings: Sighting[] = []
for (let last = 0; last < expected; ) {
  const response = await fetch(`${url}/v1/trades/count?symbols=PROBE`)
  const body = await response.text()
  if (!response.ok) throw new Error(body)
  const { count } = JSON.parse(body).data
  if (count > last) sightings.push({ count, atMs: performance.timeOrigin + performance.now() })
  last = count
}
console.log(JSON.stringify(sightings))
