import {
  chmodSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import { refs } from '../../../src/core/names.ts'
import type { Digest } from '../../../src/core/records.ts'
import { disk } from '../../../src/store/disk/disk.ts'
import { collectGarbage } from '../../../src/store/gc/collect.ts'
import { openStore } from '../../../src/store/open.ts'
import type { Store } from '../../../src/store/ports.ts'
import { verifyStore } from '../../../src/store/reach/verify.ts'
import { walk } from '../../../src/store/reach/walk.ts'
import { objectKey } from '../../../src/store/remote/keys.ts'
import { openRemote } from '../../../src/store/remote/open.ts'
import type { Remote } from '../../../src/store/remote/ports.ts'
import { pull } from '../../../src/store/remote/pull.ts'
import { planPush, push } from '../../../src/store/remote/push.ts'
import { all, bytesOf, codeOf, eventOf, tickingClock } from '../fixture.ts'

const who = { actor: 'test', now: 1 }
const closing: (() => Promise<void> | void)[] = []
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close()
})

async function place() {
  const dir = mkdtempSync(join(tmpdir(), 'millrace-exchange-'))
  closing.push(() => rmSync(dir, { recursive: true, force: true }))
  const store = async (name: string): Promise<Store> => {
    const opened = await openStore({ dir: join(dir, name) }, { clock: tickingClock() })
    closing.push(() => opened.close())
    return opened
  }
  const url = join(dir, 'remote')
  const remote = (create = true): Promise<Remote> =>
    openRemote('origin', url, { create, folder: dir, env: {} })
  return { dir, url, store, remote }
}

/** Moves a branch on to a new version with these parts. */
async function advance(
  store: Store,
  parts: string[],
  { name = 'd', branch = 'main', more = {} } = {},
): Promise<Digest> {
  const ref = refs.dataset(name, branch)
  const parent = (await store.meta.ref(ref))?.digest ?? (await store.meta.ref(refs.dataset(name)))?.digest
  const digests = await store.objects.putAll(parts.map(bytesOf))
  const to = await store.putRecord({
    kind: 'DatasetVersion',
    dataset: name,
    parents: parent ? [parent] : [],
    parts: digests.map((digest) => ({ digest })),
    createdAt: 1,
    ...more,
  })
  await store.meta.commit({ moves: [{ name: ref, to }], event: eventOf({ data: { version: to } }) })
  return to
}

async function isWhole(store: Store, digest: Digest): Promise<boolean> {
  const { reached, missing, corrupt } = await walk(store.objects, [digest])
  const states = await Promise.all([...reached].map((each) => store.objects.verify(each)))
  return missing.size === 0 && corrupt.size === 0 && states.every((state) => state === 'ok')
}

const headOf = async (store: Store, name = 'd') => (await store.meta.ref(refs.dataset(name)))?.digest
const states = (outcome: { refs: { state: string }[] }) => outcome.refs.map(({ state }) => state)

