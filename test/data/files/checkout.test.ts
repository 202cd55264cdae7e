import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  unlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import type { Digest } from '../../../src/core/records.ts'
import {
  type CheckoutRequest,
  checkoutFiles,
  diffFiles,
  resolveFileSet,
  verifyFiles,
} from '../../../src/data/files/index.ts'
import { codeOf } from '../../store/fixture.ts'
import { type Bench, listing, randomBytesOf, withFiles } from './fixture.ts'

async function checkout({ store }: Bench, to: string, name = 'set', change: Partial<CheckoutRequest> = {}) {
  return await checkoutFiles(store, await resolveFileSet(store, name), { to, ...change })
}

const pause = () => new Promise((resolve) => setTimeout(resolve, 60))

describe('checking out', () => {
  it('writes only what differs, and takes away what the version before had', () =>
    withFiles(async (bench) => {
      const { write, add, work, dir } = bench
      for (const name of ['a', 'b', 'c/d']) write(name, `one ${name}`)
      await add()
      write('a', 'two')
      rmSync(join(work, 'c'), { recursive: true })
      write('c', 'now a file')
      await add()
      const to = join(dir, 'to')
      expect(await checkout(bench, to, 'set~1')).toMatchObject({ written: 3, removed: 0 })
      writeFileSync(join(to, 'mine'), 'not of the set')
      expect(await checkout(bench, to)).toMatchObject({ written: 2, removed: 1, kept: 1 })
      expect(listing(to)).toEqual({ a: 'two', b: 'one b', c: 'now a file', mine: 'not of the set' })
      expect(await checkout(bench, to, 'set~1')).toMatchObject({ written: 2, removed: 1, kept: 1 })
      expect(listing(to)).toEqual({ a: 'one a', b: 'one b', 'c/d': 'one c/d', mine: 'not of the set' })
    }))

  it('leaves a folder of which all files went, where the version has it empty', () =>
    withFiles(async (bench) => {
      bench.write('d/e/f', 'x')
      bench.write('a', 'x')
      await bench.add()
      const to = join(bench.dir, 'to')
      await checkout(bench, to)
      rmSync(join(bench.work, 'd/e/f'))
      await bench.add()
      await checkout(bench, to)
      expect(listing(to)).toEqual({ a: 'x', 'd/e': '/' })
      rmSync(join(bench.work, 'd'), { recursive: true })
      await bench.add()
      await checkout(bench, to)
      expect(listing(to)).toEqual({ a: 'x' })
    }))

  it('loses no change that no version holds, unless it is forced', () =>
    withFiles(async (bench) => {
      bench.write('a', 'one')
      await bench.add()
      const to = join(bench.dir, 'to')
      await checkout(bench, to)
      writeFileSync(join(to, 'a'), 'mine')
      expect(await codeOf(checkout(bench, to))).toBe('MR_FILES_UNSAVED')
      expect(listing(to)).toEqual({ a: 'mine' })
      await checkout(bench, to, 'set', { isForced: true })
      expect(listing(to)).toEqual({ a: 'one' })
    }))

  it('writes through no link that lies where a folder should be', () =>
    withFiles(async (bench) => {
      bench.write('f/a', 'one')
      await bench.add()
      const to = join(bench.dir, 'to')
      mkdirSync(to)
      mkdirSync(join(bench.dir, 'outside'))
      symlinkSync('../outside', join(to, 'f'))
      expect(await codeOf(checkout(bench, to))).toBe('MR_FILES_BLOCKED')
      expect(listing(join(bench.dir, 'outside'))).toEqual({})
      await checkout(bench, to, 'set', { isForced: true })
      expect(listing(to)).toEqual({ 'f/a': 'one' })
    }))

  it('by hard links gives read-only files of one inode, which no later checkout writes to', () =>
    withFiles(async (bench) => {
      bench.write('a', randomBytesOf(1, 300_000))
      bench.write('run', 'x')
      chmodSync(join(bench.work, 'run'), 0o755)
      await bench.add()
      const [one, two] = ['one', 'two'].map((name) => join(bench.dir, name))
      await checkout(bench, one, 'set', { link: 'hardlink' })
      await checkout(bench, two, 'set', { link: 'hardlink' })
      const [first, second] = [one, two].map((to) => lstatSync(join(to, 'a')))
      expect(first.ino).toBe(second.ino)
      expect(first.mode & 0o222).toBe(0)
      expect(listing(two)).toEqual(listing(bench.work))
      bench.write('a', 'other')
      await bench.add()
      await checkout(bench, one)
      expect(readFileSync(join(two, 'a')).length).toBe(300_000)
      expect(readFileSync(join(one, 'a'), 'utf8')).toBe('other')
    }))

  it('by reflinks where the file system can, else says that it cannot', () =>
    withFiles(async (bench) => {
      bench.write('a', randomBytesOf(1, 300_000))
      await bench.add()
      const to = join(bench.dir, 'to')
      const code = await codeOf(checkout(bench, to, 'set', { link: 'reflink' }))
      expect([undefined, 'MR_FILES_LINK']).toContain(code)
      expect(listing(to)).toEqual(code === undefined ? listing(bench.work) : {})
      await checkout(bench, to)
      expect(listing(to)).toEqual(listing(bench.work))
    }))

  it('makes modes and links as they were', () =>
    withFiles(async (bench) => {
      bench.write('a', 'x')
      symlinkSync('a', join(bench.work, 'l'))
      await bench.add()
      const to = join(bench.dir, 'to')
      await checkout(bench, to)
      chmodSync(join(bench.work, 'a'), 0o755)
      unlinkSync(join(bench.work, 'l'))
      symlinkSync('b', join(bench.work, 'l'))
      await bench.add()
      expect(await checkout(bench, to)).toMatchObject({ kept: 0 })
      expect(listing(to)).toEqual({ a: '*x', l: '-> b' })
    }))
})

