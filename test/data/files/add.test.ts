import { chmodSync, mkdirSync, readFileSync, rmSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it, vi } from 'vitest'
import { safetensorsHead } from '../../../src/model/checkpoint/safetensors.ts'
import { disk } from '../../../src/store/disk/disk.ts'
import { codeOf } from '../../store/fixture.ts'
import { listing, objectBytes, randomBytesOf, withFiles } from './fixture.ts'

const REFERENCE = new URL('../../reference/checkpoint/', import.meta.url)

it('sees that a file is gone which was written at the moment it was added', () =>
  withFiles(async ({ write, add, work }) => {
    write('a', 'one')
    await new Promise((resolve) => setTimeout(resolve, 60))
    write('b', 'two')
    await add()
    rmSync(join(work, 'b'))
    expect(await add()).toMatchObject({ isNew: true, removed: 1 })
  }))

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

  it('on a full disk says so, leaves nothing half seen, and goes on when there is room', () =>
    withFiles(async ({ work, write, add, checkedOut }) => {
      write('a', 'one')
      await add()
      write('b', randomBytesOf(1, 300_000))
      const full = vi
        .spyOn(disk, 'write')
        .mockRejectedValue(Object.assign(new Error('full'), { code: 'ENOSPC' }))
      expect(await codeOf(add())).toBe('MR_NO_SPACE')
      full.mockRestore()
      expect(await checkedOut()).toEqual({ a: 'one' })
      expect(await add()).toMatchObject({ isNew: true, added: 1 })
      expect(await checkedOut()).toEqual(listing(work))
    }))

  it('of several files and folders has each by its name, and leaves its own store out', () =>
    withFiles(async ({ dir, write, add, checkedOut }) => {
      write('sub/a', '1')
      write('sub/b', '2')
      write('c', '3')
      const { version } = await add({ paths: [join(dir, 'set/sub'), join(dir, 'set/c')], name: 'both' })
      expect(version.shape).toBe('paths')
      expect(await checkedOut('both')).toEqual({ 'sub/a': '1', 'sub/b': '2', c: '3' })
      const { version: all } = await add({ paths: [dir], name: 'all' })
      expect(all.files).toBe(3 + 3)
    }))

  it('cuts model files at tensors, their external data too, so that only what changed is stored', () =>
    withFiles(async ({ write, add, work }) => {
      const shapes = Array.from({ length: 20 }, (_, i) => ({
        name: `t${i}`,
        dtype: 'F32',
        shape: [25_000],
        bytes: 100_000,
      }))
      const model = (changed: number) =>
        Buffer.concat([
          safetensorsHead(shapes),
          ...shapes.map((_, i) => randomBytesOf(i === changed ? 99 : i, 100_000)),
        ])
      write('model.safetensors', model(-1))
      for (const name of ['external.onnx', 'external.bin'])
        write(name, readFileSync(new URL(name, REFERENCE)))
      await add()
      write('model.safetensors', model(7))
      const { bytesStored } = await add()
      expect(bytesStored).toBeGreaterThan(100_000)
      expect(bytesStored).toBeLessThan(106_000)
      const bytes = readFileSync(join(work, 'external.bin'))
      bytes[3] ^= 1
      write('external.bin', bytes)
      expect((await add()).changed).toBe(1)
    }))
})
