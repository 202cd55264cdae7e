import { createHash } from 'node:crypto'
import { mkdirSync, rmSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { seededRng } from '../../../src/core/rng.ts'
import { MODE, readTree } from '../../../src/data/files/index.ts'
import { statOf } from '../../../src/data/files/stat.ts'
import { SeenRows, seenPath, writeSeen } from '../../../src/data/files/stat-cache.ts'
import { listing, withFiles } from './fixture.ts'

const pathOf = (i: number) => `d${i % 7}/f-${i}`
const PATHS = 1_200
const settled = () => new Promise((resolve) => setTimeout(resolve, 60))

describe('leaves of a tree that stay', () => {
  it('makes the tree that a look at every file makes, whatever came, went and changed', () =>
    withFiles(async ({ work, write, add, store, checkedOut }) => {
      const rng = seededRng(7)
      const some = (n: number) => Array.from({ length: n }, () => Math.floor(rng.next() * PATHS))
      for (let i = 0; i < PATHS; i++) write(pathOf(i), `${i}`)
      await add()
      for (const round of [1, 2, 3]) {
        await settled()
        await add()
        for (const i of some(round * 3)) write(pathOf(i), `${i} in round ${round}`)
        for (const i of some(round)) rmSync(join(work, pathOf(i)), { force: true })
        for (const i of some(2)) write(`d${i % 7}/a-${i}`, `new in ${round}`)
        const fast = await add()
        expect(fast.filesRead).toBeLessThan(100)
        rmSync(join(store.cache, 'seen'), { recursive: true })
        const slow = await add({ name: `look-${round}` })
        expect(slow.filesRead).toBeGreaterThan(1_100)
        expect([slow.version.tree, slow.version.content]).toEqual([fast.version.tree, fast.version.content])
        expect([slow.version.files, slow.version.bytes]).toEqual([fast.version.files, fast.version.bytes])
        expect(await checkedOut()).toEqual(listing(work))
        await add()
      }
    }))

  it('counts what came, went and changed only where it looked', () =>
    withFiles(async ({ work, write, add }) => {
      for (let i = 0; i < PATHS; i++) write(pathOf(i), `${i}`)
      await settled()
      await add()
      write(pathOf(5), 'other')
      write('zz', 'last')
      rmSync(join(work, pathOf(6)))
      const { added, changed, removed, filesRead, version } = await add()
      expect({ added, changed, removed, filesRead }).toEqual({
        added: 1,
        changed: 1,
        removed: 1,
        filesRead: 2,
      })
      expect(version.files).toBe(PATHS)
    }))

  it('reads everything after a checkout that was cut short: what is noted may be of another version', () =>
    withFiles(async ({ work, write, add, store }) => {
      write('a', 'first')
      const first = await add()
      write('a', 'other')
      const other = await add({ branch: 'other' })
      const rows = new SeenRows(1)
      const digest = createHash('sha256').update('other').digest('hex')
      rows.add({ path: 'a', mode: MODE.file, digest, ...statOf(statSync(join(work, 'a'))) })
      writeSeen(seenPath(store.cache, 'set', [work]), { base: first.digest, pending: [other.digest] }, rows)
      expect(await add()).toMatchObject({ isNew: true, version: { content: other.version.content } })
    }))

  it('takes empty folders and names that go on before a slash in the order of paths', () =>
    withFiles(async ({ work, write, add, store }) => {
      for (const path of ['a/x', 'a-b', 'a.b', 'a0', 'a/y/z']) write(path, path)
      mkdirSync(join(work, 'a!'))
      const { version } = await add()
      const paths = (await readTree(store, version.tree)).map(({ path }) => path)
      expect(paths).toEqual(['a!', 'a-b', 'a.b', 'a/x', 'a/y/z', 'a0'])
    }))
})
