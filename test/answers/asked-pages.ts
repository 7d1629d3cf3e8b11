import { type Encoding, isText } from '#query'
import type { TextAnswer, TextRouter } from '../support/text-router.js'
import { ask, changed, type Question } from './question.js'

/** Who gave an answer: a layer of the cache, a rollup, or the rows. */
export type AnsweredBy = 'redis' | 'memory' | 'rollup' | 'rows'

/** All pages of an answer, which are of one version. */
export interface AskedPages {
  /** As they are compared: the bytes of each, and where it says that the next one begins. */
  readonly pages: readonly { readonly data: string; readonly next: string | null }[]
  /** Of texts; there are none in other encodings. */
  readonly rows: readonly string[]
  readonly meta: TextAnswer['meta']
  readonly by: readonly AnsweredBy[]
}

export async function askPages(
  question: Question,
  router: TextRouter,
  encoding: Encoding,
): Promise<AskedPages> {
  const pages: { data: string; next: string | null }[] = []
  const rows: string[] = []
  const by: AnsweredBy[] = []
  let first: TextAnswer | null = null
  let pageToken: string | null = null
  do {
    const answer: TextAnswer = await ask(changed(question, { pageToken }), router, { encoding })
    first ??= answer
    if (answer.meta.receipt !== first.meta.receipt) throw new Error('pages are of several versions')
    if (!answer.complete) throw new Error('the answer was cut short, which nothing here calls for')
    const data = (await answer.data.bytes()).toString(isText(encoding) ? 'utf8' : 'base64')
    pages.push({ data, next: answer.nextPageToken })
    rows.push(...answer.rows)
    by.push(answeredBy(answer))
    pageToken = answer.nextPageToken
  } while (pageToken !== null)
  return { pages, rows, meta: first.meta, by }
}

function answeredBy({ meta: { cache, rollup } }: TextAnswer): AnsweredBy {
  if (cache !== 'none') return cache
  return rollup === null ? 'rows' : 'rollup'
}
