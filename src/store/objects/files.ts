import { createHash } from 'node:crypto'
import type { Stats } from 'node:fs'
import { chmod, copyFile, mkdir, open, readdir, readFile, rename, rm, stat, utimes } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { isDigest } from '../../core/digest.ts'
import { assert, MillraceError } from '../../core/errors.ts'
import type { Digest } from '../../core/records.ts'
import { disk, mapAtOnce, sharedWait, syncFolder, writeDurably } from '../disk/disk.ts'
import { codeOf, fault, faulted, isAbsent } from '../disk/fault.ts'
import { STORE_LIMITS } from '../limits.ts'
import type { Objects } from '../ports.ts'
import { digestBytes, digestFile } from './digest-file.ts'
import { openTrash } from './trash.ts'

const READ_ONLY = 0o444

/**
 * Objects as files: `<root>/ab/cdef…` by digest, read-only. A write goes to `scratch`, waits for the disk, is
 * renamed into place, and waits for the name; waits on one folder are shared by all writers of the process. A
 * file that is already there is compared with what was to be written, and replaced when it is damaged:
 * putting an object again heals it, and makes it new for garbage collection. What a collection has set aside
 * and somebody asks for comes back (`trash.ts`).
 */
export function openFileObjects(root: string, scratch: string): Objects {
  const folders = new Map<string, { made: Promise<void>; sync: () => Promise<void> }>()
  const syncRoot = sharedWait(() => syncFolder(root))
  let nTemporary = 0
  const trash = openTrash(root, (digest) => pathOf(digest))

  const pathOf = (digest: Digest): string => {
    assert(isDigest(digest), `a digest is sha256: and 64 hex digits, got ${String(digest).slice(0, 80)}`)
    const hex = digest.slice('sha256:'.length)
    return join(root, hex.slice(0, 2), hex.slice(2))
  }

  const temporary = () => join(scratch, `object-${nTemporary++}`)

  const folderOf = (path: string) => {
    const dir = dirname(path)
    const known = folders.get(dir)
    if (known !== undefined) return known
    const folder = { made: makeFolder(dir, syncRoot), sync: sharedWait(() => syncFolder(dir)) }
    folder.made.catch(() => folders.delete(dir))
    folders.set(dir, folder)
    return folder
  }

  /** Puts a finished, synced temporary file in its place; its name is durable only after `settle`. */
  const place = async (from: string, path: string) => {
    await folderOf(path).made
    await rename(from, path)
  }

  const settle = (paths: string[]) =>
    Promise.all([...new Set(paths.map(folderOf))].map((folder) => folder.sync()))

  const write = async (bytes: Uint8Array): Promise<{ digest: Digest; path: string }> => {
    const copy = Buffer.from(bytes)
    const digest = await digestBytes(copy)
    const path = pathOf(digest)
    if ((await holdsBytes(path, copy)) && (await refreshed(path))) return { digest, path }
    const from = temporary()
    try {
      await writeDurably(from, copy, READ_ONLY)
      await place(from, path)
    } catch (thrown) {
      await rm(from, { force: true })
      throw fault(thrown, path, 'write')
    }
    return { digest, path }
  }

  const putAll = async (items: Uint8Array[]): Promise<Digest[]> => {
    const written = await mapAtOnce(items, STORE_LIMITS.objectWritesAtOnce, write)
    await faulted(root, 'write', () => settle(written.map(({ path }) => path)))
    return written.map(({ digest }) => digest)
  }

  const putPieces = async (pieces: readonly Uint8Array[]): Promise<Digest> => {
    const from = temporary()
    try {
      const digest = await writePieces(from, pieces)
      const to = pathOf(digest)
      if ((await holdsDigest(to, digest)) && (await refreshed(to))) await rm(from, { force: true })
      else await place(from, to)
      await settle([to])
      return digest
    } catch (thrown) {
      await rm(from, { force: true })
      throw fault(thrown, root, 'write')
    }
  }

  /** Brings a file of another file system here; a file of this one stays where it is. */
  const moveIn = async (path: string, to: string) => {
    try {
      await place(path, to)
    } catch (thrown) {
      if (codeOf(thrown) !== 'EXDEV') throw thrown
      const from = temporary()
      await copyFile(path, from)
      await finishFile(from)
      await place(from, to)
      await rm(path, { force: true })
    }
  }

  /** Reads what is there, or what a collection has just set aside. */
  const read = async <T>(digest: Digest, work: (path: string) => Promise<T>): Promise<T> => {
    const path = pathOf(digest)
    try {
      return await work(path)
    } catch (thrown) {
      if (!isAbsent(thrown)) throw fault(thrown, path, 'read')
      if (await trash.revive(digest)) return await orMissing(digest, path, () => work(path))
      throw new MillraceError('MR_OBJECT_MISSING', { digest, path })
    }
  }

  const isThere = async (digest: Digest): Promise<boolean> =>
    (await sizeOf(pathOf(digest))) !== undefined || (await trash.revive(digest))

  return {
    putAll,
    putPieces,
    async put(bytes) {
      return (await putAll([bytes]))[0]
    },
    async putFile(path) {
      return faulted(path, 'move into the store', async () => {
        const [{ digest, bytes }] = await Promise.all([digestFile(path), finishFile(path)])
        const to = pathOf(digest)
        if ((await holdsDigest(to, digest)) && (await refreshed(to))) await rm(path, { force: true })
        else await moveIn(path, to)
        await settle([to])
        return { digest, bytes }
      })
    },
    async get(digest) {
      const bytes = await read(digest, (path) => readFile(path))
      const found = await digestBytes(bytes)
      if (found !== digest)
        throw new MillraceError('MR_OBJECT_CORRUPT', { digest, path: pathOf(digest), found })
      return bytes
    },
    async path(digest) {
      await read(digest, (path) => stat(path))
      return pathOf(digest)
    },
    has: isThere,
    async keep(digest) {
      if (!(await isThere(digest))) return false
      return (await refreshed(pathOf(digest))) || (await trash.revive(digest))
    },
    async *list() {
      for (const folder of await readdir(root)) {
        if (!/^[0-9a-f]{2}$/.test(folder)) continue
        for (const name of await readdir(join(root, folder))) {
          const digest = `sha256:${folder}${name}`
          if (!isDigest(digest)) continue
          const found = await statOf(join(root, folder, name))
          if (found !== undefined) yield { digest, bytes: found.size, putAt: found.mtimeMs }
        }
      }
    },
    async verify(digest) {
      if (!(await isThere(digest))) return 'missing'
      return (await holdsDigest(pathOf(digest), digest)) ? 'ok' : 'corrupt'
    },
    sweep: () => trash.sweep(),
    async remove(digest) {
      const path = pathOf(digest)
      if ((await sizeOf(path)) === undefined) return
      await faulted(path, 'remove', () => rm(path, { force: true }))
      await settle([path])
    },
  }
}

