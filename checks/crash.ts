// Kills the real server with SIGKILL at 150 seeded moments of a load, spread over the stages of a row's way, starts it
// again each time and compares the finished tables with that of an undisturbed load, row for row; a reader asks all the
// while and holds each answer against a model.
//
// With `kafka` the log is Apache Kafka's, and every tenth time Kafka is killed, too, and started again.
//
//     npm run check:crash -- [seed] [kills] [kafka]
import { join } from 'node:path'
import { installKafka, KafkaServer } from '../test/peers/kafka-server.js'
import { CrashMatrix, type CrashMatrixOptions, type CrashMatrixResult } from '../test/support/crash-matrix.js'
import { measureRecovery } from '../test/support/recovery.js'
import { SeededRandom } from '../test/support/seeded-random.js'
import { AS_BUILT } from '../test/support/ticklake-process.js'
import { writeTradesFile } from '../test/support/trades-file.js'
import { withTemporaryFolder } from './temporary-folder.js'

const seed = Number(process.argv[2] ?? 20_140_508)
const killCount = Number(process.argv[3] ?? 150)

const KAFKA = '3.9.2'

console.log(`seed ${seed}`)
await withTemporaryFolder(async (folder) => {
  const file = join(folder, 'made.csv')
  await writeTradesFile(file, { seed, rowCount: 60_000, symbolCount: 50 })
  const kafka = process.argv[4] === 'kafka' ? await KafkaServer.start(await installKafka(KAFKA)) : null
  if (kafka) console.log(`log: Apache Kafka ${kafka.version}`)
  const result = await CrashMatrix.run({
    ...(kafka && onKafka(kafka)),
    program: AS_BUILT,
    folder,
    file,
    random: new SeededRandom(seed),
    killCount,
    flushRows: 4_000,
    report: (line) => console.log(line),
  })
  tell(result)
  await tellRecovery(folder, kafka)
  await kafka?.stop()
  process.exitCode = isRight(result) ? 0 : 1
})

function onKafka(kafka: KafkaServer): Pick<CrashMatrixOptions, 'logSettings' | 'betweenKills'> {
  return {
    logSettings: (lake) => ({
      TICKLAKE_KAFKA_BROKERS: kafka.brokers,
      TICKLAKE_KAFKA_GROUP: lake,
      TICKLAKE_KAFKA_TOPIC_PREFIX: `${lake}.`,
    }),
    betweenKills: async (kills) => {
      if (kills % 10 !== 0) return
      await kafka.kill()
      await kafka.restart()
      console.log('  Kafka was killed and started again')
    },
  }
}

function isRight({ different, ledgerErrors, border, isSecondLoadNoOp }: CrashMatrixResult): boolean {
  const wrong = [...different, ...ledgerErrors, ...border.violations]
  return wrong.length === 0 && isSecondLoadNoOp
}

function tell(result: CrashMatrixResult): void {
  const { kills, lakes, lost, duplicated, different, ledgerErrors, border, recoveries, rowCount } = result
  for (const wrong of [...ledgerErrors, ...border.violations].slice(0, 20)) console.log(`WRONG: ${wrong}`)
  const byStage = [...kills].map(([stage, count]) => `${stage} ${count}`)
  console.log(`kills by stage: ${byStage.join(', ')}`)
  console.log(`${lakes} lakes of ${rowCount} rows: lost ${lost}, duplicated ${duplicated}`)
  console.log(`tables that differ ${different.length}, ledgers that differ ${ledgerErrors.length}`)
  console.log(`answers at the border of tail and table ${border.answers}, wrong ${border.violations.length}`)
  console.log(`a second load of the file: ${result.isSecondLoadNoOp ? 'a no-op' : 'NOT A NO-OP'}`)
  const ms = recoveries.map((recovery) => recovery.ms)
  console.log(`from start to ready, ${ms.length} starts after kills: ${quantiles(ms, 'ms')}`)
}

/** How long a start takes when no snapshot has anything of a million rows. */
async function tellRecovery(folder: string, kafka: KafkaServer | null): Promise<void> {
  const file = join(folder, 'million.csv')
  await writeTradesFile(file, { seed, rowCount: 1_100_000, symbolCount: 50 })
  const settings = kafka === null ? {} : onKafka(kafka).logSettings?.('recovered')
  const { rows, readyMs, servingMs } = await measureRecovery({
    program: AS_BUILT,
    ...(settings && { settings }),
    folder,
    file,
    rowCount: 1_000_000,
    starts: 20,
  })
  console.log(
    `with ${rows} rows in the log and in no snapshot, 20 starts: ${quantiles(readyMs, 'ms')} until ready`,
  )
  console.log(`  of that until the process serves: ${quantiles(servingMs, 'ms')}`)
}

function quantiles(values: readonly number[], unit: string): string {
  if (values.length === 0) return 'none'
  const sorted = [...values].sort((a, b) => a - b)
  const at = (share: number) => sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))]!
  return `p50 ${at(0.5).toFixed(1)} ${unit}, p99 ${at(0.99).toFixed(1)} ${unit}`
}
