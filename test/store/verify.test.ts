import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { refs } from '../../src/core/names.ts'
import type { Digest } from '../../src/core/records.ts'
import { seededRng } from '../../src/core/rng.ts'
import { verify } from '../../src/loop/verify.ts'
import type { Store } from '../../src/store/ports.ts'
import { objectKey } from '../../src/store/remote/keys.ts'
import { openRemote } from '../../src/store/remote/open.ts'
import type { Remote } from '../../src/store/remote/ports.ts'
import { push } from '../../src/store/remote/push.ts'
import { bytesOf, eventOf, withStore } from './fixture.ts'

const actor = 'test'

async function withRemote(work: (store: Store, remote: Remote, url: string) => Promise<void>): Promise<void> {
  const dir = mkdtempSync(join(tmpdir(), 'millrace-verify-'))
  const url = join(dir, 'remote')
  try {
    await withStore(async (store) =>
      work(store, await openRemote('origin', url, { create: true, folder: dir, env: {} }), url),
    )
  } finally {
    rmSync(dir, { recursive: true, force: true })
  }
}

/** Flips one bit of a file. */
function flip(path: string, at: number): void {
  const bytes = readFileSync(path)
  bytes[at % bytes.length] ^= 1 << (at % 8)
  chmodSync(path, 0o644)
  writeFileSync(path, bytes)
}

async function versions(store: Store, n: number): Promise<Digest[]> {
  const made: Digest[] = []
  for (let i = 0; i < n; i++) {
    const parts = await store.objects.putAll([bytesOf(`part ${i} a`), bytesOf(`part ${i} b`)])
    const deep = await store.putRecord({ kind: 'Deep', parts })
    const to = await store.putRecord({
      kind: 'DatasetVersion',
      dataset: 'd',
      parts: [],
      quarantine: [],
      parents: made.slice(-1),
      deep,
      createdAt: i,
    })
    await store.meta.commit({ moves: [{ name: refs.dataset('d'), to }], event: eventOf() })
    made.push(to)
  }
  return made
}

it('finds every flipped bit and every missing object, and brings them back from a remote', () =>
  withRemote(async (store, remote) => {
    await versions(store, 3)
    await push(store, remote, { actor, now: 1 })
    expect(await verify({ store }, { actor })).toMatchObject({
      objects: 12,
      bad: [],
      left: [],
      journalBrokenAt: null,
    })
    const random = seededRng(5)
    const all: Digest[] = []
    for await (const { digest } of store.objects.list()) all.push(digest)
    for (const digest of all) {
      if (random.next() < 0.4) flip(await store.objects.path(digest), random.nextInt(1000))
      else if (random.next() < 0.3) await store.objects.remove(digest)
    }
    const states = await Promise.all(all.map((digest) => store.objects.verify(digest)))
    const nBad = states.filter((state) => state !== 'ok').length
    expect(nBad).toBeGreaterThan(4)
    expect((await verify({ store }, { actor })).left.length).toBeGreaterThan(0)
    const repaired = await verify({ store }, { actor, repair: true, remotes: [remote] })
    expect(repaired).toMatchObject({ left: [] })
    expect(repaired.repaired).toHaveLength(nBad)
    expect(await verify({ store }, { actor })).toMatchObject({ objects: 12, bad: [] })
    const [event] = await store.meta.events({ types: ['store.repaired'] })
    expect(event.data).toEqual({ repaired: nBad, left: 0, from: 'origin' })
  }))

it('names what it cannot repair, with who needs it, and takes no damaged bytes from a remote', () =>
  withRemote(async (store, remote, url) => {
    const [version] = await versions(store, 1)
    await push(store, remote, { actor, now: 1 })
    const part = await store.objects.put(bytesOf('part 0 a'))
    flip(join(url, ...objectKey(part).split('/')), 3)
    flip(await store.objects.path(part), 2)
    const report = await verify({ store }, { actor, repair: true, remotes: [remote], names: ['d@main'] })
    expect(report).toMatchObject({ repaired: [], left: [{ digest: part, state: 'corrupt' }] })
    await store.objects.remove(part)
    const { left } = await verify({ store }, { actor, names: [version] })
    expect(left).toMatchObject([{ digest: part, state: 'missing' }])
    expect(left[0].by).not.toBeNull()
  }))
