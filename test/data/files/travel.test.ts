import { rmSync, utimesSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { checkoutFiles, filesLog, resolveFileSet, verifyFiles } from '../../../src/data/files/index.ts'
import { collectGarbage } from '../../../src/store/gc/collect.ts'
import { openStore } from '../../../src/store/open.ts'
import type { Store } from '../../../src/store/ports.ts'
import { openRemote } from '../../../src/store/remote/open.ts'
import { pull } from '../../../src/store/remote/pull.ts'
import { push } from '../../../src/store/remote/push.ts'
import { listing, objectBytes, randomBytesOf, withFiles } from './fixture.ts'

const who = { actor: 'test', now: 1 }
const collect = (store: Store, change = {}) =>
  collectGarbage(store, { now: Date.now(), actor: 'test', reason: 'a test collects', ...change })

/** Makes all objects two days old. */
async function age(store: Store): Promise<void> {
  const then = new Date(Date.now() - 2 * 86_400_000)
  for await (const { digest } of store.objects.list())
    utimesSync(await store.objects.path(digest), then, then)
}

describe('sets of files, like everything else,', () => {
  it('travel to a remote and back with all that they are made of, and what is there is not sent again', () =>
    withFiles(async ({ store, dir, work, write, add }) => {
      for (let i = 0; i < 600; i++) write(`d${i % 5}/f${i}`, randomBytesOf(i, 500))
      write('large', randomBytesOf(1, 4_000_000))
      await add()
      write('d0/f0', 'changed')
      await add()
      const remote = await openRemote('origin', join(dir, 'remote'), { create: true, folder: dir, env: {} })
      await push(store, remote, who)
      write('d1/f1', 'changed')
      await add()
      expect((await push(store, remote, who)).sent).toBeLessThan(8)
      const other = await openStore({ dir: join(dir, 'other') }, { clock: { now: () => Date.now() } })
      await pull(other, remote, who)
      expect((await filesLog(other, 'set', 10)).length).toBe(3)
      const named = await resolveFileSet(other, 'set')
      expect((await verifyFiles(other, named)).bad).toEqual([])
      await checkoutFiles(other, named, { to: join(dir, 'there') })
      expect(listing(join(dir, 'there'))).toEqual(listing(work))
      await other.close()
    }))

  it('keep what any version reaches when garbage is collected, and lose what none does', () =>
    withFiles(async (bench) => {
      const { store, work, write, add } = bench
      for (let i = 0; i < 4; i++) write(`f${i}`, randomBytesOf(i, 200_000))
      await add()
      for (let i = 0; i < 3; i++) rmSync(join(work, `f${i}`))
      for (let i = 10; i < 12; i++) write(`f${i}`, randomBytesOf(i, 200_000))
      await add()
      await age(store)
      expect(await collect(store)).toMatchObject({ removed: { objects: 0 } })
      expect((await verifyFiles(store, await resolveFileSet(store, 'set~1'))).bad).toEqual([])
      for (const name of ['f3', 'f10']) rmSync(join(work, name))
      await add()
      await age(store)
      const before = await objectBytes(store)
      expect((await collect(store, { keepVersions: 1 })).removed.objects).toBeGreaterThan(0)
      expect(before - (await objectBytes(store))).toBeGreaterThan(800_000)
      expect((await filesLog(store, 'set', 10)).length).toBe(1)
      expect(await bench.checkedOut()).toEqual(listing(work))
      for (let i = 0; i < 4; i++) write(`f${i}`, randomBytesOf(i, 200_000))
      await add()
      expect(await bench.checkedOut()).toEqual(listing(work))
      expect((await verifyFiles(store, await resolveFileSet(store, 'set'))).bad).toEqual([])
    }))
})
