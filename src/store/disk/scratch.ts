import { randomBytes } from 'node:crypto'
import { mkdir, readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { MillraceError } from '../../core/errors.ts'
import { STORE_LIMITS } from '../limits.ts'
import type { Repair } from '../ports.ts'
import { type Lock, lockWithin, tryLock } from './lock.ts'

/** A folder for temporary files that lives as long as its process. */
export interface Scratch {
  dir: string
  /** Folders of dead processes that were removed when this one was opened. */
  repaired: Repair[]
  close(): Promise<void>
}

const DOOR = 'open.lock'

/**
 * Opens this process's own folder under `root` and removes those whose process has ended. Each folder has a
 * lock file beside it that its owner holds; opening and cleaning take turns behind one more lock, so that no
 * folder is seen half made.
 */
export async function openScratch(root: string): Promise<Scratch> {
  const door = await lockWithin(join(root, DOOR), STORE_LIMITS.busyWaitMsMax)
  if (door === undefined) {
    throw new MillraceError('MR_STORE_BUSY', { path: join(root, DOOR), waitedMs: STORE_LIMITS.busyWaitMsMax })
  }
  try {
    const repaired = await removeDead(root)
    const dir = join(root, `${process.pid}-${randomBytes(6).toString('hex')}`)
    const lock = tryLock(`${dir}.lock`)
    if (lock === undefined) throw new MillraceError('MR_STORE_BUSY', { path: `${dir}.lock`, waitedMs: 0 })
    await mkdir(dir)
    return { dir, repaired, close: () => removeOwn(dir, lock) }
  } finally {
    door.release()
  }
}

async function removeOwn(dir: string, lock: Lock): Promise<void> {
  await rm(dir, { recursive: true, force: true })
  lock.release()
  await removeLockFile(`${dir}.lock`)
}

async function removeLockFile(path: string): Promise<void> {
  await rm(path, { force: true })
  await rm(`${path}-journal`, { force: true })
}

async function removeDead(root: string): Promise<Repair[]> {
  const names = new Set((await readdir(root)).map((name) => name.replace(/\.lock(-journal)?$/, '')))
  names.delete('open')
  const repaired: Repair[] = []
  for (const name of names) {
    const dir = join(root, name)
    const lock = tryLock(`${dir}.lock`)
    if (lock === undefined) continue
    const files = await readdir(dir, { recursive: true }).catch(() => [])
    await removeOwn(dir, lock)
    if (files.length > 0)
      repaired.push({
        what: 'scratch',
        path: dir,
        detail: `removed ${files.length} temporary files of a process that ended`,
      })
  }
  return repaired
}
