import { chmodSync, mkdirSync, rmSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { listing, objectBytes, randomBytesOf, withFiles } from './fixture.ts'

describe('adding files', () => {
  it('gives back what was added: files of all sizes, links, empty folders, modes and names of any script', () =>
    withFiles(async ({ work, write, add, checkedOut }) => {
      write('empty', '')
      write('one', 'x')
      write('deep/er/est/file.txt', 'text '.repeat(50_000))
      write('große Datei.bin', randomBytesOf(1, 3_000_000))
      write('雪/ﬁ‍🏳️‍🌈\n', 'name with a line break')
      write(`${'n'.repeat(251)}.bin`, 'a name as long as names can be')
      write('sha256:ab', 'named like a digest')
      write('run.sh', '#!/bin/sh')
      chmodSync(join(work, 'run.sh'), 0o755)
      mkdirSync(join(work, 'nothing/inside'), { recursive: true })
      symlinkSync('../outside', join(work, 'deep/link'))
      symlinkSync(`sha256:${'0'.repeat(64)}`, join(work, 'like-a-digest'))
      const { isNew, version, filesRead } = await add()
      expect([isNew, version.files, filesRead]).toEqual([true, 11, 8])
      expect(await checkedOut()).toEqual(listing(work))
    }))

  it('stores nothing again of what did not change, and reads nothing', () =>
    withFiles(async ({ store, write, add }) => {
      for (let i = 0; i < 50; i++) write(`f${i}`, randomBytesOf(i, 1000))
      const first = await add()
      await new Promise((resolve) => setTimeout(resolve, 50))
      const before = await objectBytes(store)
      await add()
      const again = await add()
      expect(again).toMatchObject({ isNew: false, filesRead: 0, digest: first.digest })
      expect(await objectBytes(store)).toBe(before)
    }))

  it('stores a little of a large file that was edited', () =>
    withFiles(async ({ store, write, add, checkedOut }) => {
      const bytes = randomBytesOf(7, 6_000_000)
      write('large', bytes)
      await add()
      const before = await objectBytes(store)
      bytes.write('hello', 3_000_000)
      write('large', bytes)
      const { changed, bytesStored } = await add()
      expect(changed).toBe(1)
      expect(bytesStored).toBeLessThan(256 * 1024)
      expect((await objectBytes(store)) - before).toBeLessThan(260 * 1024)
      expect((await checkedOut()).large).toBe(bytes.toString('latin1'))
      bytes.write('HELLO', 3_000_000)
      expect((await checkedOut('set~1')).large).not.toBe(bytes.toString('latin1'))
    }))

  it('says what was added, changed and removed', () =>
    withFiles(async ({ work, write, add, checkedOut }) => {
      write('a', '1')
      write('b', '2')
      await add()
      write('a', '10')
      write('c', '3')
      rmSync(join(work, 'b'))
      expect(await add()).toMatchObject({ isNew: true, added: 1, changed: 1, removed: 1 })
      expect(await checkedOut()).toEqual({ a: '10', c: '3' })
      expect(await checkedOut('set~1')).toEqual({ a: '1', b: '2' })
    }))
})
