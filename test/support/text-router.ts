import { type Answer, isText, type QueryRouter, RowData } from '#query'

/** An answer whose rows are there as texts too, in encodings in which a row is one; in others there are none. */
export type TextAnswer = Answer & { readonly rows: readonly string[] }

type Methods = { readonly [Name in keyof QueryRouter]: QueryRouter[Name] }

/** A router of such answers. */
export type TextRouter = {
  readonly [Name in keyof Methods]: (...parameters: Parameters<Methods[Name]>) => Promise<TextAnswer>
}

export function textRouter(router: QueryRouter): TextRouter {
  const proxy = new Proxy(router, {
    get: (target, name) => {
      // Every public member of a router is a method that answers.
      const method = Reflect.get(target, name) as (...parameters: unknown[]) => Promise<Answer>
      return async (...parameters: unknown[]) => withTexts(await method.apply(target, parameters))
    },
  })
  // The handler above gives each method the type that is said here.
  return proxy as unknown as TextRouter
}

/** Reads the data. */
export async function withTexts(answer: Answer): Promise<TextAnswer> {
  if (!isText(answer.encoding)) return { ...answer, rows: [] }
  const bytes = await answer.data.bytes()
  // No row has a line break of its own, but for cells of a CSV with one in them.
  const lines = bytes.toString().split({ json: ',\n', ndjson: '\n', csv: '\r\n' }[answer.encoding])
  const rows = bytes.length === 0 ? [] : answer.encoding === 'json' ? lines : lines.slice(0, -1)
  return { ...answer, data: RowData.of([bytes]), rows }
}
