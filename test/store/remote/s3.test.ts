import { randomBytes } from 'node:crypto'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import type { Digest } from '../../../src/core/records.ts'
import { digestFile } from '../../../src/store/objects/digest-file.ts'
import { openRemote } from '../../../src/store/remote/open.ts'
import type { Remote } from '../../../src/store/remote/ports.ts'
import { codeOf, digestNo, temporaryFolder } from '../fixture.ts'
import { type FakeS3, fakeS3 } from './s3-server.ts'

let server: FakeS3
let folder: ReturnType<typeof temporaryFolder>
const env = { AWS_ACCESS_KEY_ID: 'key', AWS_SECRET_ACCESS_KEY: 'secret', HOME: '/nowhere' }

beforeEach(async () => {
  server = await fakeS3()
  folder = temporaryFolder()
})
afterEach(async () => {
  await server.close()
  folder.remove()
})

const open = (create = true, more: Record<string, string> = {}): Promise<Remote> =>
  openRemote('origin', `s3://b/team/a?endpoint=${server.url}`, {
    create,
    folder: '/',
    env: { ...env, ...more },
  })

async function fileOf(bytes: Buffer): Promise<{ digest: Digest; path: string; bytes: number }> {
  const path = join(folder.dir, `file-${bytes.length}`)
  writeFileSync(path, bytes)
  return { path, ...(await digestFile(path)) }
}

const refOf = (digest: Digest, movedAt = 1) => ({
  name: 'datasets/d@main',
  digest,
  gone: [],
  movedAt,
  actor: 'a',
})

it('goes on with an upload that was cut off, and sends only the parts that are missing', async () => {
  const remote = await open()
  const file = await fileOf(randomBytes(20 * 1024 * 1024))
  let nParts = 0
  server.behaviour.before = (request, response) => {
    if (!request.url?.includes('partNumber=') || ++nParts < 3) return false
    response.writeHead(400).end('<Error><Code>Full</Code></Error>')
    return true
  }
  expect(await codeOf(remote.send(file.digest, file.path, file.bytes))).toBe('MR_REMOTE_ANSWER')
  expect((await remote.present([file.digest])).size).toBe(0)
  server.behaviour.before = undefined
  server.log.length = 0
  await remote.send(file.digest, file.path, file.bytes)
  expect(
    server.log.filter((line) => line.includes('partNumber=')).map((line) => /partNumber=(\d)/.exec(line)![1]),
  ).toEqual(['3'])
  expect(await remote.present([file.digest])).toEqual(new Map([[file.digest, file.bytes]]))
  expect(server.uploads.size).toBe(0)
})

it('goes on with a download that broke off, from the byte that came last', async () => {
  const remote = await open()
  const bytes = randomBytes(3_000_000)
  const file = await fileOf(bytes)
  await remote.send(file.digest, file.path, file.bytes)
  server.behaviour.cutAfter = [1_000_000, 500_000]
  const to = join(folder.dir, 'received')
  expect(await remote.receive(file.digest, to)).toEqual({ bytes: bytes.length })
  expect(readFileSync(to).equals(bytes)).toBe(true)
  expect(server.behaviour.cutAfter).toEqual([])
})

it('tries again what an overloaded server refuses, and gives up with what it said', async () => {
  const remote = await open()
  let left = 3
  server.behaviour.before = (_, response) => {
    if (left-- <= 0) return false
    response.writeHead(503).end('<Error><Code>SlowDown</Code></Error>')
    return true
  }
  expect(await remote.refs('')).toEqual([])
  left = 1000
  expect(await codeOf(remote.refs(''))).toBe('MR_REMOTE_ANSWER')
})

it('asks for each of a few objects, and reads pages of the listing for many', async () => {
  const remote = await open()
  const files = await Promise.all(Array.from({ length: 60 }, (_, i) => fileOf(Buffer.alloc(i + 1, i))))
  for (const { digest, path, bytes } of files) await remote.send(digest, path, bytes)
  const wanted = [...files.map(({ digest }) => digest), ...Array.from({ length: 40 }, (_, i) => digestNo(i))]
  server.log.length = 0
  const found = await remote.present(wanted)
  expect(found).toEqual(new Map(files.map(({ digest, bytes }) => [digest, bytes])))
  expect(server.log.filter((line) => line.startsWith('HEAD'))).toEqual([])
  expect(await remote.present([files[0].digest, digestNo(5)])).toEqual(new Map([[files[0].digest, 1]]))
})

