import { hash } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { cutAt } from '../../../src/data/files/gear.ts'
import { Packs, readTree, resolveFileSet, StoredFile } from '../../../src/data/files/index.ts'
import { cutList } from '../../../src/data/files/lists.ts'
import { decodeFooter, FOOTER_BYTES, PACK_MAGIC, PackTable } from '../../../src/data/files/pack-format.ts'
import type { Store } from '../../../src/store/ports.ts'
import { listing, randomBytesOf, withFiles } from './fixture.ts'

/** Sizes of chunks: any that are in order, the average a power of two. */
const rules = fc
  .tuple(fc.integer({ min: 1, max: 200 }), fc.integer({ min: 6, max: 10 }), fc.integer({ min: 0, max: 2000 }))
  .map(([bytesMin, bits, more]) => ({
    bytesMin: Math.min(bytesMin, 2 ** bits),
    bytesAverage: 2 ** bits,
    bytesMax: 2 ** bits + more,
  }))

/** Bytes with stretches that come again, some random and some not. */
const contents = fc
  .array(fc.tuple(fc.integer({ min: 0, max: 5 }), fc.integer({ min: 0, max: 3000 })), { maxLength: 6 })
  .map((parts) =>
    Buffer.concat(parts.map(([seed, n]) => (seed === 0 ? Buffer.alloc(n) : randomBytesOf(seed, n)))),
  )

const names = fc.array(fc.constantFrom('a', 'b', 'ü', 'x y', '…', 'sha256:0'), { minLength: 1, maxLength: 3 })

describe('chunks', () => {
  it('are the bytes, in order, and of the sizes that were asked for', () =>
    fc.assert(
      fc.property(contents, rules, (bytes, rule) => {
        const sizes: number[] = []
        for (let at = 0; at < bytes.length; at += sizes.at(-1)!)
          sizes.push(cutAt(bytes, at, bytes.length, rule) - at)
        expect(sizes.reduce((sum, n) => sum + n, 0)).toBe(bytes.length)
        for (const size of sizes) expect(size).toBeLessThanOrEqual(rule.bytesMax)
        for (const size of sizes.slice(0, -1))
          expect(size).toBeGreaterThanOrEqual(Math.min(rule.bytesMin, rule.bytesMax))
      }),
    ))

  it('beyond an edit are those that were there', () => {
    const rule = { bytesMin: 2048, bytesAverage: 4096, bytesMax: 8192 }
    const chunks = (bytes: Buffer) => {
      const found = new Set<string>()
      for (let at = 0, to = 0; at < bytes.length; at = to) {
        to = cutAt(bytes, at, bytes.length, rule)
        found.add(hash('sha256', bytes.subarray(at, to)))
      }
      return found
    }
    const fresh: number[] = []
    for (let seed = 0; seed < 40; seed++) {
      const bytes = randomBytesOf(seed, 400_000)
      const at = 1000 + seed * 9000
      const edited = Buffer.concat([bytes.subarray(0, at), Buffer.from('inserted'), bytes.subarray(at)])
      const before = chunks(bytes)
      fresh.push([...chunks(edited)].filter((digest) => !before.has(digest)).length)
    }
    // An insertion makes one chunk new, and sometimes those until the cuts fall together again.
    expect(fresh.reduce((sum, n) => sum + n, 0) / fresh.length).toBeLessThan(3)
    expect(Math.max(...fresh)).toBeLessThan(12)
  })

  it('have the size on average that is meant, a little more for the skipped beginning', () => {
    const rule = { bytesMin: 2048, bytesAverage: 4096, bytesMax: 8192 }
    const bytes = randomBytesOf(99, 4_000_000)
    let n = 0
    for (let at = 0; at < bytes.length; at = cutAt(bytes, at, bytes.length, rule)) n++
    expect(bytes.length / n).toBeGreaterThan(4096)
    expect(bytes.length / n).toBeLessThan(4096 * 1.35)
  })
})

describe('lists', () => {
  it('that differ in one item differ in few groups', () =>
    fc.assert(
      fc.property(fc.array(fc.nat(1e6), { minLength: 1, maxLength: 3000 }), fc.nat(), (list, place) => {
        const limits = { items: 16, itemsMax: 64 }
        const groups = (items: readonly number[]) =>
          cutList(items, (x) => (Math.imul(x + 1, 0x9e3779b1) >>> 8) as number, limits)
        const before = groups(list)
        expect(before.flat()).toEqual(list)
        const with1 = [...list]
        with1.splice(place % list.length, 0, 77)
        const known = new Set(before.map((group) => group.join()))
        expect(groups(with1).filter((group) => !known.has(group.join())).length).toBeLessThanOrEqual(12)
      }),
      { numRuns: 50 },
    ))
})

describe('sets of files', () => {
  it('give back what was added, whatever it is and however it is cut; the same bytes are stored once, and under their digest', () =>
    withFiles(async (bench) => {
      const { write, add, checkedOut, work } = bench
      await fc.assert(
        fc.asyncProperty(
          fc.array(fc.tuple(names, contents), { minLength: 1, maxLength: 5 }),
          rules,
          async (files, rule) => {
            for (const [path, bytes] of files)
              try {
                write(path.join('/'), bytes)
              } catch {
                // A folder is there already, or a file is where a folder would be.
              }
            await add({ rule })
            expect(await checkedOut()).toEqual(listing(work))
          },
        ),
        { numRuns: Number(process.env.MILLRACE_LAWS ?? 8) },
      )
      await expectNoChunkTwice(bench.store)
    }))

  it('read any stretch of a file as it is', () =>
    withFiles(async ({ store, write, add }) => {
      const bytes = randomBytesOf(3, 200_000)
      write('f', bytes)
      await add({ rule: { bytesMin: 500, bytesAverage: 1024, bytesMax: 4000 } })
      const packs = new Packs(store)
      const { version } = await resolveFileSet(store, 'set')
      const [entry] = await readTree(store, version.tree)
      const file = await StoredFile.open(store, packs, entry)
      await fc.assert(
        fc.asyncProperty(fc.nat(210_000), fc.nat(50_000), async (at, n) => {
          expect((await file.read(at, n)).equals(bytes.subarray(at, at + n))).toBe(true)
        }),
        { numRuns: 50 },
      )
      packs.close()
    }))
})

/** Looks into every pack: each chunk has the digest it is named by, and is in one pack alone. */
async function expectNoChunkTwice(store: Store): Promise<void> {
  const seen = new Set<string>()
  const packs = new Packs(store)
  for await (const { digest } of store.objects.list()) {
    const bytes = Buffer.from(await store.objects.get(digest))
    if (!bytes.subarray(0, PACK_MAGIC.length).equals(PACK_MAGIC)) continue
    const footer = decodeFooter(bytes.subarray(-FOOTER_BYTES), bytes.length)!
    const table = PackTable.open(
      footer,
      bytes.subarray(footer.tablesAt, footer.tablesAt + footer.tablesBytes),
    )!
    for (let i = 0; i < table.nChunks; i++) {
      const chunk = table.digest(i).toString('hex')
      expect(seen.has(chunk)).toBe(false)
      seen.add(chunk)
      expect(hash('sha256', await packs.read(digest, chunk))).toBe(chunk)
    }
  }
  packs.close()
  expect(seen.size).toBeGreaterThan(10)
}