describe('the cache of what was seen', () => {
  it('never hides a change, however soon it came and whatever times it has', () =>
    withFiles(async (bench) => {
      const { write, add, checkedOut, work } = bench
      for (let i = 0; i < 12; i++) {
        const text = String(i).padStart(8, '0')
        write('f', text)
        await add()
        expect((await checkedOut()).f).toBe(text)
      }
      await pause()
      await add()
      const { mtime } = lstatSync(join(work, 'f'))
      write('f', 'another!')
      utimesSync(join(work, 'f'), mtime, mtime)
      await add()
      expect((await checkedOut()).f).toBe('another!')
    }))

  it('and the index can be lost or damaged without harm', () =>
    withFiles(async (bench) => {
      for (let i = 0; i < 20; i++) bench.write(`f${i}`, randomBytesOf(i, 5000))
      await bench.add()
      await pause()
      await bench.add()
      rmSync(bench.store.cache, { recursive: true })
      bench.write('f0', 'changed')
      const { bytesStored, changed } = await bench.add()
      expect(changed).toBe(1)
      expect(bytesStored).toBeLessThan(8_000)
      expect(await bench.checkedOut()).toEqual(listing(bench.work))
      writeFileSync(join(bench.store.cache, 'chunks', 'bad.run'), 'nonsense')
      bench.write('f1', 'changed too')
      await bench.add()
      expect(await bench.checkedOut()).toEqual(listing(bench.work))
    }))
})

describe('what cannot be added', () => {
  it('is refused with a code', () =>
    withFiles(async ({ work, write, add, dir }) => {
      expect(await codeOf(add())).toBe('MR_FILES_NOTHING')
      expect(await codeOf(add({ paths: [join(dir, 'none')] }))).toBe('MR_FILES_ABSENT')
      expect(await codeOf(add({ paths: [work, join(dir, 'other', 'set')] }))).toBe('MR_FILES_SAME_NAME')
      write('a', 'x')
      expect(await codeOf(add({ name: 'a/b' }))).toBe('MR_NAME')
      const server = createServer().listen(join(work, 'socket'))
      await new Promise((resolve) => server.once('listening', resolve))
      expect(await codeOf(add())).toBe('MR_FILES_SPECIAL')
      write('.millraceignore', 'socket\n')
      expect(await add()).toMatchObject({ isNew: true, ignored: 1 })
      await new Promise((resolve) => server.close(resolve))
      writeFileSync(Buffer.concat([Buffer.from(`${work}/`), Buffer.from([0x66, 0xff])]), 'x')
      expect(await codeOf(add())).toBe('MR_FILES_NAME_BYTES')
    }))

  it.skipIf(process.getuid?.() === 0)('says so of a file it may not read (skipped for root, who may)', () =>
    withFiles(async ({ work, write, add }) => {
      write('secret', 'x')
      chmodSync(join(work, 'secret'), 0)
      expect(await codeOf(add())).toBe('MR_NO_PERMISSION')
    }),
  )

  it('while it changes all the time', () =>
    withFiles(async ({ work, write, add }) => {
      write('busy', randomBytesOf(1, 12_000_000))
      let n = 0
      const writing = setInterval(() => writeFileSync(join(work, 'busy'), String(n++), { flag: 'a' }), 0)
      const code = await codeOf(add())
      clearInterval(writing)
      expect(code).toBe('MR_FILES_CHANGING')
      expect(await add()).toMatchObject({ isNew: true })
    }))

  it('can be stopped, and what was stored is found again', () =>
    withFiles(async ({ write, add, checkedOut, work }) => {
      for (let i = 0; i < 4; i++) write(`f${i}`, randomBytesOf(i, 12_000_000))
      const stop = new AbortController()
      const stopped = add({ signal: stop.signal, onProgress: (done) => done > 0.7 && stop.abort() })
      await expect(stopped).rejects.toThrow(/abort/i)
      const { bytesStored, version } = await add()
      expect(version.bytes).toBe(48_000_000)
      expect(bytesStored).toBeLessThan(48_000_000)
      expect(await checkedOut()).toEqual(listing(work))
    }))
})

