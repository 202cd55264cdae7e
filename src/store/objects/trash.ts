import { mkdir, readdir, rename, rm, stat, utimes } from 'node:fs/promises'
import { join } from 'node:path'
import { isDigest } from '../../core/digest.ts'
import { MillraceError } from '../../core/errors.ts'
import type { Digest } from '../../core/records.ts'
import { mapAtOnce } from '../disk/disk.ts'
import { fault, isAbsent } from '../disk/fault.ts'
import { type Lock, tryLock } from '../disk/lock.ts'
import { STORE_LIMITS } from '../limits.ts'
import type { Sweep } from '../ports.ts'

/**
 * Where a garbage collection sets objects aside before it removes them: `<root>/trash/<hex>`. Moving there
 * and back is a rename, so an object is at one of the two places at any moment.
 */
export function openTrash(root: string, pathOf: (digest: Digest) => string) {
  const dir = join(root, 'trash')
  const asideOf = (digest: Digest) => join(dir, digest.slice('sha256:'.length))

  /** Brings an object back to its place if it is aside, as if it had been put now. */
  const revive = async (digest: Digest): Promise<boolean> => {
    const aside = asideOf(digest)
    const now = new Date()
    try {
      await utimes(aside, now, now)
      await rename(aside, pathOf(digest))
      return true
    } catch (thrown) {
      // Another reader may have been first.
      if (isAbsent(thrown)) return await exists(pathOf(digest))
      throw fault(thrown, aside, 'move')
    }
  }

  const asides = async (): Promise<Digest[]> =>
    (await readdir(dir).catch(() => [])).map((name) => `sha256:${name}` as Digest).filter(isDigest)

  /** What a sweep that was killed had set aside goes back with the age it had. */
  const putAllBack = async (digests: Digest[]) => {
    await mapAtOnce(digests, STORE_LIMITS.objectWritesAtOnce, async (digest) => {
      if (await exists(pathOf(digest))) await rm(asideOf(digest), { force: true })
      else await moved(asideOf(digest), pathOf(digest))
    })
  }

  const setAside = async (digest: Digest, before: number): Promise<boolean> => {
    const [path, aside] = [pathOf(digest), asideOf(digest)]
    const putAt = await timeOf(path)
    if (putAt === undefined || putAt >= before || !(await moved(path, aside))) return false
    // It may have been put again between the look and the move; then its time has moved with it.
    const putAgain = ((await timeOf(aside)) ?? 0) >= before
    if (putAgain) await moved(aside, path)
    return !putAgain
  }

  const sweep = async (): Promise<Sweep> => {
    await mkdir(dir, { recursive: true })
    const lock: Lock | undefined = tryLock(join(root, 'trash.lock'))
    if (lock === undefined) throw new MillraceError('MR_GC_RUNNING', { path: join(root, 'trash.lock') })
    try {
      await putAllBack(await asides())
    } catch (thrown) {
      lock.release()
      throw thrown
    }
    const mine = new Set<Digest>()
    return {
      async setAside(digest, before) {
        const done = await setAside(digest, before)
        if (done) mine.add(digest)
        return done
      },
      async putBack(digest) {
        mine.delete(digest)
        return await revive(digest)
      },
      async finish() {
        try {
          await mapAtOnce([...mine], STORE_LIMITS.objectWritesAtOnce, (digest) =>
            rm(asideOf(digest), { force: true }),
          )
        } finally {
          lock.release()
        }
      },
      async abandon() {
        try {
          await putAllBack([...mine])
        } finally {
          lock.release()
        }
      },
    }
  }

  return { revive, sweep }
}

async function exists(path: string): Promise<boolean> {
  return (await timeOf(path)) !== undefined
}

async function timeOf(path: string): Promise<number | undefined> {
  try {
    return (await stat(path)).mtimeMs
  } catch (thrown) {
    if (isAbsent(thrown)) return undefined
    throw fault(thrown, path, 'read')
  }
}

/** Renames; false where there is nothing to rename. */
async function moved(from: string, to: string): Promise<boolean> {
  try {
    await rename(from, to)
    return true
  } catch (thrown) {
    if (isAbsent(thrown)) return false
    throw fault(thrown, from, 'move')
  }
}
