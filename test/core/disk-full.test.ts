import { expect, test } from 'vitest'
import { diskFull } from '#core'

test.each(['ENOSPC', 'EDQUOT'])('%s is a disk without room, however deep it lies', (code) => {
  const cause = Object.assign(new Error(`${code}: no space left on device, write`), { code })
  const error = diskFull(new Error('the load failed', { cause }))
  expect(error).toMatchObject({ code: 'unavailable', message: expect.stringContaining(cause.message) })
})

test('nothing else is', () => {
  expect(diskFull(Object.assign(new Error('EACCES: permission denied'), { code: 'EACCES' }))).toBeNull()
  expect(diskFull('ENOSPC')).toBeNull()
})
