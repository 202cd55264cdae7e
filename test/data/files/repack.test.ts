import { chmodSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { STAND_INS } from '../../../src/core/names.ts'
import type { Digest } from '../../../src/core/records.ts'
import {
  branchFiles,
  Packs,
  packRewriter,
  resolveFileSet,
  verifyFiles,
} from '../../../src/data/files/index.ts'
import { looksLikePack } from '../../../src/data/files/packs.ts'
import { collectGarbage, planGc } from '../../../src/loop/collect.ts'
import { verify } from '../../../src/loop/verify.ts'
import { collectRemote } from '../../../src/store/gc/collect-remote.ts'
import { openStore } from '../../../src/store/open.ts'
import type { Objects, Store } from '../../../src/store/ports.ts'
import { verifyStore } from '../../../src/store/reach/verify.ts'
import { openRemote } from '../../../src/store/remote/open.ts'
import type { Remote } from '../../../src/store/remote/ports.ts'
import { pull } from '../../../src/store/remote/pull.ts'
import { push } from '../../../src/store/remote/push.ts'
import { type Bench, listing, objectBytes, randomBytesOf, withFiles } from './fixture.ts'

const who = { actor: 'test', now: 1 }
const clock = { now: () => Date.now() }

/** Makes all objects two days old. */
async function age(store: Store): Promise<void> {
  const then = new Date(Date.now() - 2 * 86_400_000)
  for await (const { digest } of store.objects.list())
    utimesSync(await store.objects.path(digest), then, then)
}

async function collect(store: Store, change = {}) {
  await age(store)
  return await collectGarbage(store, { now: Date.now(), actor: 'test', reason: 'a test collects', ...change })
}

async function packsOf(store: Store): Promise<Digest[]> {
  const packs: Digest[] = []
  for await (const { digest } of store.objects.list())
    if (looksLikePack(await store.objects.path(digest))) packs.push(digest)
  return packs
}

/** Sees that a version, and all that is reached, is whole. */
async function expectWhole(store: Store, name = 'set'): Promise<void> {
  expect((await verifyFiles(store, await resolveFileSet(store, name))).bad).toEqual([])
  expect((await verifyStore(store)).bad).toEqual([])
}

const remoteOf = (bench: Bench, name = 'remote'): Promise<Remote> =>
  openRemote('origin', join(bench.dir, name), { create: true, folder: bench.dir, env: {} })

const rule = { bytesMin: 1024, bytesAverage: 4096, bytesMax: 16384 }

/** Forty files and a large one in one pack, of which all but some are gone in the second version, and a small change in the third. */
async function mostlyDead(bench: Bench, kept = 3): Promise<void> {
  for (let i = 0; i < 40; i++) bench.write(`f${i}`, randomBytesOf(i, 8_000))
  for (let i = 0; i < 200; i++) bench.write(`small/${i}`, `a text of number ${i} `.repeat(20))
  const large = randomBytesOf(99, 400_000)
  bench.write('large', large)
  await bench.add({ rule })
  for (let i = kept; i < 40; i++) rmSync(join(bench.work, `f${i}`))
  for (let i = kept; i < 200; i++) rmSync(join(bench.work, `small/${i}`))
  bench.write('large', Buffer.concat([randomBytesOf(98, 200_000), large.subarray(300_000)]))
  await bench.add({ rule })
  bench.write('other', 'new')
  await bench.add()
}

describe('a pack of which little is needed', () => {
  it('is written anew, and its versions read what they did', () =>
    withFiles(async (bench) => {
      await mostlyDead(bench)
      const { store } = bench
      const [one, two] = [await bench.checkedOut('set'), await bench.checkedOut('set~1')]
      const before = await objectBytes(store)
      await age(store)
      const plan = await planGc(store, { now: Date.now(), keepVersions: 2 })
      expect(plan.rewriting!.items.length).toBe(1)
      const [{ bytes, bytesNeeded }] = plan.rewriting!.items
      const done = await collect(store, { keepVersions: 2 })
      expect(done.rewritten).toMatchObject({ objects: 1, bytesFreed: bytes })
      expect(done.rewritten.bytesWritten).toBeLessThan(bytesNeeded * 1.05 + 5_000)
      expect(before - (await objectBytes(store))).toBeGreaterThan(400_000)
      await bench.reopen()
      await expectWhole(bench.store)
      await expectWhole(bench.store, 'set~1')
      expect(await bench.checkedOut('set')).toEqual(one)
      expect(await bench.checkedOut('set~1')).toEqual(two)
      expect(await bench.store.meta.verifyJournal()).toBeUndefined()
      expect(await collect(bench.store)).toMatchObject({
        removed: { objects: 0 },
        rewritten: { objects: 0, bytesWritten: 0 },
      })
    }))

  it('stays when half of it is needed, when it is small, and when it was put a moment ago', () =>
    withFiles(async (bench) => {
      const { store, work, write, add } = bench
      for (let i = 0; i < 10; i++) write(`f${i}`, randomBytesOf(i, 30_000))
      await add()
      for (let i = 0; i < 4; i++) rmSync(join(work, `f${i}`))
      await add()
      expect((await collect(store, { keepVersions: 1 })).rewritten.objects).toBe(0)
      for (let i = 4; i < 8; i++) rmSync(join(work, `f${i}`))
      await add()
      const early = { now: Date.now(), actor: 'test', reason: 'too early', keepVersions: 1 }
      for (const pack of await packsOf(store)) await store.objects.keep(pack)
      expect((await collectGarbage(store, early)).rewritten.objects).toBe(0)
      expect((await collect(store)).rewritten.objects).toBe(1)
      for (let i = 0; i < 5; i++) write(`small/${i}`, randomBytesOf(i + 50, 5_000))
      await add()
      for (let i = 0; i < 4; i++) rmSync(join(work, `small/${i}`))
      await add()
      expect((await collect(store, { keepVersions: 1 })).rewritten.objects).toBe(0)
      expect(await bench.checkedOut()).toEqual(listing(work))
    }))

  it('is written anew over and over, and is still found by the names it had', () =>
    withFiles(async (bench) => {
      const { store, work, write, add } = bench
      for (let i = 0; i < 64; i++) write(`f${i}`, randomBytesOf(i, 30_000))
      await add()
      for (let left = 64; left > 4; ) {
        for (let i = Math.floor(left / 2) - 1; i < left; i++) rmSync(join(work, `f${i}`), { force: true })
        left = Math.floor(left / 2) - 1
        await add()
        expect((await collect(store, { keepVersions: 1 })).rewritten.objects).toBe(1)
        await expectWhole(store)
        expect(await bench.checkedOut()).toEqual(listing(work))
        expect((await packsOf(store)).length).toBe(1)
      }
      // Chunks that were let go come back, beside those that were kept.
      for (let i = 0; i < 64; i++) write(`f${i}`, randomBytesOf(i, 30_000))
      await add()
      await collect(store, { keepVersions: 1 })
      await expectWhole(store)
      expect(await bench.checkedOut()).toEqual(listing(work))
      for (let i = 0; i < 64; i++) rmSync(join(work, `f${i}`))
      write('last', 'nothing else')
      await add()
      await collect(store, { keepVersions: 1 })
      expect(await bench.checkedOut()).toEqual(listing(work))
      expect(await store.meta.refs(STAND_INS)).toEqual([])
    }))

  it('has nothing left of what was let go, where that is to be erased', () =>
    withFiles(async (bench) => {
      const { store, work, write, add } = bench
      for (let i = 0; i < 10; i++) write(`f${i}`, randomBytesOf(i, 30_000))
      await add()
      const secret = readFileSync(join(work, 'f3'))
      rmSync(join(work, 'f3'))
      await add()
      const isThere = async () => {
        for (const pack of await packsOf(store))
          if (readFileSync(await store.objects.path(pack)).includes(secret)) return true
        return false
      }
      expect((await collect(store, { keepVersions: 1 })).rewritten.objects).toBe(0)
      expect(await isThere()).toBe(true)
      expect((await collect(store, { erase: true })).rewritten.objects).toBe(1)
      expect(await isThere()).toBe(false)
      expect((await collect(store, { erase: true })).rewritten.objects).toBe(0)
      await expectWhole(store)
      expect(await bench.checkedOut()).toEqual(listing(work))
    }))

  it('is not built upon where a chunk of it is damaged, and stays as it is', () =>
    withFiles(async (bench) => {
      await mostlyDead(bench)
      const { store } = bench
      await age(store)
      const plan = await planGc(store, { now: Date.now(), keepVersions: 2 })
      const [{ digest }] = plan.rewriting!.items
      const path = await store.objects.path(digest)
      const bytes = readFileSync(path)
      const packs = new Packs(store)
      const [{ table }] = await packs.holders(digest)
      packs.close()
      // A byte of every frame is flipped.
      const frames = new Set(Array.from({ length: table.nChunks }, (_, i) => table.chunk(i).frame))
      for (const i of frames) bytes[table.frame(i)!.offset + 5] ^= 1
      chmodSync(path, 0o644)
      writeFileSync(path, bytes)
      expect((await collect(store, { keepVersions: 2 })).rewritten.objects).toBe(0)
      expect(await store.objects.has(digest)).toBe(true)
      expect((await verifyFiles(store, await resolveFileSet(store, 'set'))).bad.length).toBeGreaterThan(0)
    }))
})

/** A store whose sweeps do something after an object was set aside. */
function meddling(store: Store, meddle: (digest: Digest) => Promise<void>): Store {
  const objects: Objects = {
    ...store.objects,
    async sweep() {
      const sweep = await store.objects.sweep()
      return {
        ...sweep,
        async setAside(digest, before) {
          const done = await sweep.setAside(digest, before)
          if (done) await meddle(digest)
          return done
        },
      }
    },
  }
  return { ...store, objects }
}

describe('while packs are written anew', () => {
  it('what is added with chunks that were about to go keeps them', () =>
    withFiles(async (bench) => {
      await mostlyDead(bench)
      const { store, work, write } = bench
      await collect(store, { keepVersions: 2, rewriter: undefined })
      const packs = new Set(await packsOf(store))
      await age(store)
      let added = 0
      const done = await collectGarbage(
        meddling(store, async (digest) => {
          if (!packs.has(digest) || added++ > 0) return
          for (let i = 10; i < 20; i++) write(`f${i}`, randomBytesOf(i, 8_000))
          await bench.add({ rule })
        }),
        { now: Date.now(), actor: 'test', reason: 'at once' },
      )
      expect(added).toBe(1)
      expect(done.removed.objects).toBe(0)
      await expectWhole(store)
      expect(await bench.checkedOut()).toEqual(listing(work))
      await collect(store, { keepVersions: 1 })
      await expectWhole(store)
      expect(await bench.checkedOut()).toEqual(listing(work))
    }))

  it('a list that came meanwhile is told apart from those that need no more', () =>
    withFiles(async (bench) => {
      await mostlyDead(bench)
      const { store, write } = bench
      await age(store)
      const { rewriting } = await planGc(store, { now: Date.now(), keepVersions: 2 })
      const [batch] = rewriting!.batches()
      await rewriting!.write(batch)
      const same = (await resolveFileSet(store, 'set')).version.tree
      expect(await rewriting!.needMore([same])).toEqual(new Set())
      for (let i = 10; i < 12; i++) write(`f${i}`, randomBytesOf(i, 8_000))
      await bench.add({ rule })
      const { tree } = (await resolveFileSet(store, 'set')).version
      expect(await rewriting!.needMore([tree])).toEqual(new Set([batch[0].digest]))
    }))

  it('who reads goes on, in the pack that was opened and in those that stand in for it', () =>
    withFiles(async (bench) => {
      await mostlyDead(bench)
      const { store, work } = bench
      let out: ReturnType<typeof listing> = {}
      await age(store)
      await collectGarbage(
        meddling(store, async () => {
          out = await bench.checkedOut()
        }),
        { now: Date.now(), keepVersions: 2, actor: 'test', reason: 'at once' },
      )
      expect(out).toEqual(listing(work))
      await expectWhole(store)
    }))
})

describe('between stores of which one wrote packs anew', () => {
  it('versions travel to a remote that never had the packs, and from there', () =>
    withFiles(async (bench) => {
      await mostlyDead(bench)
      const { store, dir, work } = bench
      await collect(store, { keepVersions: 2 })
      const remote = await remoteOf(bench)
      await push(store, remote, who)
      expect((await remote.refs(STAND_INS)).length).toBeGreaterThan(0)
      expect((await push(store, remote, { ...who, recheck: true })).sent).toBe(0)
      const other = await openStore({ dir: join(dir, 'other') }, { clock })
      await pull(other, remote, who)
      await expectWhole(other)
      await expectWhole(other, 'set~1')
      // What is collected there stays whole, and so does what is pushed from there.
      await age(other)
      await collectRemote(other, remote, { graceMs: 0, actor: 'test', reason: 'test' })
      await collect(other, { keepVersions: 1 })
      await expectWhole(other)
      const third = await openStore({ dir: join(dir, 'third') }, { clock })
      await pull(third, remote, who)
      await expectWhole(third, 'set~1')
      expect((await collect(third)).removed.objects).toBe(0)
      await expectWhole(third, 'set~1')
      bench.write('more', 'and more')
      await bench.add()
      await push(store, remote, who)
      await pull(third, remote, who)
      await expectWhole(third)
      expect(Object.keys(listing(work)).length).toBe((await resolveFileSet(third, 'set')).version.files)
      await other.close()
      await third.close()
    }))

  it('a remote that has the packs is sent nothing in their place, and older versions come back whole', () =>
    withFiles(async (bench) => {
      await mostlyDead(bench)
      const { store, dir } = bench
      const remote = await remoteOf(bench)
      await push(store, remote, who)
      await collect(store, { keepVersions: 1 })
      bench.write('more', 'and more')
      await bench.add()
      const { sent } = await push(store, remote, who)
      expect(sent).toBeLessThan(5)
      expect(await remote.refs(STAND_INS)).toEqual([])
      // Another store has the first version still, and builds upon it.
      const other = await openStore({ dir: join(dir, 'other') }, { clock })
      await pull(other, remote, who)
      await expectWhole(other)
      await other.close()
      await expectWhole(store)
    }))

  it('a pull gets whole packs where the ones that stand in here have not what the other side needs', () =>
    withFiles(async (bench) => {
      await mostlyDead(bench)
      const { store, dir } = bench
      const remote = await remoteOf(bench)
      await push(store, remote, who)
      const other = await openStore({ dir: join(dir, 'other') }, { clock })
      await pull(other, remote, who)
      const first = (await resolveFileSet(other, 'set~2')).digest
      await branchFiles(other, { set: 'set', branch: 'first', on: 'set~2', actor: 'test', reason: 'test' })
      await push(other, remote, who)
      await collect(store, { keepVersions: 1 })
      await pull(store, remote, who)
      expect((await resolveFileSet(store, 'set@first')).digest).toBe(first)
      await expectWhole(store, 'set@first')
      await expectWhole(store)
      await other.close()
    }))

  it('a damaged pack that stands in is repaired by the one it stands in for', () =>
    withFiles(async (bench) => {
      await mostlyDead(bench)
      const { store } = bench
      const remote = await remoteOf(bench)
      await push(store, remote, who)
      await collect(store, { keepVersions: 1 })
      const [{ digest }] = await store.meta.refs(STAND_INS)
      rmSync(await store.objects.path(digest), { force: true })
      expect((await verifyStore(store)).bad).toMatchObject([{ digest, state: 'missing' }])
      const report = await verify({ store }, { repair: true, remotes: [remote], actor: 'test' })
      expect(report.left).toEqual([])
      await expectWhole(store)
    }))
})

it('knows the kinds that name chunks', () => {
  expect([...packRewriter.kinds].sort()).toEqual(['FileChunks', 'FileLeaf'])
})
