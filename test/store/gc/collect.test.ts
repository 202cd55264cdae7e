import { utimesSync } from 'node:fs'
import { utimes } from 'node:fs/promises'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { refs } from '../../../src/core/names.ts'
import type { Digest } from '../../../src/core/records.ts'
import { collectGarbage, type GcOptions, planGc } from '../../../src/store/gc/collect.ts'
import type { Store } from '../../../src/store/ports.ts'
import { all, bytesOf, codeOf, eventOf, withStore } from '../fixture.ts'

const DAY = 24 * 3_600_000

/** All objects as if they had been put two days ago. */
async function age(store: Store): Promise<void> {
  const then = new Date(Date.now() - 2 * DAY)
  for await (const { digest } of store.objects.list())
    utimesSync(await store.objects.path(digest), then, then)
}

async function collect(store: Store, options: Partial<GcOptions> = {}) {
  return await collectGarbage(store, {
    now: Date.now(),
    actor: 'test',
    reason: 'a test collects',
    ...options,
  })
}

const digestsOf = async (store: Store): Promise<Set<Digest>> =>
  new Set((await all(store.objects.list())).map(({ digest }) => digest))

interface Chain {
  versions: Digest[]
  parts: Digest[]
  specs: Digest[]
}

/** A dataset of `n` versions, each with a part of its own, made by a run from a source. */
async function chain(store: Store, name: string, n: number): Promise<Chain> {
  const made: Chain = { versions: [], parts: [], specs: [] }
  for (let i = 0; i < n; i++) {
    const [source, part] = await store.objects.putAll([
      bytesOf(`${name} source ${i}`),
      bytesOf(`${name} part ${i}`),
    ])
    const parent = made.versions.at(-1)
    const spec = await store.putRecord({
      kind: 'RunSpec',
      task: 'data.import',
      inputs: { source, ...(parent && { base: parent }) },
    })
    const done = await store.putRecord({ kind: 'DatasetImport', dataset: name, parts: [{ digest: part }] })
    const run = await store.putRecord({ kind: 'RunRecord', spec, outputs: { import: done } })
    const version = await store.putRecord({
      kind: 'DatasetVersion',
      dataset: name,
      parents: parent ? [parent] : [],
      parts: [{ digest: part }],
      createdAt: i * DAY,
    })
    await store.meta.commit({
      moves: [{ name: refs.run(spec), to: run }],
      event: eventOf({ type: 'run.ended' }),
    })
    await store.meta.commit({
      moves: [{ name: refs.dataset(name), from: parent ?? null, to: version }],
      event: eventOf({ type: 'data.imported', data: { version, run: spec } }),
    })
    made.versions.push(version)
    made.parts.push(part)
    made.specs.push(spec)
  }
  return made
}

