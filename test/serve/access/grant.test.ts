import { createHash } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { allowsModel, grantText, hashOf, newSecret, readGrant } from '../../../src/serve/access/grant.ts'
import { parseRate, RateBucket, rateText } from '../../../src/serve/access/rate-bucket.ts'

const HASH = `sha256:${'ab'.repeat(32)}`
const DAY = 86_400_000

describe('secrets', () => {
  test('are 256 bits after their prefix, all different, and kept as their SHA-256', () => {
    const secrets = Array.from({ length: 100 }, newSecret)
    expect(new Set(secrets).size).toBe(100)
    for (const secret of secrets) expect(Buffer.from(secret.slice(4), 'base64url')).toHaveLength(32)
    expect(hashOf(secrets[0])).toBe(`sha256:${createHash('sha256').update(secrets[0]).digest('hex')}`)
  })
})

describe('what a token may do, in words', () => {
  test('is read with lists by commas, a rate, and an end from now', () => {
    const text = {
      name: 'shop',
      scope: 'read, predict',
      models: 'late,late/*',
      rate: '100/s,200',
      expires: '90d',
    }
    expect(readGrant(text, HASH, 1000)).toEqual({
      name: 'shop',
      hash: HASH,
      scopes: ['read', 'predict'],
      models: ['late', 'late/*'],
      rate: { perS: 100, burst: 200 },
      expiresAt: 1000 + 90 * DAY,
    })
  })

  test('is read again from what it is written as', () => {
    const rate = fc.record({
      n: fc.integer({ min: 1, max: 9999 }),
      unit: fc.constantFrom('s', 'm', 'h', 'd'),
      burst: fc.integer({ min: 1, max: 9999 }),
    })
    const given = fc.record({
      scope: fc.subarray(['read', 'predict', 'label', 'data', 'release', 'admin'], { minLength: 1 }),
      models: fc.option(fc.array(fc.stringMatching(/^[a-z*/]{1,8}$/), { minLength: 1, maxLength: 4 }), {
        nil: undefined,
      }),
      rate: fc.option(
        rate.map(({ n, unit, burst }) => `${n}/${unit},${burst}`),
        { nil: undefined },
      ),
      expires: fc.option(fc.constantFrom('90d', '12h', '2031-01-31'), { nil: undefined }),
      tenant: fc.option(fc.constant('acme'), { nil: undefined }),
    })
    fc.assert(
      fc.property(given, (text) => {
        const grant = readGrant({ name: 'shop', ...text }, HASH, 0)
        const { hash, ...again } = grantText(grant)
        const { rate: was, ...rest } = grant
        const { rate: is, ...restAgain } = readGrant(again, hash, 5)
        expect(restAgain).toEqual(rest)
        expect(is?.burst).toBe(was?.burst)
        if (was && is) expect(is.perS / was.perS).toBeCloseTo(1, 9)
      }),
    )
  })

  test.each([
    ['scope', { scope: 'predict,write' }],
    ['scope', { scope: '' }],
    ['rate', { scope: 'read', rate: '100' }],
    ['rate', { scope: 'read', rate: '0/s' }],
    ['expires', { scope: 'read', expires: 'soon' }],
    ['expires', { scope: 'read', expires: '0d' }],
    ['models', { scope: 'read', models: ' , ' }],
  ])('is refused with the name of what is wrong: %s', (field, text) => {
    expect(() => readGrant({ name: 'shop', ...text }, HASH, 0)).toThrow(`MR_ACCESS_GRANT: "${field}"`)
  })

  test('is refused without a name that can be a ref, or with what is no hash', () => {
    expect(() => readGrant({ name: '../up', scope: 'read' }, HASH, 0)).toThrow('MR_NAME')
    expect(() => readGrant({ name: 'shop', scope: 'read' }, 'secret', 0)).toThrow('"hash"')
  })
})

describe('models of a token', () => {
  test.each([
    ['late', 'late', true],
    ['late', 'late/ATL', false],
    ['late', 'later', false],
    ['late/*', 'late/ATL', true],
    ['late/*', 'late', false],
    ['*', 'anything', true],
    ['la*e', 'late', true],
    ['la*e', 'lated', false],
    ['l.te', 'late', false],
  ])('%s and %s: %s', (pattern, model, may) => {
    expect(allowsModel({ models: [pattern] }, model)).toBe(may)
  })

  test('are all where none are named', () => expect(allowsModel({}, 'late')).toBe(true))

  test('match as a regular expression would, and in time whatever the pattern', () => {
    const pattern = fc.stringMatching(/^[ab*]{0,6}$/)
    fc.assert(
      fc.property(pattern, fc.stringMatching(/^[ab]{0,8}$/), (p, text) => {
        const oracle = new RegExp(`^${p.replaceAll('*', '.*')}$`).test(text)
        expect(allowsModel({ models: [p] }, text)).toBe(oracle)
      }),
    )
    expect(allowsModel({ models: [`${'a*'.repeat(100)}b`] }, 'a'.repeat(5000))).toBe(false)
  })
})

describe('a rate', () => {
  test('allows its burst at once, and so many a second for good', () => {
    const bucket = new RateBucket({ perS: 10, burst: 3 }, 0)
    expect([0, 0, 0, 0].map((at) => bucket.take(at))).toEqual([true, true, true, false])
    expect(bucket.waitMs(0)).toBeCloseTo(100)
    expect(bucket.take(99)).toBe(false)
    expect(bucket.take(100)).toBe(true)
    let taken = 0
    for (let ms = 100; ms < 100_100; ms++) if (bucket.take(ms)) taken++
    expect(taken).toBeGreaterThanOrEqual(999)
    expect(taken).toBeLessThanOrEqual(1000)
  })

  test('does not save up more than its burst, and a clock that goes back gives nothing', () => {
    const bucket = new RateBucket({ perS: 1, burst: 2 }, 0)
    expect(bucket.left(1_000_000)).toBe(2)
    bucket.take(1_000_000)
    expect(bucket.left(0)).toBe(1)
  })

  test.each([
    ['100/s', { perS: 100, burst: 100 }],
    ['30/m', { perS: 0.5, burst: 1 }],
    ['1/h,5', { perS: 1 / 3600, burst: 5 }],
  ])('%s', (text, rate) => {
    expect(parseRate(text)).toEqual(rate)
    expect(parseRate(rateText(rate))).toEqual(rate)
  })
})
