import { readFile, writeFile } from 'node:fs/promises'
import { setTimeout as delay } from 'node:timers/promises'
import Database from 'libsql'
import { fault, isBusy } from './fault.ts'

/** A lock that is held until it is released or its process ends, however it ends. */
export interface Lock {
  release(): void
}

/**
 * Takes a lock of the operating system on a file, or gives `undefined` when another holder lives, in this
 * process or any other.
 *
 * Node has no file locks of its own, and a file with a pid lies after a crash, a reused pid or a second
 * container; SQLite's lock on an empty database is released by the kernel with its process, so no lock is
 * ever stale. The file stays empty. Nobody may open it by other means: closing any handle on it would drop
 * the lock (POSIX).
 */
export function tryLock(path: string): Lock | undefined {
  const db = openEmpty(path)
  try {
    db.exec('BEGIN EXCLUSIVE')
  } catch (thrown) {
    db.close()
    if (isBusy(thrown)) return undefined
    throw fault(thrown, path, 'lock')
  }
  return {
    release() {
      if (!db.open) return
      db.exec('ROLLBACK')
      db.close()
    },
  }
}

function openEmpty(path: string): InstanceType<typeof Database> {
  try {
    return new Database(path, { timeout: 0 })
  } catch (thrown) {
    throw fault(thrown, path, 'lock')
  }
}

/** Takes a lock, waiting for its holder at most `waitMs`. */
export async function lockWithin(path: string, waitMs: number): Promise<Lock | undefined> {
  const stopAt = performance.now() + waitMs
  for (;;) {
    const lock = tryLock(path)
    if (lock !== undefined || performance.now() >= stopAt) return lock
    await delay(2 + Math.random() * 10)
  }
}

/** Notes beside a lock who holds it, for messages alone. */
export async function noteHolder(path: string): Promise<void> {
  await writeFile(`${path}.pid`, `${process.pid}\n`).catch(() => undefined)
}

/** The pid that was noted beside a lock, or 0. */
export async function holderOf(path: string): Promise<number> {
  const text = await readFile(`${path}.pid`, 'utf8').catch(() => '')
  return Number.parseInt(text, 10) || 0
}