describe('what is collected', () => {
  it('is what no ref, event or job reaches, over records of any kind', () =>
    withStore(async (store) => {
      const leaf = await store.objects.put(bytesOf('leaf'))
      const middle = await store.putRecord({ kind: 'Anything', deep: [{ er: { [leaf]: 1 } }] })
      const top = await store.putRecord({ kind: 'Other', middle })
      const event = await store.objects.put(bytesOf('named by an event'))
      const input = await store.objects.put(bytesOf('input of a job'))
      const job = await store.putRecord({ kind: 'RunSpec', inputs: { input } })
      const stray = await store.putRecord({ kind: 'Stray', of: await store.objects.put(bytesOf('stray')) })
      await store.meta.commit({
        moves: [{ name: 'any/thing', to: top }],
        event: eventOf({ data: { event } }),
      })
      await store.meta.jobs.enqueue([{ id: job, task: 't' }], 1)
      await age(store)
      const young = await store.objects.put(bytesOf('young'))
      const plan = await planGc(store, { now: Date.now() })
      expect(plan.sweep).toHaveLength(2)
      expect(plan.young).toEqual({ objects: 1, bytes: 5 })
      expect(await collect(store)).toMatchObject({
        removed: { objects: 2, bytes: plan.bytes },
        savedMeanwhile: 0,
      })
      expect(await digestsOf(store)).toEqual(new Set([leaf, middle, top, event, input, job, young]))
      expect(await store.objects.has(stray)).toBe(false)
      const [last] = await store.meta.events({ newest: true, limit: 1 })
      expect(last).toMatchObject({ type: 'store.collected', data: { removed: { objects: 2 } } })
    }))

  it('keeps an object that was put again, however old it is', () =>
    withStore(async (store) => {
      const digest = await store.objects.put(bytesOf('old'))
      await age(store)
      await store.objects.put(bytesOf('old'))
      await collect(store)
      expect(await store.objects.verify(digest)).toBe('ok')
    }))

  it('looks into no object that is no record, and follows no hash that is no object', () =>
    withStore(async (store) => {
      const only = await store.objects.put(bytesOf('only rows of a user name it'))
      const rows = await store.objects.put(bytesOf(`{"kind":"x","a":"${only}"}\n{"kind":"y"}\n`))
      await store.meta.commit({ moves: [{ name: 'files/rows@main', to: rows }], event: eventOf() })
      await age(store)
      await collect(store)
      expect(await digestsOf(store)).toEqual(new Set([rows]))
    }))

  it('is nothing where a record is damaged, since what it needs is not known', () =>
    withStore(async (store) => {
      const { versions, parts } = await chain(store, 'd', 2)
      const path = await store.objects.path(versions[1])
      const { chmodSync, readFileSync, writeFileSync } = await import('node:fs')
      chmodSync(path, 0o644)
      writeFileSync(path, readFileSync(path, 'utf8').replace('DatasetVersion', 'DatasetVersioN'))
      await age(store)
      expect(await codeOf(collect(store))).toBe('MR_GC_DAMAGED')
      expect(await store.objects.has(parts[0])).toBe(true)
    }))
})

describe('history', () => {
  it('is kept whole unless it is asked to be cut', () =>
    withStore(async (store) => {
      await chain(store, 'd', 4)
      await age(store)
      const before = await digestsOf(store)
      expect((await collect(store)).removed.objects).toBe(0)
      expect(await digestsOf(store)).toEqual(before)
    }))

  it('is cut behind the newest versions, with the runs and parts that only old ones need, and the journal says so', () =>
    withStore(async (store) => {
      const { versions, parts, specs } = await chain(store, 'd', 5)
      const other = await chain(store, 'e', 3)
      await age(store)
      const outcome = await collect(store, { keepVersions: 2, only: ['d'] })
      expect(new Set(outcome.cut)).toEqual(new Set(versions.slice(0, 3)))
      for (const [i, digest] of versions.entries()) expect(await store.objects.has(digest)).toBe(i >= 3)
      for (const [i, digest] of parts.entries()) expect(await store.objects.has(digest)).toBe(i >= 3)
      for (const [i, spec] of specs.entries())
        expect((await store.meta.ref(refs.run(spec))) !== undefined).toBe(i >= 3)
      for (const digest of other.versions) expect(await store.objects.has(digest)).toBe(true)
      const [event] = await store.meta.events({ types: ['history.cut'] })
      expect(event.data).toMatchObject({ gone: versions.slice(0, 3), runs: 3 })
      await age(store)
      expect((await collect(store)).removed.objects).toBe(0)
      expect(await store.meta.verifyJournal()).toBeUndefined()
    }))

  it('is kept where a tag, a legal hold, a model with a name or another branch needs it', () =>
    withStore(async (store) => {
      const { versions } = await chain(store, 'd', 6)
      const run = await store.putRecord({ kind: 'RunSpec', inputs: { dataset: versions[2] } })
      const model = await store.putRecord({ kind: 'ModelVersion', run, parents: [] })
      const moves = [
        { name: 'tags/d@first', to: versions[0] },
        { name: refs.hold('d', versions[1]), to: versions[1] },
        { name: refs.latest('m'), to: model },
        { name: refs.dataset('d', 'side'), to: versions[3] },
      ]
      await store.meta.commit({ moves, event: eventOf() })
      await age(store)
      const outcome = await collect(store, { keepVersions: 1 })
      expect(outcome.cut).toEqual([versions[4]])
    }))

  it('is cut by age as well, and only where both policies let it go', () =>
    withStore(async (store) => {
      const { versions } = await chain(store, 'd', 6)
      await age(store)
      const plan = await planGc(store, { now: Date.now(), keepVersions: 2, olderThan: 2 * DAY })
      expect(plan.cut.versions.map(({ digest }) => digest)).toEqual(versions.slice(0, 2))
      const byAge = await planGc(store, { now: Date.now(), olderThan: 5 * DAY })
      expect(byAge.cut.versions.map(({ digest }) => digest)).toEqual(versions.slice(0, 5))
    }))
})

