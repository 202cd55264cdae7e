import { expect, test } from 'vitest'
import { isMillraceError } from '../../src/core/errors.ts'
import { BackOff } from '../../src/serve/back-off.ts'

function failing() {
  let nowMs = 0
  const backOff = new BackOff<string>({ now: () => nowMs, isForNow: (error) => error === 'busy' })
  const waitS = () => {
    try {
      backOff.check('m', 'm')
      return 0
    } catch (error) {
      return isMillraceError(error, 'MR_SERVE_LOAD_FAILED') ? error.data.retryAfterS : -1
    }
  }
  return { backOff, waitS, pass: (ms: number) => (nowMs += ms) }
}

test('pauses double from a second to a minute, and a success begins anew', () => {
  const { backOff, waitS, pass } = failing()
  const pauses = Array.from({ length: 9 }, () => {
    expect(waitS()).toBe(0)
    backOff.failed('m', new Error('no such file'))
    const pause = waitS()
    pass(pause * 1_000)
    return pause
  })
  expect(pauses).toEqual([1, 2, 4, 8, 16, 32, 60, 60, 60])
  backOff.forget('m')
  backOff.failed('m', new Error('no such file'))
  expect(waitS()).toBe(1)
})

test('what says nothing of the model is tried again at once', () => {
  const { backOff, waitS } = failing()
  backOff.failed('m', 'busy')
  expect(waitS()).toBe(0)
})