describe('push and pull', () => {
  it('bring everything that a ref reaches into an empty store, once', async () => {
    const at = await place()
    const [a, b, remote] = [await at.store('a'), await at.store('b'), await at.remote()]
    await advance(a, ['one', 'two'])
    const head = await advance(a, ['one', 'two', 'three'])
    const pushed = await push(a, remote, who)
    expect(pushed).toMatchObject({ sent: 5, refs: [{ name: 'datasets/d@main', state: 'new' }] })
    const pulled = await pull(b, await at.remote(false), who)
    expect(pulled).toMatchObject({ received: 5, bytes: pushed.bytes, refs: [{ state: 'new' }] })
    expect(await headOf(b)).toBe(head)
    expect(await isWhole(b, head)).toBe(true)
    expect(await push(a, remote, who)).toMatchObject({ sent: 0, refs: [{ state: 'same' }] })
    expect(await pull(b, remote, who)).toMatchObject({ received: 0, refs: [{ state: 'same' }] })
    const events = await b.meta.events()
    expect(events.map(({ type }) => type)).toEqual(['remote.pulled'])
    expect((await a.meta.events({ types: ['remote.pushed'] })).length).toBe(1)
  })

  it('send only what the remote lacks, and ask about nothing that its refs reach', async () => {
    const at = await place()
    const [a, remote] = [await at.store('a'), await at.remote()]
    await advance(a, ['one', 'two'])
    await push(a, remote, who)
    await advance(a, ['one', 'three'])
    const asked: Digest[] = []
    const counting: Remote = {
      ...remote,
      present: async (digests) => {
        asked.push(...digests)
        return await remote.present(digests)
      },
    }
    const plan = await planPush(a, counting, {})
    expect(plan.lacking.map(({ bytes }) => bytes)).toContain(5)
    expect(plan.lacking).toHaveLength(2)
    expect(asked).toHaveLength(2)
    await push(a, counting, who)
    asked.length = 0
    await push(a, counting, who)
    expect(asked).toEqual([])
  })

  it('refuse a ref that moved on the other side, and go on once it was pulled and merged', async () => {
    const at = await place()
    const [a, b, remote] = [await at.store('a'), await at.store('b'), await at.remote()]
    await advance(a, ['one'])
    await push(a, remote, who)
    await pull(b, remote, who)
    const ofB = await advance(b, ['one', 'b'])
    await push(b, remote, who)
    const ofA = await advance(a, ['one', 'a'])
    expect(states(await push(a, remote, who))).toEqual(['moved'])
    expect((await remote.refs(''))[0].digest).toBe(ofB)
    const pulled = await pull(a, remote, who)
    expect(states(pulled)).toEqual(['diverged'])
    expect(await headOf(a)).toBe(ofA)
    expect(await isWhole(a, ofB)).toBe(true)
    const merged = await advance(a, ['one', 'a', 'b'], { more: { parents: [ofA, ofB] } })
    expect(states(await push(a, remote, who))).toEqual(['forward'])
    expect(states(await pull(b, remote, who))).toEqual(['forward'])
    expect(await headOf(b)).toBe(merged)
    expect(states(await pull(a, remote, who))).toEqual(['same'])
    await advance(a, ['one', 'more'])
    expect(states(await pull(a, remote, who))).toEqual(['ahead'])
    expect(states(await push(b, remote, { ...who, force: true }))).toEqual(['same'])
  })

  it('take names: a dataset with its branches and tags, one branch, a model', async () => {
    const at = await place()
    const [a, b, remote] = [await at.store('a'), await at.store('b'), await at.remote()]
    const first = await advance(a, ['one'])
    await advance(a, ['side'], { branch: 'side' })
    await advance(a, ['e'], { name: 'e' })
    const graph = await a.objects.put(bytesOf('graph'))
    const model = await a.putRecord({ kind: 'ModelVersion', graph, trainedOn: { version: first } })
    const moves = [
      { name: 'tags/d@v1', to: first },
      { name: refs.latest('m'), to: model },
      { name: 'tokens/secret', to: await a.putRecord({ kind: 'AccessToken', hash: graph }) },
    ]
    await a.meta.commit({ moves, event: eventOf() })
    const names = async (...wanted: string[]) =>
      (await push(a, remote, { ...who, names: wanted })).refs.map(({ name }) => name)
    expect(await names('d@side')).toEqual(['datasets/d@side'])
    expect(await names('d')).toEqual(['datasets/d@main', 'datasets/d@side', 'tags/d@v1'])
    expect(await names('models/m')).toEqual(['models/m@latest'])
    expect(await names()).toEqual(['datasets/d@main', 'datasets/d@side', 'datasets/e@main', 'tags/d@v1'])
    expect(await codeOf(names('tokens/secret'))).toBe('MR_REMOTE_NOTHING')
    expect(await codeOf(names('nothing'))).toBe('MR_REMOTE_NOTHING')
    await pull(b, remote, { ...who, names: ['models/m'] })
    expect(await isWhole(b, model)).toBe(true)
    expect(await headOf(b)).toBeUndefined()
    expect(await codeOf(pull(b, remote, { ...who, names: ['nothing'] }))).toBe('MR_REMOTE_NOTHING')
  })

  it('keep a cut history cut, and what is there whole', async () => {
    const at = await place()
    const [a, b, remote] = [await at.store('a'), await at.store('b'), await at.remote()]
    for (const part of ['1', '2', '3', '4']) await advance(a, [part])
    await collectGarbage(a, { now: Date.now() + 1e9, keepVersions: 2, actor: 'test', reason: 'small' })
    expect(await push(a, remote, who)).toMatchObject({ sent: 4 })
    expect(await pull(b, remote, who)).toMatchObject({ received: 4 })
    await advance(b, ['5'])
    expect(await push(b, remote, who)).toMatchObject({ sent: 2, refs: [{ state: 'forward' }] })
    expect(states(await pull(a, remote, who))).toEqual(['forward'])
  })

  it('go forward over a cut that passed by where the other side was', async () => {
    const at = await place()
    const [a, b, remote] = [await at.store('a'), await at.store('b'), await at.remote()]
    const first = await advance(a, ['1'])
    await push(a, remote, who)
    await pull(b, remote, who)
    for (const part of ['2', '3', '4', '5']) await advance(a, [part])
    await collectGarbage(a, { now: Date.now() + 1e9, keepVersions: 2, actor: 'test', reason: 'small' })
    expect(states(await push(a, remote, who))).toEqual(['forward'])
    expect(states(await pull(b, remote, who))).toEqual(['forward'])
    expect(await b.objects.has(first)).toBe(true)
    expect((await verifyStore(b)).bad).toEqual([])
    await advance(b, ['6'])
    expect(states(await push(b, remote, who))).toEqual(['forward'])
  })

  it('let one of two pushes at once win, and refuse the other', async () => {
    const at = await place()
    const [a, b] = [await at.store('a'), await at.store('b')]
    await advance(a, ['one'])
    await push(a, await at.remote(), who)
    await pull(b, await at.remote(), who)
    await advance(a, ['a'])
    await advance(b, ['b'])
    const both = await Promise.all([a, b].map(async (store) => await push(store, await at.remote(), who)))
    expect(both.flatMap(states).sort()).toEqual(['forward', 'moved'])
  })
})