describe('a collection beside writers', () => {
  it('brings back what a ref that moved meanwhile needs', () =>
    withStore(async (store) => {
      const leaf = await store.objects.put(bytesOf('leaf'))
      const record = await store.putRecord({ kind: 'Version', leaf })
      const stray = await store.objects.put(bytesOf('stray'))
      await age(store)
      let moved = false
      const outcome = await collect(store, {
        onProgress: (done) => {
          if (done < 0.3 || moved) return
          moved = true
          void store.meta.commit({ moves: [{ name: 'late/ref', to: record }], event: eventOf() })
        },
      })
      expect(outcome).toMatchObject({ removed: { objects: 1 } })
      expect(await store.objects.verify(leaf)).toBe('ok')
      expect(await store.objects.verify(record)).toBe('ok')
      expect(await store.objects.has(stray)).toBe(false)
    }))

  it('loses nothing that writers put and name while one collection follows another', () =>
    withStore(async (store) => {
      let writing = true
      const heads = new Map<string, Digest>()
      const old = new Date(1)
      const writer = async (name: string) => {
        const mine = new Set<Digest>()
        for (let i = 0; i < 25; i++) {
          // All that this writer put before is old, and most of it is garbage by now; the same few leaves are put again and again.
          for (const digest of mine)
            if (await store.objects.has(digest))
              await utimes(await store.objects.path(digest), old, old).catch(() => {})
          const leaf = await store.objects.put(bytesOf(`leaf ${name} ${i % 3}`))
          const to = await store.putRecord({ kind: 'Version', name, i: i % 5, leaf })
          await store.meta.commit({ moves: [{ name: `w/${name}`, to }], event: eventOf() })
          heads.set(name, to)
          mine.add(leaf).add(to)
        }
      }
      const collector = async () => {
        while (writing) await collect(store, { now: Date.now(), graceMs: 30_000 })
      }
      const collecting = collector()
      await Promise.all(['a', 'b'].map(writer))
      writing = false
      await collecting
      for (const [name, head] of heads) {
        expect((await store.meta.ref(`w/${name}`))?.digest).toBe(head)
        const { leaf } = await store.getRecord<{ kind: string; leaf: Digest }>(head, 'Version')
        expect(await store.objects.verify(leaf)).toBe('ok')
        expect(await store.objects.verify(head)).toBe('ok')
      }
    }))
})

it('keeps exactly what a plain search over a random graph reaches', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.array(fc.nat(30), { maxLength: 3 }), { minLength: 1, maxLength: 15 }),
      fc.array(fc.nat(29), { maxLength: 4 }),
      (links, rooted) =>
        withStore(async (store) => {
          const nodes: Digest[] = []
          for (const [i, to] of links.entries())
            nodes.push(
              await store.putRecord({ kind: 'Node', i, to: to.filter((j) => j < i).map((j) => nodes[j]) }),
            )
          const roots = [...new Set(rooted)].filter((i) => i < nodes.length)
          const moves = roots.map((i) => ({ name: `roots/${i}`, to: nodes[i] }))
          await store.meta.commit({ moves, event: eventOf() })
          const wanted = new Set<number>()
          const visit = (i: number) => {
            if (wanted.has(i)) return
            wanted.add(i)
            for (const j of links[i]) if (j < i) visit(j)
          }
          roots.forEach(visit)
          await collect(store, { graceMs: -60_000 })
          expect(await digestsOf(store)).toEqual(new Set([...wanted].map((i) => nodes[i])))
        }),
    ),
    { numRuns: 6 },
  )
})
