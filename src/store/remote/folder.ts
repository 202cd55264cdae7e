import { createHash, randomUUID } from 'node:crypto'
import type { Stats } from 'node:fs'
import { mkdir, open, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { MillraceError } from '../../core/errors.ts'
import type { Digest } from '../../core/records.ts'
import { disk, mapAtOnce, replaceDurably, syncFolder } from '../disk/disk.ts'
import { writeWhole } from '../disk/draft.ts'
import { codeOf, fault, faulted, isAbsent } from '../disk/fault.ts'
import { lockWithin } from '../disk/lock.ts'
import { STORE_LIMITS } from '../limits.ts'
import {
  checkMark,
  digestOfKey,
  LEASES_KEY,
  MARK_KEY,
  MARK_TEXT,
  OBJECTS_KEY,
  objectKey,
  refKey,
  refOfText,
  refsKey,
  refText,
} from './keys.ts'
import type { Remote, RemoteRef, TransferOptions } from './ports.ts'

/**
 * A folder as a remote: on another disk, or on a share that several people mount. An object is copied under a name of its own, waits for the disk and is renamed;
 * refs move under a lock file. With `create` the folder is made where it is not there.
 */
export async function openFolderRemote(
  name: string,
  dir: string,
  options: { create: boolean },
): Promise<Remote> {
  if (options.create) await prepare(name, dir)
  else await requireMark(name, dir)
  const pathOf = (digest: Digest) => join(dir, ...objectKey(digest).split('/'))
  const incoming = join(dir, 'incoming')

  return {
    name,
    url: dir,
    compareAndSet: 'exact',
    async present(digests) {
      const found = new Map<Digest, number>()
      await mapAtOnce([...digests], STORE_LIMITS.objectReadsAtOnce, async (digest) => {
        const bytes = await sizeOf(pathOf(digest))
        if (bytes !== undefined) found.set(digest, bytes)
      })
      return found
    },
    async send(digest, path, _bytes, transfer = {}) {
      const to = pathOf(digest)
      const from = join(incoming, randomUUID())
      try {
        await mkdir(incoming, { recursive: true })
        const found = await copyHashed(path, from, transfer)
        if (found !== digest) throw new MillraceError('MR_OBJECT_CORRUPT', { digest, path, found })
        await settle(from, to)
      } catch (thrown) {
        await rm(from, { force: true }).catch(() => {})
        throw fault(thrown, to, 'write')
      }
    },
    async receive(digest, path, transfer = {}) {
      const from = pathOf(digest)
      if ((await sizeOf(from)) === undefined)
        throw new MillraceError('MR_REMOTE_MISSING', { remote: name, digest })
      const found = await copyHashed(from, path, transfer).catch((thrown) => {
        throw fault(thrown, path, 'write')
      })
      if (found !== digest) throw new MillraceError('MR_REMOTE_CORRUPT', { remote: name, digest, found })
      return { bytes: (await stat(path)).size }
    },
    async *list() {
      for (const folder of await namesIn(join(dir, OBJECTS_KEY)))
        for (const name of await namesIn(join(dir, OBJECTS_KEY, folder))) {
          const digest = digestOfKey(`${OBJECTS_KEY}${folder}/${name}`)
          const found = digest && (await statAt(pathOf(digest)))
          if (found) yield { digest, bytes: found.size, putAt: found.mtimeMs }
        }
    },
    async head(digest, bytes) {
      const handle = await open(pathOf(digest), 'r').catch((thrown) => {
        if (isAbsent(thrown)) throw new MillraceError('MR_REMOTE_MISSING', { remote: name, digest })
        throw fault(thrown, pathOf(digest), 'read')
      })
      try {
        const { buffer, bytesRead } = await handle.read(Buffer.alloc(bytes), 0, bytes, 0)
        return buffer.subarray(0, bytesRead)
      } finally {
        await handle.close()
      }
    },
    remove: (digest) => faulted(pathOf(digest), 'remove', () => rm(pathOf(digest), { force: true })),
    leases: {
      put: (lease, text) =>
        faulted(dir, 'write', () =>
          writeWhole(join(dir, LEASES_KEY, lease), (draft) => writeFile(draft, text)),
        ),
      async list() {
        const names = (await namesIn(join(dir, LEASES_KEY))).filter((lease) => !lease.startsWith('.'))
        const stats = await Promise.all(names.map((lease) => statAt(join(dir, LEASES_KEY, lease))))
        return names.flatMap((lease, i) => {
          const putAt = stats[i]?.mtimeMs
          return putAt === undefined ? [] : [{ name: lease, putAt }]
        })
      },
      remove: (lease) => faulted(dir, 'remove', () => rm(join(dir, LEASES_KEY, lease), { force: true })),
    },
    /** By a file that is written now: a share has the clock of its server. */
    now: () =>
      faulted(dir, 'write', async () => {
        const path = join(incoming, randomUUID())
        await mkdir(incoming, { recursive: true })
        await writeFile(path, '')
        const { mtimeMs } = await stat(path)
        await rm(path, { force: true })
        return mtimeMs
      }),
    async refs(prefix) {
      const texts = await textsUnder(dir, refsKey(prefix))
      const all = texts.map(refOfText).filter((ref): ref is RemoteRef => ref !== undefined)
      return all.filter((ref) => ref.name.startsWith(prefix)).sort((a, b) => (a.name < b.name ? -1 : 1))
    },
    async moveRef(from, to) {
      const lock = await lockWithin(join(dir, 'refs.lock'), STORE_LIMITS.busyWaitMsMax)
      if (lock === undefined)
        throw new MillraceError('MR_STORE_BUSY', {
          path: join(dir, 'refs.lock'),
          waitedMs: STORE_LIMITS.busyWaitMsMax,
        })
      try {
        const path = join(dir, ...refKey(to.name).split('/'))
        const holds = refOfText(await readFile(path, 'utf8').catch(emptyWhereAbsent))
        if ((holds?.digest ?? null) !== from) return { ok: false, holds }
        await mkdir(dirname(path), { recursive: true })
        await replaceDurably(path, join(incoming, randomUUID()), new TextEncoder().encode(refText(to)))
        return { ok: true }
      } catch (thrown) {
        throw fault(thrown, dir, 'write')
      } finally {
        lock.release()
      }
    },
    async dropRef(name) {
      const path = join(dir, ...refKey(name).split('/'))
      await faulted(path, 'remove', () => rm(path, { force: true }))
    },
    async close() {},
  }
}

async function prepare(name: string, dir: string): Promise<void> {
  try {
    await mkdir(join(dir, 'incoming'), { recursive: true })
    const mark = await readFile(join(dir, MARK_KEY), 'utf8').catch(emptyWhereAbsent)
    if (mark !== '') return checkMark(name, dir, mark)
    const strange = (await readdir(dir)).filter(
      (found) => !/^(incoming|leases|objects|refs|refs\.lock|\..*)$/.test(found),
    )
    if (strange.length > 0)
      throw new MillraceError('MR_REMOTE_FOREIGN', { remote: name, url: dir, found: strange[0] })
    await replaceDurably(
      join(dir, MARK_KEY),
      join(dir, 'incoming', randomUUID()),
      new TextEncoder().encode(MARK_TEXT),
    )
  } catch (thrown) {
    throw fault(thrown, dir, 'write')
  }
}

async function requireMark(name: string, dir: string): Promise<void> {
  const mark = await readFile(join(dir, MARK_KEY), 'utf8').catch(emptyWhereAbsent)
  if (mark === '') throw new MillraceError('MR_REMOTE_ABSENT', { remote: name, url: dir })
  checkMark(name, dir, mark)
}

/** Copies a file and gives the digest of what was copied; the copy is on the disk when it resolves. */
async function copyHashed(from: string, to: string, { signal, onBytes }: TransferOptions): Promise<Digest> {
  const hash = createHash('sha256')
  const [source, target] = [await open(from, 'r'), await open(to, 'wx')]
  try {
    const buffer = Buffer.allocUnsafe(STORE_LIMITS.copyBytes)
    for (let at = 0; ; ) {
      if (signal?.aborted) throw new MillraceError('MR_CANCELLED', { what: 'the transfer' })
      const { bytesRead } = await source.read(buffer, 0, buffer.length, at)
      if (bytesRead === 0) break
      const piece = buffer.subarray(0, bytesRead)
      hash.update(piece)
      await disk.write(target, piece, at)
      at += bytesRead
      onBytes?.(bytesRead)
    }
    await disk.sync(target)
  } finally {
    await source.close()
    await target.close()
  }
  return `sha256:${hash.digest('hex')}`
}

async function settle(from: string, to: string): Promise<void> {
  await mkdir(dirname(to), { recursive: true })
  await rename(from, to)
  await syncFolder(dirname(to))
}

async function namesIn(path: string): Promise<string[]> {
  try {
    return await readdir(path)
  } catch (thrown) {
    if (isAbsent(thrown) || codeOf(thrown) === 'ENOTDIR') return []
    throw fault(thrown, path, 'read')
  }
}

async function sizeOf(path: string): Promise<number | undefined> {
  return (await statAt(path))?.size
}

async function statAt(path: string): Promise<Stats | undefined> {
  try {
    return await stat(path)
  } catch (thrown) {
    if (isAbsent(thrown)) return undefined
    throw fault(thrown, path, 'read')
  }
}

async function textsUnder(dir: string, key: string): Promise<string[]> {
  const root = join(dir, ...key.split('/'))
  try {
    const entries = await readdir(root, { recursive: true, withFileTypes: true })
    const files = entries.filter((entry) => entry.isFile() && entry.name.endsWith('.json'))
    return await mapAtOnce(files, STORE_LIMITS.objectReadsAtOnce, ({ parentPath, name }) =>
      readFile(join(parentPath, name), 'utf8'),
    )
  } catch (thrown) {
    if (isAbsent(thrown)) return []
    throw fault(thrown, root, 'read')
  }
}

function emptyWhereAbsent(thrown: unknown): string {
  if (isAbsent(thrown) || codeOf(thrown) === 'ENOTDIR') return ''
  throw thrown
}
