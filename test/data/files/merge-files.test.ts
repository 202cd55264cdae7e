import { chmodSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { branchFiles, checkoutFiles, mergeFiles, resolveFileSet } from '../../../src/data/files/index.ts'
import { verifyStore } from '../../../src/store/reach/verify.ts'
import { type Bench, listing, withFiles } from './fixture.ts'

const who = { actor: 'test', reason: 'because' }

/** Main and a branch that have both moved from one base; the folder holds what is said last. */
async function apart(bench: Bench, change: { base: () => void; theirs: () => void; ours: () => void }) {
  const { store, work } = bench
  change.base()
  await bench.add()
  await branchFiles(store, { set: 'set', branch: 'b', ...who })
  change.theirs()
  await bench.add({ branch: 'b' })
  await checkoutFiles(store, await resolveFileSet(store, 'set@main'), { to: work })
  change.ours()
  await bench.add()
}

describe('merging branches of a set of files', () => {
  it('takes what each side changed, ends the branch, and says so in the journal', () =>
    withFiles(async (bench) => {
      const { store, write, work } = bench
      await apart(bench, {
        base: () => {
          for (let i = 0; i < 900; i++) write(`d${i % 3}/f${i}`, `${i}`)
        },
        theirs: () => {
          write('d0/f0', 'theirs')
          write('new/of/theirs', 'n')
          rmSync(join(work, 'd1/f1'))
          chmodSync(join(work, 'd2/f2'), 0o755)
        },
        ours: () => {
          write('d0/f3', 'ours')
          write('d2/f2', 'bytes of ours')
          rmSync(join(work, 'd1/f4'))
        },
      })
      const foreseen = await mergeFiles(store, { set: 'set', branch: 'b', dryRun: true, ...who })
      expect(foreseen).toMatchObject({
        done: false,
        how: 'merged',
        taken: { added: 1, changed: 2, removed: 1 },
      })
      const done = await mergeFiles(store, { set: 'set', branch: 'b', ...who })
      expect(done).toMatchObject({ done: true, how: 'merged', taken: foreseen.taken, open: [] })
      write('d0/f0', 'theirs')
      write('new/of/theirs', 'n')
      rmSync(join(work, 'd1/f1'))
      chmodSync(join(work, 'd2/f2'), 0o755)
      expect(await bench.checkedOut()).toEqual(listing(work))
      // The same files, added anew, have the same tree: a merge makes no other.
      const again = await bench.add({ name: 'other' })
      const { version } = await resolveFileSet(store, 'set')
      expect([again.version.tree, again.version.content]).toEqual([version.tree, version.content])
      expect([version.files, version.parents.length]).toEqual([899, 2])
      expect(await store.meta.ref('files/set@b')).toBeUndefined()
      const [event] = await store.meta.events({ types: ['files.merged'] })
      expect(event).toMatchObject({
        subject: 'files/set',
        data: { version: done.version, merged: 'b', ended: true },
      })
      expect((await verifyStore(store)).bad).toEqual([])
    }))

  it('moves nothing while a path is open, and takes sides, base and files by hand', () =>
    withFiles(async (bench) => {
      const { store, write, work, dir } = bench
      await apart(bench, {
        base: () => {
          for (const path of ['both', 'gone', 'hand', 'kept']) write(path, 'base')
        },
        theirs: () => {
          for (const path of ['both', 'gone', 'hand']) write(path, `theirs ${path}`)
          write('clash', 'a file')
        },
        ours: () => {
          for (const path of ['both', 'hand']) write(path, `ours ${path}`)
          rmSync(join(work, 'gone'))
          write('clash/inside', 'a folder')
        },
      })
      const before = (await resolveFileSet(store, 'set')).digest
      const open = await mergeFiles(store, { set: 'set', branch: 'b', ...who })
      expect(open).toMatchObject({ done: false, how: 'open', version: before })
      expect(open.open).toEqual([
        { path: 'both', kind: 'changed' },
        { path: 'clash', kind: 'folder' },
        { path: 'gone', kind: 'removed' },
        { path: 'hand', kind: 'changed' },
      ])
      expect((await resolveFileSet(store, 'set')).digest).toBe(before)
      const stray = mergeFiles(store, {
        set: 'set',
        branch: 'b',
        picks: [{ path: 'kept', take: 'ours' }],
        ...who,
      })
      await expect(stray).rejects.toThrow('MR_FILES_PICK')
      const absent = { path: 'hand', file: join(dir, 'none') }
      await expect(mergeFiles(store, { set: 'set', branch: 'b', picks: [absent], ...who })).rejects.toThrow(
        'MR_FILES_ABSENT',
      )
      const hand = join(dir, 'hand-merged')
      writeFileSync(hand, 'both of them')
      const done = await mergeFiles(store, {
        ...{ set: 'set', branch: 'b', rest: 'ours', keep: true, ...who },
        picks: [
          { path: 'gone', take: 'theirs' },
          { path: 'both', take: 'base' },
          { path: 'hand', file: hand },
        ],
      })
      expect(done).toMatchObject({ done: true, decided: 4 })
      expect(await bench.checkedOut()).toEqual({
        ...{
          both: 'base',
          'clash/inside': 'a folder',
          gone: 'theirs gone',
          hand: 'both of them',
          kept: 'base',
        },
      })
      expect(await store.meta.ref('files/set@b')).toBeDefined()
      expect(await mergeFiles(store, { set: 'set', branch: 'b', ...who })).toMatchObject({ how: 'nothing' })
    }))

  it('goes forward where only the branch moved, and refuses where main moved while it was at work', () =>
    withFiles(async (bench) => {
      const { store, write } = bench
      write('a', '1')
      await bench.add()
      write('a', '2')
      const { digest } = await bench.add({ branch: 'b' })
      expect(await mergeFiles(store, { set: 'set', branch: 'b', ...who })).toMatchObject({
        ...{ done: true, how: 'forward', version: digest },
      })
      write('x', 'theirs')
      await bench.add({ branch: 'c' })
      rmSync(join(bench.work, 'x'))
      write('y', 'ours')
      await bench.add()
      const { putRecord } = store
      const meanwhile = {
        ...store,
        async putRecord(record: object) {
          write('z', 'meanwhile')
          await bench.add()
          return await putRecord(record)
        },
      }
      await expect(mergeFiles(meanwhile, { set: 'set', branch: 'c', ...who })).rejects.toThrow(
        'MR_FILES_MOVED',
      )
      expect(Object.keys(await bench.checkedOut())).toEqual(['a', 'y', 'z'])
    }))
})
