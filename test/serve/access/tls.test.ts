import { generateKeyPairSync } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { connect as connectHttp2 } from 'node:http2'
import { Agent, request } from 'node:https'
import { connect as connectPlain } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect as connectTls, type TLSSocket } from 'node:tls'
import { afterAll, describe, expect, test, vi } from 'vitest'
import { createModelServer } from '../../../src/serve/models/model-server.ts'
import { TlsFiles } from '../../../src/serve/tls.ts'
import { CLOCK } from '../fixture.ts'
import { lightgbm } from '../models/fixture.ts'
import { type Made, makeCertificate } from './certificate.ts'

const dir = mkdtempSync(join(tmpdir(), 'millrace-tls-'))
afterAll(() => rmSync(dir, { recursive: true, force: true }))
const DAY = 86_400_000

const authority = makeCertificate('authority', { isCa: true })
const one = makeCertificate('one', { by: authority })
const two = makeCertificate('two', { by: authority })

function put(name: string, text: string): string {
  const file = join(dir, name)
  writeFileSync(file, text)
  return file
}

function open(made: Made, ca?: Made) {
  const paths = {
    cert: put('cert.pem', made.cert),
    key: put('key.pem', made.key),
    ...(ca && { ca: put('ca.pem', ca.cert) }),
  }
  const faults: Error[] = []
  const tls = new TlsFiles(paths, { onFault: (error) => faults.push(error), pollMs: 5 })
  return { tls, faults, paths }
}

async function serve(made: Made, ca?: Made) {
  const opened = open(made, ca)
  const models = join(dir, 'models')
  rmSync(models, { recursive: true, force: true })
  put('trees.txt', lightgbm.text.toString())
  const infer = () => Promise.reject(new Error('no graph here'))
  const path = join(dir, 'trees.txt')
  const server = createModelServer({ path, clock: CLOCK, port: 0, threads: 1, infer, tls: opened.tls })
  const grpc = server.grpc(0)
  const [url, grpcUrl] = [await server.listen(), await grpc.listen()]
  const close = async () => {
    opened.tls.stop()
    await Promise.all([server.close(), grpc.close()])
  }
  return { ...opened, url, grpcUrl, close }
}

interface Got {
  status: number
  /** Whose certificate the connection has. */
  cn: string
  local: number
}

function get(url: string, agent: Agent): Promise<Got> {
  return new Promise((resolve, reject) => {
    const ask = request(`${url}/livez`, { agent, ca: authority.cert }, (answer) => {
      const socket = answer.socket as TLSSocket
      const got = {
        status: answer.statusCode ?? 0,
        cn: String(socket.getPeerCertificate().subject.CN),
        local: socket.localPort ?? 0,
      }
      answer.resume().on('end', () => resolve(got))
    })
    ask.on('error', reject).end()
  })
}

describe('a server with a certificate', () => {
  test('answers over TLS 1.2 and later, HTTP and gRPC, and nothing older or plain', async () => {
    const f = await serve(one)
    expect(f.url).toMatch(/^https:\/\//)
    expect(await get(f.url, new Agent())).toMatchObject({ status: 200, cn: 'one' })
    const client = connectHttp2(`https://${f.grpcUrl}`, { ca: authority.cert })
    const stream = client.request({
      ':method': 'POST',
      ':path': '/inference.GRPCInferenceService/ServerLive',
      'content-type': 'application/grpc',
      te: 'trailers',
    })
    stream.end(Buffer.alloc(5))
    const headers = await new Promise<Record<string, unknown>>((resolve) => stream.on('response', resolve))
    expect(headers[':status']).toBe(200)
    stream.resume()
    client.close()
    const { port } = new URL(f.url)
    const old = connectTls({
      port: Number(port),
      host: '127.0.0.1',
      maxVersion: 'TLSv1.1',
      minVersion: 'TLSv1',
      ca: authority.cert,
      ciphers: 'DEFAULT@SECLEVEL=0',
    })
    await expect(new Promise((_, reject) => old.on('error', reject))).rejects.toThrow()
    await expect(fetch(f.url.replace('https', 'http'))).rejects.toThrow()
    await f.close()
  })

  test('closes though a client never ends its handshake', async () => {
    const f = await serve(one)
    const ports = [f.url, `https://${f.grpcUrl}`].map((url) => Number(new URL(url).port))
    await Promise.all(ports.map((port) => new Promise<void>((done) => connectPlain(port, '127.0.0.1', done))))
    const begunMs = performance.now()
    await f.close()
    expect(performance.now() - begunMs).toBeLessThan(2_000)
  })

  test('shows a new certificate when the files change; connections that are open go on', async () => {
    const f = await serve(one)
    const kept = new Agent({ keepAlive: true, maxSockets: 1 })
    const first = await get(f.url, kept)
    put('cert.pem', two.cert)
    put('key.pem', two.key)
    await vi.waitFor(async () => expect((await get(f.url, new Agent())).cn).toBe('two'), { timeout: 5_000 })
    expect(await get(f.url, kept)).toEqual(first)
    put('key.pem', one.key)
    await vi.waitFor(() => expect(f.faults).toHaveLength(1))
    expect(f.faults[0].message).toContain('MR_TLS_KEY')
    expect((await get(f.url, new Agent())).cn).toBe('two')
    kept.destroy()
    await f.close()
  })

  test('with an authority of clients answers those that show a certificate of it', async () => {
    const f = await serve(one, authority)
    const known = makeCertificate('client', { by: authority })
    const stranger = makeCertificate('stranger')
    const { cert, key } = known
    expect((await get(f.url, new Agent({ cert, key }))).status).toBe(200)
    await expect(get(f.url, new Agent())).rejects.toThrow()
    await expect(get(f.url, new Agent({ cert: stranger.cert, key: stranger.key }))).rejects.toThrow()
    const metric = f.tls.gauges().map(({ name, value }) => [name, value()])
    expect(metric[1]).toEqual(['millrace_tls_handshakes_failed_total', 2])
    expect(Math.abs((metric[0][1] as number) * 1000 - (Date.now() + DAY))).toBeLessThan(60_000)
    await f.close()
  })
})

describe('files that cannot be used are named with why', () => {
  const locked = generateKeyPairSync('ec', {
    namedCurve: 'P-256',
    privateKeyEncoding: { type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase: 'x' },
    publicKeyEncoding: { type: 'spki', format: 'pem' },
  }).privateKey
  test.each<[string, Partial<Made>, RegExp]>([
    [
      'an expired certificate',
      makeCertificate('old', { toAt: Date.now() - 1000 }),
      /MR_TLS_CERTIFICATE.*it ended at/,
    ],
    ['one that is not valid yet', makeCertificate('new', { fromAt: Date.now() + DAY }), /it begins only at/],
    ['no certificate', { ...one, cert: 'hello' }, /no certificate in PEM/],
    ['the key of another', { ...one, key: two.key }, /MR_TLS_KEY.*it is not the key of/],
    ['a locked key', { ...one, key: locked }, /locked with a passphrase/],
    ['no key', { ...one, key: 'hello' }, /no private key in PEM/],
  ])('%s', (_, made, said) => {
    expect(() => open(made as Made)).toThrow(said)
  })

  test('a file that is not there', () => {
    const paths = { cert: join(dir, 'absent.pem'), key: join(dir, 'absent.key') }
    expect(() => new TlsFiles(paths, { onFault: () => undefined })).toThrow('MR_TLS_FILE')
  })
})