describe('faults', () => {
  it('a remote that is not there is said to be so by a pull, and made by a push', async () => {
    const at = await place()
    expect(await codeOf(at.remote(false))).toBe('MR_REMOTE_ABSENT')
    expect(await codeOf(openRemote('o', 'ftp://x', { create: true, folder: '/', env: {} }))).toBe(
      'MR_REMOTE_URL',
    )
    writeFileSync(join(at.dir, 'thesis.docx'), 'mine')
    expect(await codeOf(openRemote('o', at.dir, { create: true, folder: '/', env: {} }))).toBe(
      'MR_REMOTE_FOREIGN',
    )
  })

  it('a remote that fails half-way leaves no ref, and the next push sends only the rest', async () => {
    const at = await place()
    const [a, remote] = [await at.store('a'), await at.remote()]
    await advance(
      a,
      Array.from({ length: 30 }, (_, i) => `part ${i}`),
    )
    let left = 12
    const failing: Remote = {
      ...remote,
      send: async (...args) => {
        if (left-- <= 0) throw Object.assign(new Error('gone'), { code: 'EIO' })
        await remote.send(...args)
      },
    }
    expect(await codeOf(push(a, failing, who))).toBe('EIO')
    expect(await remote.refs('')).toEqual([])
    expect(await push(a, remote, who)).toMatchObject({ sent: 31 - 12 })
  })

  it('a full disk on the other side is MR_NO_SPACE, and leaves nothing half there', async () => {
    const at = await place()
    const [a, remote] = [await at.store('a'), await at.remote()]
    await advance(a, ['x'.repeat(5000), 'y'])
    const { write } = disk
    closing.push(() => void Object.assign(disk, { write }))
    disk.write = async (handle, bytes, position) => {
      if (bytes.length < 5000) return await write(handle, bytes, position)
      await write(handle, bytes.subarray(0, 100), position)
      throw Object.assign(new Error('full'), { code: 'ENOSPC' })
    }
    expect(await codeOf(push(a, remote, who))).toBe('MR_NO_SPACE')
    Object.assign(disk, { write })
    expect(readdirSync(join(at.url, 'incoming'))).toEqual([])
    expect(await remote.refs('')).toEqual([])
    await push(a, remote, who)
    expect(await pull(await at.store('b'), remote, who)).toMatchObject({ received: 3 })
  })

  it('damaged bytes go neither way', async () => {
    const at = await place()
    const [a, b, remote] = [await at.store('a'), await at.store('b'), await at.remote()]
    const head = await advance(a, ['good'])
    const part = await a.objects.put(bytesOf('good'))
    await push(a, remote, who)
    const there = join(at.url, ...objectKey(part).split('/'))
    writeFileSync(there, 'evil')
    expect(await codeOf(pull(b, remote, who))).toBe('MR_REMOTE_CORRUPT')
    expect(await headOf(b)).toBeUndefined()
    expect(await b.objects.has(part)).toBe(false)
    rmSync(there)
    expect(await codeOf(pull(b, remote, who))).toBe('MR_REMOTE_MISSING')
    expect(await push(a, remote, { ...who, recheck: true })).toMatchObject({ sent: 1 })
    await pull(b, remote, who)
    expect(await isWhole(b, head)).toBe(true)
    await advance(b, ['good', 'new'])
    const path = await b.objects.path(part)
    chmodSync(path, 0o644)
    writeFileSync(path, 'evil')
    rmSync(there)
    expect(await codeOf(push(b, remote, { ...who, recheck: true }))).toBe('MR_OBJECT_CORRUPT')
    expect(existsSync(there)).toBe(false)
    rmSync(path)
    expect(await codeOf(push(b, remote, { ...who, recheck: true }))).toBe('MR_REMOTE_INCOMPLETE')
  })

  it('a cancelled pull keeps what it received for the next one', async () => {
    const at = await place()
    const [a, b, remote] = [await at.store('a'), await at.store('b'), await at.remote()]
    await advance(
      a,
      Array.from({ length: 20 }, (_, i) => `part ${i}`),
    )
    await push(a, remote, who)
    const stop = new AbortController()
    let n = 0
    const onProgress = () => ++n === 10 && stop.abort()
    expect(
      await codeOf(pull(b, remote, { ...who, signal: stop.signal, onProgress: onProgress as never })),
    ).toBe('MR_CANCELLED')
    const here = (await all(b.objects.list())).length
    expect(here).toBeGreaterThan(5)
    expect(await pull(b, remote, who)).toMatchObject({ received: 21 - here })
  })

  it('what a pull finds here is safe from a collection before its ref is moved', async () => {
    const at = await place()
    const [a, b, remote] = [await at.store('a'), await at.store('b'), await at.remote()]
    const head = await advance(a, ['one'])
    await push(a, remote, who)
    const part = await b.objects.put(bytesOf('one'))
    utimesSync(await b.objects.path(part), new Date(1), new Date(1))
    const slow: Remote = {
      ...remote,
      refs: async (prefix) => await remote.refs(prefix),
      receive: async (...args) => await remote.receive(...args),
    }
    await pull(b, slow, {
      ...who,
      onProgress: () => void collectGarbage(b, { now: Date.now(), actor: 't', reason: 't' }).catch(() => {}),
    })
    await collectGarbage(b, { now: Date.now(), actor: 't', reason: 't' }).catch(() => {})
    expect(await isWhole(b, head)).toBe(true)
  })

  it('names of refs that no file can have come back as they were', async () => {
    const at = await place()
    const [a, b, remote] = [await at.store('a'), await at.store('b'), await at.remote()]
    const to = await advance(a, ['one'])
    const names = ['files/ä ö@main', `files/${'数'.repeat(100)}@main`, 'files/a%41@main', 'files/..@main']
    await a.meta.commit({ moves: names.map((name) => ({ name, to })), event: eventOf() })
    await push(a, remote, who)
    await pull(b, remote, who)
    expect((await b.meta.refs('files/')).map(({ name }) => name)).toEqual(names.toSorted())
    const texts = readdirSync(join(at.url, 'refs', 'files'))
    expect(texts).toContain('%C3%A4 %C3%B6@main.json')
    expect(JSON.parse(readFileSync(join(at.url, 'refs', 'files', texts[0]), 'utf8')).kind).toBe('RemoteRef')
  })
})
