import type { TableName } from '#core'
import type { PinnedVersion, StreamTable } from '#storage'

/** Tables whose days have the same stamp whatever happens to them. */
export function withoutStamps(
  tables: ReadonlyMap<TableName, StreamTable>,
): ReadonlyMap<TableName, StreamTable> {
  const forgetful = (pinned: PinnedVersion): PinnedVersion => ({
    ...pinned,
    dayStamps: async (range) => {
      const { days } = await pinned.dayStamps(range)
      return { days: new Map([...days.keys()].map((day) => [day, 'always'])), rest: null }
    },
  })
  return new Map(
    [...tables].map(([name, table]) => [
      name,
      new Proxy(table, {
        get: (target, member) => {
          const value: unknown = Reflect.get(target, member, target)
          if (typeof value !== 'function') return value
          if (member !== 'pin') return value.bind(target)
          return () => forgetful(target.pin())
        },
      }),
    ]),
  )
}