it('moves refs by conditional writes, and says where a server heeds none', async () => {
  const remote = await open()
  expect(remote.compareAndSet).toBe('exact')
  const [one, two] = [digestNo(1), digestNo(2)]
  const moves = await Promise.all([1, 2, 3, 4].map((at) => remote.moveRef(null, refOf(digestNo(at), at))))
  expect(moves.filter(({ ok }) => ok)).toHaveLength(1)
  const [held] = await remote.refs('datasets/')
  expect(await remote.moveRef(digestNo(9), refOf(one))).toMatchObject({ ok: false, holds: held })
  expect(await remote.moveRef(held.digest, refOf(two, 50))).toEqual({ ok: true })
  // Somebody else writes between the look and the write.
  server.behaviour.before = (request) => {
    if (request.method !== 'PUT') return false
    server.behaviour.before = undefined
    server.objects.set(
      'team/a/refs/datasets/d@main.json',
      Buffer.from(JSON.stringify({ kind: 'RemoteRef', ...refOf(digestNo(7)) })),
    )
    return false
  }
  expect(await remote.moveRef(two, refOf(one, 51))).toMatchObject({
    ok: false,
    holds: { digest: digestNo(7) },
  })
  server.behaviour.heedsConditions = false
  expect((await open()).compareAndSet).toBe('checked')
})

it('refuses bytes that are not those of the digest, on the way there and back', async () => {
  const remote = await open()
  const file = await fileOf(Buffer.from('good'))
  expect(await codeOf(remote.send(digestNo(1), file.path, file.bytes))).toBe('MR_OBJECT_CORRUPT')
  const large = await fileOf(randomBytes(9 * 1024 * 1024))
  expect(await codeOf(remote.send(digestNo(1), large.path, large.bytes))).toBe('MR_OBJECT_CORRUPT')
  expect([...server.objects.keys()].filter((key) => key.includes('objects/'))).toEqual([])
  expect(server.uploads.size).toBe(0)
  await remote.send(file.digest, file.path, file.bytes)
  const [key] = [...server.objects.keys()].filter((each) => each.includes('objects/'))
  server.objects.set(key, Buffer.from('evil'))
  expect(await codeOf(remote.receive(file.digest, join(folder.dir, 'x')))).toBe('MR_REMOTE_CORRUPT')
  expect(await codeOf(remote.receive(digestNo(3), join(folder.dir, 'y')))).toBe('MR_REMOTE_MISSING')
})

it('finds keys where the tools of AWS have them, and says what is wrong with an address', async () => {
  mkdirSync(join(folder.dir, '.aws'))
  writeFileSync(
    join(folder.dir, '.aws/credentials'),
    '[other]\naws_access_key_id=x\n[ team ]\r\naws_access_key_id = key\naws_secret_access_key=secret=\n',
  )
  writeFileSync(
    join(folder.dir, '.aws/config'),
    `[profile team]\nregion = eu-north-1\ns3 =\n  addressing_style = path\nendpoint_url = ${server.url}\n`,
  )
  const home = { HOME: folder.dir, AWS_PROFILE: 'team' }
  await openRemote('o', 's3://b/x', { create: true, folder: '/', env: home })
  await openRemote('o', 's3://b/x?profile=team', {
    create: true,
    folder: '/',
    env: { ...env, HOME: folder.dir },
  })
  const code = (url: string, more: Record<string, string | undefined> = env) =>
    codeOf(openRemote('o', url, { create: true, folder: '/', env: more }))
  expect(await code('s3://b/x', { HOME: folder.dir })).toBe('MR_REMOTE_CREDENTIALS')
  expect(await code(`s3://b/x?endpoint=${server.url}`, { ...env, AWS_ACCESS_KEY_ID: 'stranger' })).toBe(
    'MR_REMOTE_DENIED',
  )
  expect(await code(`s3://nothere/x?endpoint=${server.url}`)).toBe('MR_REMOTE_ANSWER')
  expect(await code('s3://b/x?endpoint=http://127.0.0.1:1')).toBe('MR_REMOTE_UNREACHABLE')
  expect(await code('s3://b/x?endpiont=y')).toBe('MR_REMOTE_URL')
  expect(await code('s3://key:secret@b/x')).toBe('MR_REMOTE_URL')
  expect(await code('s3:///x')).toBe('MR_REMOTE_URL')
  expect(await code('s3://b/x?endpoint=ftp://y')).toBe('MR_REMOTE_URL')
  expect(await codeOf(open(false))).toBe('MR_REMOTE_ABSENT')
})
