import { describe, expect, test } from 'vitest'
import { Access } from '../../../src/serve/access/access.ts'
import { hashOf, newSecret, type TokenGrant } from '../../../src/serve/access/grant.ts'
import { ruleOf } from '../../../src/serve/access/scopes.ts'

const PREDICT = ruleOf('POST', '/predict/:model')
const METRICS = ruleOf('GET', '/metrics')
const bearer = (secret: string) => `Bearer ${secret}`

function given(over: Partial<TokenGrant> = {}) {
  const secret = newSecret()
  const grant: TokenGrant = { name: 'shop', hash: hashOf(secret), scopes: ['predict'], ...over }
  const time = { ms: 0 }
  const access = new Access({ grants: [grant], now: () => time.ms, ticks: () => time.ms })
  return { secret, grant, access, time }
}

describe('a token', () => {
  test('may do what its scopes say and nothing else; admin may do everything', () => {
    const { access, secret, grant } = given()
    expect(access.admit(bearer(secret), { address: 'a' }, PREDICT)).toMatchObject({
      name: 'shop',
      tenant: 'shop',
    })
    expect(() => access.admit(bearer(secret), { address: 'a' }, METRICS)).toThrow('MR_ACCESS_SCOPE')
    access.replace([{ ...grant, scopes: ['admin'], tenant: 'acme' }])
    expect(access.admit(bearer(secret), { address: 'a' }, METRICS).tenant).toBe('acme')
    expect(access.refused.scope).toBe(1)
  })

  test('is over at its end', () => {
    const { access, secret, time } = given({ expiresAt: 1000 })
    time.ms = 999
    access.admit(bearer(secret), { address: 'a' }, PREDICT)
    time.ms = 1000
    expect(() => access.admit(bearer(secret), { address: 'a' }, PREDICT)).toThrow('MR_ACCESS_EXPIRED')
  })

  test('that a connection brought is known there, and still refused when it is over, taken away or another', () => {
    const { access, secret, grant, time } = given({ expiresAt: 1000 })
    const from = { address: 'a', connection: {} }
    const ask = (token = secret) => access.admit(bearer(token), from, PREDICT)
    time.ms = 0
    expect([ask().name, ask().name]).toEqual(['shop', 'shop'])
    expect(() => ask(newSecret())).toThrow('MR_SERVE_TOKEN')
    expect(() => access.admit(undefined, from, PREDICT)).toThrow('MR_SERVE_TOKEN')
    expect(() => access.admit(bearer(secret), from, METRICS)).toThrow('MR_ACCESS_SCOPE')
    time.ms = 1000
    expect(() => ask()).toThrow('MR_ACCESS_EXPIRED')
    access.replace([{ ...grant, expiresAt: undefined, scopes: ['admin'] }])
    expect(access.admit(bearer(secret), from, METRICS).name).toBe('shop')
    access.replace([])
    expect(() => ask()).toThrow('MR_SERVE_TOKEN')
  })

  test('of some models does not speak of others, nor of all', () => {
    const { access, secret } = given({ scopes: ['predict', 'read'], models: ['late'] })
    const caller = access.admit(bearer(secret), { address: 'a' }, PREDICT)
    access.checkModel(caller, 'late')
    expect(() => access.checkModel(caller, 'other')).toThrow('MR_ACCESS_MODEL')
    expect(() => access.admit(bearer(secret), { address: 'a' }, METRICS)).toThrow('MR_ACCESS_MODEL')
  })

  test('that was taken away is refused, and the server does not open for it', () => {
    const { access, secret } = given()
    access.replace([])
    expect(access.isClosed).toBe(true)
    expect(() => access.admit(bearer(secret), { address: 'a' }, PREDICT)).toThrow('MR_SERVE_TOKEN')
    expect(() => access.admit(undefined, { address: 'a' }, PREDICT)).toThrow('MR_SERVE_TOKEN')
  })

  test('keeps what is left of its rate when others come and go, and begins anew when its rate is another', () => {
    const { access, secret, grant } = given({ rate: { perS: 1, burst: 2 } })
    const ask = () => access.spend(access.admit(bearer(secret), { address: 'a' }, PREDICT))
    ask()
    access.replace([grant, { name: 'other', hash: hashOf(newSecret()), scopes: ['read'] }])
    ask()
    expect(ask).toThrow('MR_ACCESS_RATE')
    access.replace([{ ...grant, rate: { perS: 1, burst: 5 } }])
    ask()
  })

  test('is told what is left of its rate, and when there is more', () => {
    const { access, secret, time } = given({ rate: { perS: 2, burst: 4 } })
    const caller = access.admit(bearer(secret), { address: 'a' }, PREDICT)
    for (let i = 0; i < 4; i++) access.spend(caller)
    expect(access.rateFields(caller)).toEqual({ limit: '"token";r=0;t=1', policy: '"token";q=4;w=2' })
    time.ms = 1000
    expect(access.rateFields(caller)?.limit).toBe('"token";r=2;t=1')
  })
})

describe('wrong tokens', () => {
  test('are refused in words, then in few words, an address at a time, and again answered after a while', () => {
    const { access, secret, time } = given()
    const wrong = (address: string) => () => access.admit(bearer(newSecret()), { address }, PREDICT)
    for (let i = 0; i < 20; i++) expect(wrong('a')).toThrow('MR_SERVE_TOKEN')
    expect(wrong('a')).toThrow('MR_ACCESS_TRIES')
    expect(wrong('b')).toThrow('MR_SERVE_TOKEN')
    expect(access.refused).toMatchObject({ unknown: 21, tries: 1 })
    access.admit(bearer(secret), { address: 'a' }, PREDICT)
    time.ms = 6_000
    expect(wrong('a')).toThrow('MR_SERVE_TOKEN')
  })

  test('keep an address from learning that a token which a person chose is right', () => {
    const time = { ms: 0 }
    const access = new Access({ token: 'hunter2', ticks: () => time.ms })
    access.admit(bearer('hunter2'), { address: 'a' }, METRICS)
    for (let i = 0; i < 20; i++)
      expect(() => access.admit(bearer(`guess${i}`), { address: 'a' }, METRICS)).toThrow()
    expect(() => access.admit(bearer('hunter2'), { address: 'a' }, METRICS)).toThrow('MR_ACCESS_TRIES')
    expect(access.admit(bearer('hunter2'), { address: 'b' }, METRICS).scopes).toEqual(['admin'])
    time.ms = 6_001
    access.admit(bearer('hunter2'), { address: 'a' }, METRICS)
  })

  test('of ten thousand addresses are remembered, and no more', () => {
    const { access } = given()
    const codeOf = (address: string): string => {
      try {
        access.admit(bearer('x'), { address }, PREDICT)
        return ''
      } catch (error) {
        return (error as { code: string }).code
      }
    }
    for (let i = 0; i < 21; i++) codeOf('first')
    for (let i = 0; i < 9_999; i++) codeOf(`other ${i}`)
    expect(codeOf('first')).toBe('MR_ACCESS_TRIES')
    for (let i = 0; i < 10_000; i++) codeOf(`more ${i}`)
    expect(codeOf('first')).toBe('MR_SERVE_TOKEN')
  })
})

test('without tokens nobody needs one, and whoever asks is local', () => {
  const access = new Access()
  expect(access.admit(undefined, { address: 'a' }, METRICS)).toMatchObject({
    name: 'local',
    scopes: ['admin'],
  })
})
