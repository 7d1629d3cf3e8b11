import { CommanderError } from 'commander'
import { describe, expect, test } from 'vitest'
import { invalid, TicklakeError } from '#core'
import { exitCodeOf, failureText, isAddressInUse } from '../../src/cli/failure.js'

const systemError = Object.assign(new Error('listen EADDRINUSE: address already in use 127.0.0.1:8080'), {
  code: 'EADDRINUSE',
  syscall: 'listen',
})

describe('an exit code', () => {
  test('is 2 for a wrong command line', () => {
    expect(exitCodeOf(new CommanderError(1, 'commander.unknownOption', 'unknown option'))).toBe(2)
    expect(exitCodeOf(invalid('--port', 'x', 'a port'))).toBe(2)
  })

  test('is 0 for help that was asked for', () => {
    expect(exitCodeOf(new CommanderError(0, 'commander.helpDisplayed', ''))).toBe(0)
  })

  test('is 1 for everything that failed', () => {
    expect(exitCodeOf(new TicklakeError('locked', 'owned by pid 7'))).toBe(1)
    expect(exitCodeOf(invalid('symbols', '', 'a list'))).toBe(1)
    expect(exitCodeOf(systemError)).toBe(1)
    expect(exitCodeOf(new TypeError('a mistake'))).toBe(1)
  })
})

describe('what is printed', () => {
  test('is one line for operating errors', () => {
    expect(failureText(invalid('interval', '7x', 'an interval'))).toBe(
      'error: interval: "7x" is not an interval',
    )
    expect(failureText(new TicklakeError('corrupt', 'two\n lines'))).toBe('error: two lines')
    expect(failureText(systemError)).toBe(`error: ${systemError.message}`)
    const missing = Object.assign(new Error("ENOENT: no such file or directory, stat '/a.csv'"), {
      syscall: 'stat',
    })
    expect(failureText(missing, '/a.csv')).toBe('error: /a.csv: no such file or directory')
  })

  test('is the stack for a mistake of ours', () => {
    expect(failureText(new TypeError('a mistake'))).toMatch(/TypeError: a mistake\n\s+at /)
  })

  test('names the file that it is about', () => {
    expect(failureText(invalid('price', 'x', 'a number'), 'a.csv')).toBe(
      'error: a.csv: price: "x" is not a number',
    )
  })
})

test('a taken port is known through its wrappings', () => {
  expect(isAddressInUse(systemError)).toBe(true)
  expect(isAddressInUse(new TicklakeError('conflict', 'the port is taken', { cause: systemError }))).toBe(
    true,
  )
  expect(isAddressInUse(new TicklakeError('conflict', 'something else'))).toBe(false)
})
