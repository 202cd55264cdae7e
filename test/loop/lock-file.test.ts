import { execFileSync, spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { type Lock, lockedVersion, lockText, lockVersions, parseLock } from '../../src/loop/lock-file.ts'
import { codeOf, digestNo, eventOf, withStore } from '../store/fixture.ts'

const codeIn = (text: string) => codeOf(Promise.resolve().then(() => parseLock(text)))

test('a lock is read as it was written, and refused where a line is wrong', async () => {
  const lock: Lock = new Map([
    ['files/photos@main', digestNo(2)],
    ['datasets/ä b@main', digestNo(1)],
  ])
  expect([...parseLock(lockText(lock))]).toEqual([...lock].toSorted())
  expect([...parseLock(lockText(new Map()).replaceAll('\n', '\r\n'))]).toEqual([])
  for (const text of [
    'datasets/a@main\n',
    `  ${digestNo(1)}\n`,
    'models/a@main\n',
    'datasets/a@main\n  sha256:12\n',
    '<<<<<<< HEAD\n',
  ])
    expect(await codeIn(text)).toBe('MR_LOCK_SYNTAX')
  const twice = lockText(lock) + lockText(lock)
  expect(await codeIn(twice)).toBe('MR_LOCK_SYNTAX')
})

test('git merges changes of two versions by itself, and leaves a conflict where one was pinned in two ways', async () => {
  if (spawnSync('git', ['--version']).status !== 0) {
    console.log('SKIP merging a lock: there is no git')
    return
  }
  const dir = mkdtempSync(join(tmpdir(), 'millrace-lock-'))
  const write = (name: string, digests: number[]) => {
    const lock: Lock = new Map(digests.map((n, i) => [`datasets/d${i}@main`, digestNo(n)]))
    writeFileSync(join(dir, name), lockText(lock))
  }
  const merge = () =>
    spawnSync('git', ['merge-file', '-p', 'ours', 'base', 'theirs'], { cwd: dir, encoding: 'utf8' })
  write('base', [1, 2, 3])
  write('ours', [1, 20, 3])
  write('theirs', [10, 2, 30])
  const clean = merge()
  expect(clean.status).toBe(0)
  expect([...parseLock(clean.stdout).values()]).toEqual([digestNo(10), digestNo(20), digestNo(30)])
  write('theirs', [1, 21, 3])
  const conflict = merge()
  expect(conflict.status).toBe(1)
  expect(await codeIn(conflict.stdout)).toBe('MR_LOCK_SYNTAX')
  rmSync(dir, { recursive: true, force: true })
  expect(execFileSync('git', ['--version']).length).toBeGreaterThan(0)
})

test('pins what main holds, one or all, and gives what is pinned', () =>
  withStore(async (store, folder) => {
    const rt = { store, folder }
    const [one, two] = [await store.putRecord({ kind: 'A' }), await store.putRecord({ kind: 'B' })]
    const move = (name: string, to: typeof one) =>
      store.meta.commit({ moves: [{ name, to }], event: eventOf() })
    await move('datasets/d@main', one)
    await move('datasets/d@side', two)
    await move('files/f@main', two)
    expect((await lockVersions(rt, { check: true })).changes).toHaveLength(2)
    expect(await codeOf(lockedVersion(rt, 'd'))).toBe('MR_LOCK_UNKNOWN')
    await lockVersions(rt, {})
    expect(readFileSync(join(folder, 'millrace.lock'), 'utf8')).toContain(
      `datasets/d@main\n  ${one}\n\nfiles/f@main\n  ${two}\n`,
    )
    await move('datasets/d@main', two)
    await move('files/f@main', one)
    expect(await lockedVersion(rt, 'd')).toBe(one)
    expect((await lockVersions(rt, { names: ['d'] })).changes).toEqual([
      { name: 'datasets/d@main', from: one, to: two },
    ])
    expect([await lockedVersion(rt, 'd'), await lockedVersion(rt, 'f')]).toEqual([two, two])
    expect(await codeOf(lockVersions(rt, { names: ['x'] }))).toBe('MR_LOCK_UNKNOWN')
    await store.objects.remove(two)
    expect(await codeOf(lockedVersion(rt, 'd'))).toBe('MR_LOCK_ABSENT')
  }))
