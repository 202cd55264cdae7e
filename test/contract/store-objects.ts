import { createHash, randomBytes } from 'node:crypto'
import { existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Store } from '../../src/store/ports.ts'
import { all, bytesOf, codeOf, digestNo } from '../store/fixture.ts'

type With = (work: (store: Store, dir: string) => Promise<void>) => Promise<void>

/** Laws of `Objects`, for every adapter. */
export function objectsContract(name: string, withStore: With): void {
  describe(`objects on ${name}`, () => {
    it('names bytes by the digest of FIPS 180-4 test vectors', () =>
      withStore(async ({ objects }) => {
        expect(await objects.put(bytesOf('abc'))).toBe(
          'sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad',
        )
        expect(await objects.put(new Uint8Array())).toBe(
          'sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855',
        )
      }))

    it('gives back what was put, whatever the bytes and however they came', () =>
      withStore(async ({ objects, scratch }) => {
        await fc.assert(
          fc.asyncProperty(
            fc.array(fc.uint8Array({ maxLength: 300 }), { minLength: 1, maxLength: 5 }),
            async (items) => {
              const digests = await objects.putAll(items)
              for (const [i, digest] of digests.entries()) {
                expect(Buffer.from(await objects.get(digest)).equals(items[i])).toBe(true)
                expect(digest).toBe(`sha256:${createHash('sha256').update(items[i]).digest('hex')}`)
              }
            },
          ),
          { numRuns: 25 },
        )
        const pieces = [bytesOf('a'), new Uint8Array(0), bytesOf('bc')]
        expect(await objects.putPieces(pieces)).toBe(await objects.put(bytesOf('abc')))
        const large = [randomBytes(9_000_000), randomBytes(7)]
        const digest = await objects.putPieces(large)
        expect(Buffer.from(await objects.get(digest)).equals(Buffer.concat(large))).toBe(true)
        expect(await objects.putPieces(large)).toBe(digest)
        const path = join(scratch, 'finished')
        writeFileSync(path, 'abc')
        expect(await objects.putFile(path)).toEqual({ digest: await objects.put(bytesOf('abc')), bytes: 3 })
      }))

    it('keeps a digest for its bytes when the caller changes the buffer while it is being written', () =>
      withStore(async ({ objects }) => {
        const buffer = randomBytes(2_000_000)
        const before = Buffer.from(buffer)
        const putting = objects.put(buffer)
        buffer.fill(0)
        expect(Buffer.from(await objects.get(await putting)).equals(before)).toBe(true)
      }))

    it('takes the same bytes from many writers at once as one object', () =>
      withStore(async ({ objects }) => {
        const digests = await Promise.all(Array.from({ length: 40 }, () => objects.put(bytesOf('the same'))))
        expect(new Set(digests).size).toBe(1)
        expect(await all(objects.list())).toMatchObject([{ digest: digests[0], bytes: 8 }])
      }))

    it('takes over a file and leaves nothing at its old place, also on a duplicate', () =>
      withStore(async ({ objects, scratch }) => {
        for (const path of [join(scratch, 'a'), join(scratch, 'b')]) {
          writeFileSync(path, 'same content')
          const { digest } = await objects.putFile(path)
          expect(existsSync(path)).toBe(false)
          expect(await objects.verify(digest)).toBe('ok')
        }
      }))

    it('says that an object is missing, by code where it is needed and by value where it is asked', () =>
      withStore(async ({ objects }) => {
        const absent = digestNo(7)
        expect(await codeOf(objects.get(absent))).toBe('MR_OBJECT_MISSING')
        expect(await codeOf(objects.path(absent))).toBe('MR_OBJECT_MISSING')
        expect(await objects.has(absent)).toBe(false)
        expect(await objects.verify(absent)).toBe('missing')
        await objects.remove(absent)
      }))

    it('removes an object and can have it back', () =>
      withStore(async ({ objects }) => {
        const digest = await objects.put(bytesOf('comes and goes'))
        await objects.remove(digest)
        expect(await objects.has(digest)).toBe(false)
        expect(await objects.put(bytesOf('comes and goes'))).toBe(digest)
        expect(await objects.has(digest)).toBe(true)
      }))

    it('lists every object once with its size', () =>
      withStore(async ({ objects }) => {
        const items = Array.from({ length: 30 }, (_, i) => bytesOf('x'.repeat(i)))
        const digests = await objects.putAll([...items, ...items])
        const listed = new Map((await all(objects.list())).map(({ digest, bytes }) => [digest, bytes]))
        expect(listed).toEqual(new Map(digests.slice(0, 30).map((digest, i) => [digest, i])))
      }))

    it('sets aside what was not put lately, and brings it back to whoever asks', () =>
      withStore(async ({ objects }) => {
        const [old, asked, again] = await objects.putAll(['old', 'asked for', 'put again'].map(bytesOf))
        const later = Date.now() + 60_000
        const sweep = await objects.sweep()
        expect(await codeOf(objects.sweep())).toBe('MR_GC_RUNNING')
        expect(await sweep.setAside(old, Date.now() - 60_000)).toBe(false)
        for (const digest of [old, asked, again]) expect(await sweep.setAside(digest, later)).toBe(true)
        expect(await sweep.setAside(digestNo(3), later)).toBe(false)
        expect(await all(objects.list())).toEqual([])
        expect(Buffer.from(await objects.get(asked)).toString()).toBe('asked for')
        expect(await objects.put(bytesOf('put again'))).toBe(again)
        await sweep.finish()
        expect(await objects.verify(old)).toBe('missing')
        expect(await objects.verify(asked)).toBe('ok')
        expect(await objects.verify(again)).toBe('ok')
      }))

    it('puts all back when a sweep is abandoned', () =>
      withStore(async ({ objects }) => {
        const digest = await objects.put(bytesOf('stays'))
        const sweep = await objects.sweep()
        await sweep.setAside(digest, Date.now() + 60_000)
        await sweep.abandon()
        expect((await all(objects.list())).map((each) => each.digest)).toEqual([digest])
        await (await objects.sweep()).finish()
        expect(await objects.verify(digest)).toBe('ok')
      }))
  })
}
