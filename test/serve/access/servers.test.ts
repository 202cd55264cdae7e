/** Tokens as clients meet them: over HTTP and gRPC, of a file and of a store, while the servers run. */
import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, afterEach, describe, expect, test, vi } from 'vitest'
import { Access } from '../../../src/serve/access/access.ts'
import { type GrantText, grantText, hashOf, newSecret, readGrant } from '../../../src/serve/access/grant.ts'
import { addToken, followTokens, readTokens, revokeToken } from '../../../src/serve/access/store-tokens.ts'
import { followTokenFile } from '../../../src/serve/access/token-file.ts'
import { type Fixture, putBundle, putConstant, release, route, serving } from '../fixture.ts'
import { type ModelsFixture, serveModels } from '../models/fixture.ts'

const dir = mkdtempSync(join(tmpdir(), 'millrace-tokens-'))
afterAll(() => rmSync(dir, { recursive: true, force: true }))

const ROW = { hour: 9, distance: 500, origin: 'BOS' }

function made(text: GrantText) {
  const secret = newSecret()
  const grant = readGrant({ name: 'shop', ...text }, hashOf(secret), Date.now())
  return { grant, line: JSON.stringify(grantText(grant)), auth: { authorization: `Bearer ${secret}` } }
}

/** The field of a name in a message of the wire. */
const named = (name: string) => Buffer.concat([Buffer.of(0x0a, name.length), Buffer.from(name)])

describe('a server of models of others', () => {
  const g: { f?: ModelsFixture } = {}
  afterEach(() => g.f?.close())

  async function open(...grants: ReturnType<typeof made>['grant'][]) {
    g.f = await serveModels({ access: new Access({ grants }) })
    const { url } = g.f
    const status = async (method: string, path: string, headers: Record<string, string>, body?: string) =>
      (
        await fetch(url + path, {
          method,
          headers: { ...headers, ...(body && { 'content-type': 'application/json' }) },
          body,
        })
      ).status
    return { f: g.f, status }
  }

  test('asks for the scope of each route, over HTTP and gRPC', async () => {
    const predict = made({ name: 'shop', scope: 'predict' })
    const read = made({ name: 'dash', scope: 'read' })
    const operate = made({ name: 'ops', scope: 'release' })
    const { f, status } = await open(predict.grant, read.grant, operate.grant)
    const infer = JSON.stringify({
      inputs: [{ name: 'x', shape: [1, 3], datatype: 'FP32', data: [0, 0, 0] }],
    })
    const asks = [
      ['POST', '/v2/models/late/infer', infer, 200, 403, 403],
      ['GET', '/v2/models/late', undefined, 200, 200, 403],
      ['GET', '/metrics', undefined, 403, 200, 403],
      ['POST', '/v2/repository/models/late/load', '{}', 403, 403, 200],
      ['GET', '/v2/nothing/here', undefined, 404, 404, 404],
      ['GET', '/livez', undefined, 200, 200, 200],
    ] as const
    for (const [method, path, body, ...expected] of asks) {
      const got = []
      for (const { auth } of [predict, read, operate]) got.push(await status(method, path, auth, body))
      expect(got, `${method} ${path}`).toEqual(expected)
    }
    expect(await status('GET', '/v2/models/late', {})).toBe(401)
    const metrics = await (await fetch(`${f.url}/metrics`, { headers: read.auth })).text()
    expect(metrics).toContain('millrace_access_refused_total{why="scope"} 7')
    expect(metrics).toContain('millrace_access_refused_total{why="none"} 1')
    const rpc = async (method: string, auth: Record<string, string>) =>
      (await f.call(method, named('late'), auth)).status
    expect(await rpc('ModelMetadata', read.auth)).toBe(0)
    expect(await rpc('RepositoryModelLoad', read.auth)).toBe(7)
    expect(await rpc('RepositoryModelLoad', {})).toBe(16)
    expect(await rpc('NoSuchMethod', read.auth)).toBe(12)
  })

  test('answers a token of one model about that model alone, also where models are listed', async () => {
    const { grant, auth } = made({ scope: 'predict,read', models: 'late' })
    const { f, status } = await open(grant)
    expect(await status('GET', '/v2/models/late', auth)).toBe(200)
    expect(await status('GET', '/v2/models/addsub', auth)).toBe(403)
    expect(await status('POST', '/v1/models/addsub:predict', auth, '{}')).toBe(403)
    expect(await status('GET', '/metrics', auth)).toBe(403)
    expect((await f.call('ModelMetadata', named('late'), auth)).status).toBe(0)
    expect((await f.call('ModelMetadata', named('addsub'), auth)).status).toBe(7)
    const list = await (await fetch(`${f.url}/v1/models`, { headers: auth })).json()
    expect(list).toEqual({ models: ['late'] })
    const index = await (
      await fetch(`${f.url}/v2/repository/index`, { method: 'POST', headers: auth })
    ).json()
    expect(new Set((index as { name: string }[]).map(({ name }) => name))).toEqual(new Set(['late']))
  })

  test('holds each token to its rate, says what is left, and when to ask again', async () => {
    const slow = made({ name: 'slow', scope: 'read', rate: '30/m,2' })
    const free = made({ name: 'free', scope: 'read' })
    const { f } = await open(slow.grant, free.grant)
    const ask = async (headers: Record<string, string>) => await fetch(`${f.url}/v2`, { headers })
    const answers = [await ask(slow.auth), await ask(slow.auth), await ask(slow.auth)]
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 429])
    expect(answers[0].headers.get('ratelimit')).toMatch(/^"token";r=1;t=[12]$/)
    expect(answers[0].headers.get('ratelimit-policy')).toBe('"token";q=2;w=4')
    expect(Number(answers[2].headers.get('retry-after'))).toBe(2)
    expect(await answers[2].json()).toMatchObject({ code: 'MR_ACCESS_RATE', retryable: true })
    expect((await ask(free.auth)).status).toBe(200)
    expect((await f.call('ServerLive', new Uint8Array(0), slow.auth)).status).toBe(8)
  })

  test('reads its file of tokens again when it changes, and keeps the tokens when the file is broken', async () => {
    const file = join(dir, 'tokens')
    const [first, second] = [made({ name: 'a', scope: 'read' }), made({ name: 'b', scope: 'read' })]
    writeFileSync(file, `# who may ask\n\n${first.line}\n`)
    const access = new Access({ isClosed: true })
    const faults: string[] = []
    const stop = followTokenFile(access, file, {
      now: Date.now,
      onFault: ({ message }) => faults.push(message),
      pollMs: 5,
    })
    g.f = await serveModels({ access })
    const { url } = g.f
    const status = async ({ auth }: typeof first) => (await fetch(`${url}/v2`, { headers: auth })).status
    expect([await status(first), await status(second)]).toEqual([200, 401])
    writeFileSync(`${file}.new`, `${second.line}\n`)
    renameSync(`${file}.new`, file)
    await vi.waitFor(async () => expect(await status(second)).toBe(200))
    expect(await status(first)).toBe(401)
    writeFileSync(file, `${second.line}\n{"name": "c"}\n`)
    await vi.waitFor(() => expect(faults).toHaveLength(1))
    expect(faults[0]).toContain('MR_ACCESS_FILE: line 2')
    await sleep(20)
    expect(faults).toHaveLength(1)
    expect(await status(second)).toBe(200)
    stop()
  })

  test('does not begin with a file of tokens that is none', () => {
    const begin = (text: string) => {
      const file = join(dir, 'broken')
      writeFileSync(file, text)
      followTokenFile(new Access(), file, { now: Date.now, onFault: () => undefined })()
    }
    const { line } = made({ scope: 'read' })
    expect(() => begin('not json')).toThrow('it is not JSON')
    expect(() => begin(line.replace('read', 'everything'))).toThrow('line 1')
    expect(() => begin(`${line}\n${line}`)).toThrow('"shop" is twice')
    expect(() =>
      followTokenFile(new Access(), join(dir, 'absent'), { now: Date.now, onFault: () => undefined }),
    ).toThrow('MR_ACCESS_FILE')
  })
})

