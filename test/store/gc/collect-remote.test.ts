import { readdirSync, utimesSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { refs } from '../../../src/core/names.ts'
import type { Digest } from '../../../src/core/records.ts'
import { collectRemote, planRemoteGc } from '../../../src/store/gc/collect-remote.ts'
import { STORE_LIMITS } from '../../../src/store/limits.ts'
import { openStore } from '../../../src/store/open.ts'
import type { Store } from '../../../src/store/ports.ts'
import { objectKey } from '../../../src/store/remote/keys.ts'
import { takeLease } from '../../../src/store/remote/lease.ts'
import { openRemote } from '../../../src/store/remote/open.ts'
import type { Remote } from '../../../src/store/remote/ports.ts'
import { pull } from '../../../src/store/remote/pull.ts'
import { push } from '../../../src/store/remote/push.ts'
import { bytesOf, codeOf, eventOf, temporaryFolder, tickingClock } from '../fixture.ts'
import { type FakeS3, fakeS3 } from '../remote/s3-server.ts'

const who = { actor: 'test', now: 1, reason: 'r' }
const env = { AWS_ACCESS_KEY_ID: 'key', AWS_SECRET_ACCESS_KEY: 'secret', HOME: '/nowhere' }
const HOUR = 3_600_000
const PUSHES = Number(process.env.MILLRACE_CASES ?? 6)

/** A remote of one kind, whose objects can be made old. */
interface Place {
  remote: Remote
  /** Sets the time of everything that begins so (a key) back. */
  age(prefix: string, byMs: number): void
}

let folder: ReturnType<typeof temporaryFolder>
let server: FakeS3
const stores: Store[] = []
beforeEach(async () => {
  folder = temporaryFolder()
  server = await fakeS3()
})
afterEach(async () => {
  for (const store of stores.splice(0)) await store.close()
  await server.close()
  folder.remove()
})

const KINDS: Record<string, () => Promise<Place>> = {
  'a folder': async () => {
    const dir = join(folder.dir, 'remote')
    const remote = await openRemote('origin', dir, { create: true, folder: '/', env: {} })
    return {
      remote,
      age(prefix, byMs) {
        const then = new Date(Date.now() - byMs)
        const files = readdirSync(dir, { recursive: true, encoding: 'utf8' })
        for (const file of files) if (file.startsWith(prefix)) utimesSync(join(dir, file), then, then)
      },
    }
  },
  'an S3 API': async () => ({
    remote: await openRemote('origin', `s3://b/team?endpoint=${server.url}`, {
      create: true,
      folder: '/',
      env,
    }),
    age(prefix, byMs) {
      for (const key of server.objects.keys())
        if (key.startsWith(`team/${prefix}`)) server.times.set(key, Date.now() - byMs)
    },
  }),
}

async function newStore(name: string): Promise<Store> {
  const store = await openStore({ dir: join(folder.dir, name) }, { clock: tickingClock() })
  stores.push(store)
  return store
}

/** A new version of a branch, with what it is made of. */
async function advance(store: Store, part: string, parents: Digest[] = []): Promise<Digest> {
  const digest = await store.objects.put(bytesOf(part))
  const inside = await store.putRecord({ kind: 'Inside', parts: [digest] })
  const to = await store.putRecord({ kind: 'DatasetVersion', dataset: 'd', parents, inside, createdAt: 1 })
  await store.meta.commit({
    moves: [{ name: refs.dataset('d'), to }],
    event: eventOf({ data: { version: to } }),
  })
  return to
}

const isThere = async (remote: Remote, store: Store, part: string): Promise<boolean> =>
  (await remote.present([await store.objects.put(bytesOf(part))])).size === 1

describe.each(Object.entries(KINDS))('collecting %s', (_, open) => {
  it('removes what no ref reaches and is older than the grace period, and nothing else', async () => {
    const [{ remote, age }, a, b] = [await open(), await newStore('a'), await newStore('b')]
    const first = await advance(a, 'shared')
    await advance(a, 'left behind', [first])
    await push(a, remote, who)
    const to = await advance(a, 'forced', [first])
    await push(a, remote, { ...who, force: true })
    const options = { ...who, graceMs: HOUR }
    expect((await collectRemote(a, remote, options)).removed.objects).toBe(0)
    age('objects/', 2 * HOUR)
    // From a store that has nothing: all records are read on the remote.
    const plan = await planRemoteGc(b, remote, options)
    expect([plan.sweep.length, plan.kept.objects]).toEqual([3, 6])
    expect(await isThere(remote, a, 'left behind')).toBe(true)
    const done = await collectRemote(a, remote, options)
    expect(done.removed).toEqual({ objects: 3, bytes: plan.bytes })
    expect(await isThere(remote, a, 'left behind')).toBe(false)
    expect((await pull(b, remote, who)).refs[0]).toMatchObject({ digest: to, state: 'new' })
    expect(await remote.leases.list()).toEqual([])
    expect((await a.meta.events({ types: ['remote.collected'] }))[0]).toMatchObject({
      subject: 'remotes/origin',
    })
    expect((await collectRemote(a, remote, options)).removed.objects).toBe(0)
  })

  it('keeps versions under legal hold here, and lets go what history was cut before', async () => {
    const [{ remote, age }, a] = [await open(), await newStore('a')]
    const old = await advance(a, 'old')
    const held = await advance(a, 'held')
    const head = await advance(a, 'head', [held, old])
    await push(a, remote, who)
    const hold = { name: refs.hold('d', held), to: held }
    await a.meta.commit({ moves: [hold], event: eventOf() })
    const [ref] = await remote.refs('')
    await remote.moveRef(head, { ...ref, gone: [held, old] })
    age('objects/', 2 * HOUR)
    const { removed } = await collectRemote(a, remote, { ...who, graceMs: HOUR })
    expect(removed.objects).toBe(3)
    expect(await isThere(remote, a, 'old')).toBe(false)
    expect(await isThere(remote, a, 'held')).toBe(true)
  })

  it('does not begin while somebody pushes, nor a push while it is at work; a lease that is left behind ends by itself', async () => {
    const [{ remote, age }, a] = [await open(), await newStore('a')]
    await advance(a, 'one')
    await push(a, remote, who)
    await advance(a, 'two')
    let meanwhile: unknown
    const onProgress = (done: number) => {
      if (done > 0) meanwhile ??= codeOf(collectRemote(a, remote, { ...who, graceMs: 0 }))
    }
    await push(a, remote, { ...who, force: true, onProgress })
    expect(await meanwhile).toBe('MR_REMOTE_AT_WORK')
    const lease = await takeLease(remote, 'gc')
    await advance(a, 'three')
    expect(await codeOf(push(a, remote, { ...who, force: true }))).toBe('MR_REMOTE_AT_WORK')
    // Nothing is to be done: nothing has to wait.
    await takeLease(remote, 'gc').then((other) => other.end())
    age('leases/', STORE_LIMITS.leaseMsMax + 5_000)
    expect((await push(a, remote, { ...who, force: true })).sent).toBe(3)
    lease.require()
    await lease.end()
    expect(await remote.leases.list()).toEqual([])
  })

  it('refuses where it is not known what a version still needs', async () => {
    const [{ remote, age }, a, b] = [await open(), await newStore('a'), await newStore('b')]
    const to = await advance(a, 'one')
    await push(a, remote, who)
    age('objects/', 2 * HOUR)
    await remote.remove(to)
    const before = server.objects.size
    expect(await codeOf(collectRemote(b, remote, { ...who, graceMs: 0 }))).toBe('MR_REMOTE_MISSING')
    expect(server.objects.size).toBe(before)
    expect(await isThere(remote, a, 'one')).toBe(true)
    expect(await remote.leases.list()).toEqual([])
  })
})

it('loses nothing when collections and pushes that find old objects there go on beside one another', async () => {
  const { remote, age } = await KINDS['a folder']()
  const [a, b] = [await newStore('a'), await newStore('b')]
  const counts = { pushed: 0, refused: 0, collected: 0 }
  let isDone = false
  const collecting = (async () => {
    while (!isDone) {
      age('objects/', 2 * HOUR)
      const code = await codeOf(
        collectRemote(b, remote, { ...who, graceMs: HOUR }).then(() => counts.collected++),
      ).catch(() => undefined)
      if (code === 'MR_REMOTE_AT_WORK') counts.refused++
      await delay(1)
    }
  })()
  for (let i = 0; i < PUSHES; i++) {
    // Parts come again and again: what a push finds there is what a collection would take.
    const to = await advance(a, `part ${i % 3}`)
    for (let isThere = false; !isThere; ) {
      try {
        await push(a, remote, { ...who, force: true })
        counts.pushed++
        isThere = true
      } catch (thrown) {
        expect((thrown as { code: string }).code).toBe('MR_REMOTE_AT_WORK')
        await delay(2)
      }
    }
    const part = await a.objects.put(bytesOf(`part ${i % 3}`))
    expect((await remote.present([to, part])).size, `push ${i}`).toBe(2)
  }
  isDone = true
  await collecting
  expect(counts.pushed).toBe(PUSHES)
  expect(counts.collected + counts.refused).toBeGreaterThan(0)
  expect(objectKey((await remote.refs(''))[0].digest)).toContain('objects/')
})