const SLICE_BYTES = 4 * 1024 * 1024

/** Writes pieces into a new file and waits for its bytes; each slice is hashed while it is written. */
async function writePieces(path: string, pieces: readonly Uint8Array[]): Promise<Digest> {
  const hash = createHash('sha256')
  const handle = await open(path, 'wx', READ_ONLY)
  try {
    let position = 0
    for (const piece of pieces)
      for (let at = 0; at < piece.length; at += SLICE_BYTES) {
        const slice = piece.subarray(at, at + SLICE_BYTES)
        const writing = disk.write(handle, slice, position)
        hash.update(slice)
        await writing
        position += slice.length
      }
    await disk.sync(handle)
  } finally {
    await handle.close()
  }
  return `sha256:${hash.digest('hex')}`
}

async function makeFolder(dir: string, syncRoot: () => Promise<void>): Promise<void> {
  await mkdir(dir, { recursive: true })
  await syncRoot()
}

/** Whether the time of a file could be set to now: it is new for garbage collection, and still there. */
async function refreshed(path: string): Promise<boolean> {
  const now = new Date()
  return await utimes(path, now, now).then(
    () => true,
    () => false,
  )
}

async function finishFile(path: string): Promise<void> {
  await chmod(path, READ_ONLY)
  await refreshed(path)
  const handle = await open(path, 'r')
  try {
    await disk.sync(handle)
  } finally {
    await handle.close()
  }
}

async function orMissing<T>(digest: Digest, path: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (thrown) {
    if (isAbsent(thrown)) throw new MillraceError('MR_OBJECT_MISSING', { digest, path })
    throw fault(thrown, path, 'read')
  }
}

async function sizeOf(path: string): Promise<number | undefined> {
  return (await statOf(path))?.size
}

async function statOf(path: string): Promise<Stats | undefined> {
  try {
    return await stat(path)
  } catch (thrown) {
    if (isAbsent(thrown)) return undefined
    throw fault(thrown, path, 'read')
  }
}

async function holdsBytes(path: string, bytes: Buffer): Promise<boolean> {
  if ((await sizeOf(path)) !== bytes.length) return false
  return bytes.equals(await readFile(path).catch(() => Buffer.alloc(0)))
}

async function holdsDigest(path: string, digest: Digest): Promise<boolean> {
  const found = await digestFile(path).catch((thrown) => {
    if (isAbsent(thrown)) return undefined
    throw fault(thrown, path, 'read')
  })
  return found?.digest === digest
}