describe('a server of a store', () => {
  const late = async (store: Fixture['store']) => {
    const parent = await putConstant(store, 'late', 0.25)
    await release(store, 'late', [route(await putBundle(store, 'late', 1, parent), 1)])
  }
  const ACT = { actor: 'me', reason: 'test' }

  test('takes tokens that come and go, and the journal says who gave and took them', async () => {
    const access = new Access({ token: 'first' })
    const f = await serving(late, { access })
    const stop = followTokens(f.store, access, { onFault: () => undefined, pollMs: 5 })
    const { grant, auth } = made({ scope: 'predict' })
    const ask = async () => (await f.post('/predict/late', ROW, auth)).status
    expect(await ask()).toBe(401)
    await addToken(f.store, { kind: 'AccessToken', ...grant, createdAt: 1 }, ACT)
    await vi.waitFor(async () => expect(await ask()).toBe(200))
    expect((await f.post('/predict/late/feedback', { id: 'a', value: 1 }, auth)).body.code).toBe(
      'MR_ACCESS_SCOPE',
    )
    await revokeToken(f.store, 'shop', ACT)
    await vi.waitFor(async () => expect(await ask()).toBe(401))
    const events = await f.store.meta.events({ subject: 'tokens/shop' })
    expect(events.map(({ type, actor }) => [type, actor])).toEqual([
      ['token.added', 'me'],
      ['token.revoked', 'me'],
    ])
    expect(JSON.stringify(events)).not.toContain(auth.authorization.slice('Bearer '.length))
    stop()
    await f.close()
  })

  test('has one token of a name, unless it is to be replaced', async () => {
    const f = await serving(late)
    const add = (scope: string, replace = false) =>
      addToken(f.store, { kind: 'AccessToken', ...made({ scope }).grant, createdAt: 1 }, { ...ACT, replace })
    await add('read')
    await expect(add('predict')).rejects.toThrow('MR_ACCESS_NAME_TAKEN')
    await add('predict', true)
    expect((await readTokens(f.store)).map(({ scopes }) => scopes)).toEqual([['predict']])
    await expect(revokeToken(f.store, 'nobody', ACT)).rejects.toMatchObject({
      code: 'MR_ACCESS_UNKNOWN',
      fix: 'name one of: shop',
    })
    await f.close()
  })
})
