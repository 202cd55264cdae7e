import { mkdir, mkdtemp, rm, symlink, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { type ConsoleFiles, consoleFiles } from '../../src/api/index.ts'
import { createServer, type Server } from '../../src/serve/server.ts'
import { type ApiFixture, openProject } from './fixture.ts'

const INDEX = '<!doctype html><title>Millrace</title>'
const SCRIPT = `export const numbers = [${Array.from({ length: 500 }, (_, i) => i).join()}]`
const HTML = { accept: 'text/html,application/xhtml+xml,*/*;q=0.8' }

let f: ApiFixture
let server: Server
let dir: string
let files: ConsoleFiles

beforeEach(async () => {
  f = await openProject()
  const root = await mkdtemp(join(tmpdir(), 'millrace-console-'))
  dir = join(root, 'console')
  await mkdir(join(dir, 'assets'), { recursive: true })
  await writeFile(join(root, 'secret.txt'), 'secret')
  await writeFile(join(dir, 'index.html'), INDEX)
  await writeFile(join(dir, 'theme.js'), 'document')
  await writeFile(join(dir, 'favicon.svg'), '<svg/>')
  await writeFile(join(dir, '.env'), 'secret')
  await writeFile(join(dir, 'assets', 'index-abc123.js'), SCRIPT)
  await symlink(join(root, 'secret.txt'), join(dir, 'assets', 'link.txt'))
  server = createServer({ store: f.store, clock: f.rt.clock })
  files = consoleFiles({ dir })
  server.onNotFound((request, reply) => files.handle(request, reply))
})

afterEach(async () => {
  await server.close()
  await rm(join(dir, '..'), { recursive: true, force: true })
  await f.drop()
})

const get = (url: string, headers: Record<string, string> = {}) => server.fastify.inject({ url, headers })

test('the first page is the index, under a policy that lets no inline script run', async () => {
  const answer = await get('/', HTML)
  expect([answer.statusCode, answer.body]).toEqual([200, INDEX])
  expect(answer.headers).toMatchObject({
    'content-type': 'text/html; charset=utf-8',
    'cache-control': 'no-cache',
    'x-content-type-options': 'nosniff',
    'referrer-policy': 'no-referrer',
  })
  const policy = String(answer.headers['content-security-policy'])
  expect(policy).toContain("default-src 'none'")
  expect(policy).toContain("script-src 'self';")
  expect(policy).toContain("frame-ancestors 'none'")
})

test('assets are kept forever and come compressed to who takes it', async () => {
  const plain = await get('/assets/index-abc123.js')
  expect(plain.headers).toMatchObject({
    'content-type': 'text/javascript; charset=utf-8',
    'cache-control': 'public, max-age=31536000, immutable',
    vary: 'accept-encoding',
  })
  expect(plain.body).toBe(SCRIPT)
  const packed = await get('/assets/index-abc123.js', { 'accept-encoding': 'br, gzip;q=0.8' })
  expect(packed.headers['content-encoding']).toBe('gzip')
  expect(packed.rawPayload.length).toBeLessThan(SCRIPT.length)
  expect(gunzipSync(packed.rawPayload).toString()).toBe(SCRIPT)
  const refused = await get('/assets/index-abc123.js', { 'accept-encoding': 'gzip;q=0' })
  expect(refused.headers['content-encoding']).toBeUndefined()
})

test('what is the same is not sent again', async () => {
  const { headers } = await get('/theme.js')
  expect(headers['cache-control']).toBe('no-cache')
  const again = await get('/theme.js', { 'if-none-match': `W/"x", ${headers.etag}` })
  expect([again.statusCode, again.body]).toEqual([304, ''])
})

test.each(['/models/late%2FATL/drift', '/data/flights', '/why-not', '/predictions/01ABC'])(
  'a browser that opens %s gets the index',
  async (path) => {
    expect((await get(path, HTML)).body).toBe(INDEX)
  },
)

test.each(['/api/nope', '/v2/nope', '/predict/late/nope/x', '/assets/gone-123.js', '/metrics/x'])(
  'a browser that opens %s gets a coded 404',
  async (path) => {
    const answer = await get(path, HTML)
    expect([answer.statusCode, answer.json().code]).toEqual([404, 'MR_SERVE_PATH'])
  },
)

test('a program that asks for JSON, or posts, is told that nothing is there', async () => {
  expect((await get('/models/late', { accept: 'application/json' })).statusCode).toBe(404)
  const posted = await server.fastify.inject({ method: 'POST', url: '/models/late', headers: HTML })
  expect(posted.json().code).toBe('MR_SERVE_PATH')
})

test.each([
  '/../secret.txt',
  '/..%2fsecret.txt',
  '/%2e%2e/secret.txt',
  '/assets/../../secret.txt',
  '/assets/..%5c..%5csecret.txt',
  '/assets/%2e%2e%2f%2e%2e%2fsecret.txt',
  '/assets/link.txt',
  '/.env',
  '//secret.txt',
  '/%00',
  '/%c0%ae%c0%ae/secret.txt',
  '/%252e%252e/secret.txt',
  '/etc/passwd',
])('%s leads to no file', async (path) => {
  for (const headers of [{}, HTML]) {
    const answer = await get(path, headers)
    expect(answer.body).not.toContain('secret"')
    expect(answer.body === 'secret').toBe(false)
    expect([200, 400, 404]).toContain(answer.statusCode)
    if (answer.statusCode === 200) expect(answer.body).toBe(INDEX)
  }
})

test('a new build is noticed', async () => {
  await get('/', HTML)
  await writeFile(join(dir, 'index.html'), 'new')
  await writeFile(join(dir, 'assets', 'new-1.js'), 'new script')
  await utimes(join(dir, 'index.html'), 9, 9)
  expect((await get('/', HTML)).body).toBe('new')
  expect((await get('/assets/new-1.js')).body).toBe('new script')
})

test('memory is bounded: beyond it files are still served', async () => {
  files = consoleFiles({ dir, bytesMax: 50 })
  for (let i = 0; i < 3; i++) expect((await get('/assets/index-abc123.js')).body).toBe(SCRIPT)
})

test('a console that is not built says how to build it, and programs are not disturbed', async () => {
  files = consoleFiles({ dir: join(dir, 'nowhere') })
  const page = await get('/', HTML)
  expect(page.statusCode).toBe(503)
  expect(page.body).toContain('<code>npm run build</code>')
  expect((await get('/nope')).json().code).toBe('MR_SERVE_PATH')
})

test('pages and files need no token, data do', async () => {
  await get('/', HTML)
  for (const path of [
    '/',
    '/models/late',
    '/theme.js',
    '/favicon.svg',
    '/assets/index-abc123.js',
    '/settings',
  ])
    expect([path, files.isPublic(path)]).toEqual([path, true])
  for (const path of ['/api/fleet', '/predict/late', '/v2/models/late', '/metrics', '/openapi.json'])
    expect([path, files.isPublic(path)]).toEqual([path, false])
})