describe('two writers at once', () => {
  it('lose nothing: one is told to come again', () =>
    withFiles(async ({ write, add, dir, store }) => {
      write('a', 'one')
      await add()
      mkdirSync(join(dir, 'elsewhere'))
      writeFileSync(join(dir, 'elsewhere/b'), 'two')
      write('a', 'three')
      const both = await Promise.all([
        codeOf(add({ name: 'set' })),
        codeOf(add({ name: 'set', paths: [join(dir, 'elsewhere')] })),
      ])
      const lost = both.filter((code) => code === 'MR_FILES_MOVED').length
      let n = 0
      for (let at = (await resolveFileSet(store, 'set')).version; ; n++) {
        if (at.parents.length === 0) break
        at = (await resolveFileSet(store, `set~${n + 1}`)).version
      }
      expect(n + lost).toBe(2)
    }))
})

describe('differences and damage', () => {
  it('name what was added, removed, changed and moved', () =>
    withFiles(async ({ work, write, add, store }) => {
      for (let i = 0; i < 2000; i++) write(`d${i % 7}/f${i}`, `file ${i}`)
      await add()
      write('d0/f0', 'changed')
      rmSync(join(work, 'd1/f1'))
      write('d2/new', 'new')
      rmSync(join(work, 'd3/f3'))
      write('moved/f3', 'file 3')
      await add()
      const found = await diffFiles(
        store,
        await resolveFileSet(store, 'set~1'),
        await resolveFileSet(store, 'set'),
      )
      expect(found.added.map(({ path }) => path)).toEqual(['d2/new'])
      expect(found.removed.map(({ path }) => path)).toEqual(['d1/f1'])
      expect(found.changed.map(({ after }) => after.path)).toEqual(['d0/f0'])
      expect(found.moved.map(({ before, after }) => [before.path, after.path])).toEqual([
        ['d3/f3', 'moved/f3'],
      ])
      expect(found.same).toBe(1997)
    }))

  it('of a flipped bit are found, never handed out, and healed by adding again', () =>
    withFiles(async (bench) => {
      const { store, write, add } = bench
      for (let i = 0; i < 5; i++) write(`f${i}`, randomBytesOf(i, 100_000))
      await add()
      const path = await store.objects.path(await packOf(bench))
      const bytes = readFileSync(path)
      bytes[150_000] ^= 1
      chmodSync(path, 0o644)
      writeFileSync(path, bytes)
      const { bad } = await verifyFiles(store, await resolveFileSet(store, 'set'))
      expect(bad.map(({ state }) => state)).toEqual(['corrupt'])
      const [{ path: damaged }] = bad
      const to = join(bench.dir, 'to')
      expect(await codeOf(checkout(bench, to))).toBe('MR_FILES_DAMAGED')
      expect(existsSync(join(to, damaged))).toBe(false)
      await add()
      expect((await verifyFiles(store, await resolveFileSet(store, 'set'))).bad).toEqual([])
      expect(await bench.checkedOut()).toEqual(listing(bench.work))
    }))
})

async function packOf({ store }: Bench): Promise<Digest> {
  const sizes = []
  for await (const object of store.objects.list()) sizes.push(object)
  return sizes.toSorted((a, b) => b.bytes - a.bytes)[0].digest
}
