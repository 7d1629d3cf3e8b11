import { invalid, type OffsetVector, TicklakeError } from '#core'

interface Loss {
  readonly topic: string
  readonly partition: number
  readonly from: number
  /** The last one that is lost. */
  readonly to: number
}

const FORM = /^(?<topic>[A-Za-z0-9._-]+)\/(?<partition>\d{1,9}):(?<from>\d{1,15})-(?<to>\d{1,15})$/
const EXPECTED = 'a list such as market-data.trades/0:100-250, with commas between'

/**
 * Offsets that somebody has said may be passed over, each range by name: Kafka drops records by age and size, whether
 * the tables have them or not. Nothing that is not named is ever passed over.
 */
export class AcceptedLosses {
  readonly #losses: readonly Loss[]

  /** Of the setting kafka.acceptLost. */
  constructor(setting: string) {
    this.#losses = setting
      .split(',')
      .map((part) => part.trim())
      .filter((part) => part !== '')
      .map((part) => parseLoss(part))
  }

  /** The position without what is no longer kept and was accepted as lost; `gone` for what was not accepted. */
  pass(topic: string, from: OffsetVector, begin: OffsetVector): OffsetVector {
    return from.map((offset, partition) => {
      const first = begin[partition] ?? 0
      if (offset >= first) return offset
      const isAccepted = this.#losses.some(
        (loss) =>
          loss.topic === topic && loss.partition === partition && loss.from <= offset && loss.to >= first - 1,
      )
      if (isAccepted) return first
      const range = `${offset}-${first - 1}`
      throw new TicklakeError(
        'gone',
        `topic ${topic}, partition ${partition}: offsets ${offset} to ${first - 1} are no longer kept; the log begins at ${first}. To go on without them, start with kafka.acceptLost set to ${topic}/${partition}:${range}`,
      )
    })
  }
}

function parseLoss(text: string): Loss {
  const { topic, partition, from, to } = FORM.exec(text)?.groups ?? {}
  if (topic === undefined || Number(from) > Number(to)) throw invalid('kafka.acceptLost', text, EXPECTED)
  return { topic, partition: Number(partition), from: Number(from), to: Number(to) }
}
