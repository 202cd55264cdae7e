import { describe, expect, test } from 'vitest'
import { readTraceparent, readTracestate, traceparentText } from '../../../src/serve/trace/trace-context.ts'

const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736'
const SPAN = '00f067aa0ba902b7'

describe('traceparent', () => {
  test.each([
    ['the example of the recommendation', `00-${TRACE}-${SPAN}-01`, true],
    ['one that is not sampled', `00-${TRACE}-${SPAN}-00`, false],
    ['flags that are not known yet', `00-${TRACE}-${SPAN}-09`, true],
    ['a later version', `cc-${TRACE}-${SPAN}-01`, true],
    ['a later version with more behind', `cc-${TRACE}-${SPAN}-01-what-the-future-will-be-like`, true],
  ])('%s is read', (_, text, isSampled) => {
    expect(readTraceparent(text)).toEqual({ traceId: TRACE, spanId: SPAN, isSampled })
  })

  test.each([
    ['absent', undefined],
    ['twice', [`00-${TRACE}-${SPAN}-01`, `00-${TRACE}-${SPAN}-01`]],
    ['a trace of zeros', `00-${'0'.repeat(32)}-${SPAN}-01`],
    ['a span of zeros', `00-${TRACE}-${'0'.repeat(16)}-01`],
    ['capitals', `00-${TRACE.toUpperCase()}-${SPAN}-01`],
    ['version ff', `ff-${TRACE}-${SPAN}-01`],
    ['version 00 with more behind', `00-${TRACE}-${SPAN}-01-more`],
    ['a short trace', `00-${TRACE.slice(1)}-${SPAN}-01`],
    ['a later version with more that is not set apart', `cc-${TRACE}-${SPAN}-01.more`],
    ['no flags', `00-${TRACE}-${SPAN}`],
  ])('%s is none', (_, text) => expect(readTraceparent(text as string)).toBeUndefined())

  test('is written as it is read', () => {
    const text = `00-${TRACE}-${SPAN}-01`
    expect(traceparentText(readTraceparent(text)!)).toBe(text)
  })
})

test('tracestate is passed on as it is, several fields as one, and left out whole when it is too long', () => {
  expect(readTracestate('rojo=00f067aa0ba902b7,congo=t61rcWkgMzE')).toBe(
    'rojo=00f067aa0ba902b7,congo=t61rcWkgMzE',
  )
  expect(readTracestate(['a=1', 'b=2'])).toBe('a=1,b=2')
  expect(readTracestate('a'.repeat(513))).toBeUndefined()
  expect(readTracestate(undefined)).toBeUndefined()
})
