/** What a lock pins is brought to where commands read it, from a remote where it is not here. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import type { Digest } from '../../src/core/records.ts'
import { addFiles } from '../../src/data/files/index.ts'
import type { ProjectDef } from '../../src/define/types.ts'
import { checkoutLock } from '../../src/loop/lock-checkout.ts'
import { lockedVersion, lockVersions } from '../../src/loop/lock-file.ts'
import { openStore } from '../../src/store/open.ts'
import { openRemote } from '../../src/store/remote/open.ts'
import { push } from '../../src/store/remote/push.ts'
import { openPlace, type Place } from '../data/fixture.ts'
import { codeOf } from '../store/fixture.ts'

const projectNamed = (name: string) => ({ name }) as ProjectDef
const asked = { actor: 'test' }

async function addPhotos({ store, dir, folder }: Place, text: string): Promise<void> {
  mkdirSync(join(folder, 'photos'), { recursive: true })
  writeFileSync(join(folder, 'photos', 'a.txt'), text)
  await addFiles(store, {
    ...{ paths: [join(folder, 'photos')], name: 'photos', actor: 'test', storeDir: join(dir, 'store') },
  })
}

/** A project with a table and a set of files, each of two versions, and a lock of the first ones. */
async function locked() {
  const place = await openPlace()
  const rt = { store: place.store, folder: place.folder, project: projectNamed('shop') }
  const deliver = (name: string, rows: string) => {
    place.file(name, `v\n${rows}\n`)
    return place.import({}, { files: [name] })
  }
  await deliver('a.csv', '1')
  await addPhotos(place, 'first')
  const { lock } = await lockVersions(rt, {})
  const second = async () => {
    await deliver('b.csv', '2')
    await addPhotos(place, 'second')
  }
  return { place, rt, lock, second }
}

const heads = async ({ store }: Place): Promise<(Digest | undefined)[]> => [
  (await store.meta.ref('datasets/d@main'))?.digest,
  (await store.meta.ref('files/photos@main'))?.digest,
]

test('a lock brings files back to what they were, and branches only when that is forced', async () => {
  const { place, rt, lock, second } = await locked()
  const pins = [lock.get('datasets/d@main'), lock.get('files/photos@main')]
  expect((await checkoutLock(rt, asked)).refs.map(({ state }) => state)).toEqual(['same', 'same'])
  await second()
  const newest = await heads(place)
  const dry = await checkoutLock(rt, { ...asked, isDryRun: true })
  expect(dry.refs.map(({ state, moves }) => [state, moves])).toEqual([
    ['ahead', false],
    ['ahead', false],
  ])
  const photo = join(place.folder, 'photos', 'a.txt')
  expect(readFileSync(photo, 'utf8')).toBe('second')
  await checkoutLock(rt, asked)
  expect(readFileSync(photo, 'utf8')).toBe('first')
  expect(await heads(place)).toEqual(newest)
  expect(await lockedVersion(rt, 'd')).toBe(pins[0])
  writeFileSync(photo, 'of no version')
  expect(await codeOf(checkoutLock(rt, asked))).toBe('MR_FILES_UNSAVED')
  await checkoutLock(rt, { ...asked, isForced: true })
  expect(readFileSync(photo, 'utf8')).toBe('first')
  expect(await heads(place)).toEqual(pins)
  const [event] = await place.store.meta.events({ types: ['data.checked-out'] })
  expect((event!.data as { refs: { from: Digest }[] }).refs.map(({ from }) => from)).toEqual(newest)
  // What was ahead is behind now: a lock of it moves forward by itself.
  await lockVersions(rt, {})
  writeFileSync(
    join(place.folder, 'millrace.lock'),
    readFileSync(join(place.folder, 'millrace.lock'), 'utf8')
      .replace(pins[0]!, newest[0]!)
      .replace(pins[1]!, newest[1]!),
  )
  expect((await checkoutLock(rt, asked)).refs.map(({ state }) => state)).toEqual(['forward', 'forward'])
  expect([await heads(place), readFileSync(photo, 'utf8')]).toEqual([newest, 'second'])
})

test('versions that are not here come from the remote, and main stands where the lock has it', async () => {
  const { place, rt, lock, second } = await locked()
  const dir = mkdtempSync(join(tmpdir(), 'millrace-lock-'))
  await second()
  const remoteAt = (create: boolean) =>
    openRemote('origin', join(dir, 'remote'), { folder: dir, create, env: {} })
  const remote = await remoteAt(true)
  await push(place.store, remote, { actor: 'test', now: 1 })
  await remote.close()
  const store = await openStore(join(dir, 'store'), { clock: { now: () => 1 } })
  const folder = join(dir, 'clone')
  mkdirSync(folder)
  writeFileSync(join(folder, 'millrace.lock'), readFileSync(join(rt.folder, 'millrace.lock')))
  const clone = { store, folder, project: projectNamed('shop') }
  const absent = checkoutLock(clone, { ...asked, openRemote: async () => undefined })
  expect(await codeOf(absent)).toBe('MR_LOCK_ABSENT')
  const done = await checkoutLock(clone, { ...asked, openRemote: () => remoteAt(false) })
  expect(done.received).toBeGreaterThan(4)
  expect(done.refs.map(({ name, state }) => [name, state])).toEqual([
    ['datasets/d@main', 'new'],
    ['files/photos@main', 'new'],
  ])
  expect((await store.meta.ref('datasets/d@main'))?.digest).toBe(lock.get('datasets/d@main'))
  expect(readFileSync(join(folder, 'photos', 'a.txt'), 'utf8')).toBe('first')
  await store.close()
  rmSync(dir, { recursive: true, force: true })
})

test('no lock, a lock of another project, one with marks of a conflict and one whose digests were mixed up are refused', async () => {
  const { place, rt, lock } = await locked()
  const path = join(place.folder, 'millrace.lock')
  const text = readFileSync(path, 'utf8')
  expect(text).toContain('project shop\n')
  const codeFor = async (
    content: string,
    of: { project: ProjectDef; store: typeof rt.store; folder: string } = rt,
  ) => {
    writeFileSync(path, content)
    return await codeOf(checkoutLock(of, asked))
  }
  expect(await codeFor(text, { ...rt, project: projectNamed('mill') })).toBe('MR_LOCK_PROJECT')
  expect(await codeOf(lockedVersion({ ...rt, project: projectNamed('mill') }, 'd'))).toBe('MR_LOCK_PROJECT')
  expect(await codeFor(`<<<<<<< HEAD\n${text}`)).toBe('MR_LOCK_SYNTAX')
  expect(await codeFor(text.slice(0, -20))).toBe('MR_LOCK_SYNTAX')
  const [table, files] = [lock.get('datasets/d@main')!, lock.get('files/photos@main')!]
  expect(await codeFor(text.replace(table, files))).toBe('MR_LOCK_KIND')
  expect(await codeFor(text.replace('datasets/d@main', 'datasets/e@main'))).toBe('MR_LOCK_KIND')
  expect(await codeFor(text.replace(table, `sha256:${'0'.repeat(64)}`))).toBe('MR_LOCK_ABSENT')
  rmSync(path)
  expect(await codeOf(checkoutLock(rt, asked))).toBe('MR_LOCK_NONE')
})
