/** Makes one file of a version: written beside its place, checked, and put there in one step. */
import { createHash, randomBytes } from 'node:crypto'
import {
  chmodSync,
  closeSync,
  constants,
  copyFileSync,
  linkSync,
  mkdirSync,
  openSync,
  readdirSync,
  renameSync,
  rmdirSync,
  rmSync,
  symlinkSync,
  writeSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import { MillraceError } from '../../core/errors.ts'
import { codeOf, fault } from '../../store/disk/fault.ts'
import type { Store } from '../../store/ports.ts'
import { type FileEntry, MODE } from './entry.ts'
import { digestOfFile } from './file-digest.ts'
import type { Packs } from './packs.ts'
import { StoredFile } from './stored-file.ts'
import { statAt } from './walk.ts'

/**
 * How files come to be: `copy` has bytes of its own; `reflink` shares them with a whole copy in the store's cache until one is written to; `hardlink` is
 * that copy under a second name, read-only; `auto` is a reflink where there is a whole copy and the file system can, else a copy.
 */
export type LinkChoice = 'auto' | 'copy' | 'reflink' | 'hardlink'
export const LINK_CHOICES: readonly LinkChoice[] = ['auto', 'copy', 'reflink', 'hardlink']

/** Folder of unfinished files, in the folder that is written into; one inside for each process. */
export const PARTS_FOLDER = '.millrace-checkout'

export interface MakerOptions {
  store: Store
  packs: Packs
  to: string
  link: LinkChoice
}

export class FileMaker {
  readonly #options: MakerOptions
  readonly #parts: string
  readonly #cache: string
  #nParts = 0

  constructor(options: MakerOptions) {
    this.#options = options
    this.#parts = join(options.to, PARTS_FOLDER, `${process.pid}-${randomBytes(4).toString('hex')}`)
    this.#cache = join(options.store.cache, 'whole')
  }

  /** Removes unfinished files of processes that ended, and makes a folder for those of this one where some are to come. */
  async open(isNeeded: boolean): Promise<void> {
    const folder = dirname(this.#parts)
    try {
      if (isNeeded) mkdirSync(this.#parts, { recursive: true })
      else if (!statAt(folder)?.isDirectory()) return
      for (const name of readdirSync(folder))
        if (!isAlive(Number.parseInt(name, 10))) rmSync(join(folder, name), { recursive: true, force: true })
    } catch (thrown) {
      throw fault(thrown, folder, 'write')
    }
  }

  close(): void {
    rmSync(this.#parts, { recursive: true, force: true })
    try {
      rmdirSync(dirname(this.#parts))
    } catch {
      // Another process writes here too, or nothing was written.
    }
  }

  /** Puts a file, a link or an empty folder in its place. Its folder is there. */
  async make(entry: FileEntry, path: string, signal: AbortSignal): Promise<void> {
    if (entry.mode === MODE.folder) return
    const part = join(this.#parts, String(this.#nParts++))
    try {
      if (entry.place.in === 'link') symlinkSync(entry.place.target, part)
      else await this.#makeFile(entry, part, signal)
      renameSync(part, path)
    } catch (thrown) {
      if (codeOf(thrown) === 'ENAMETOOLONG')
        throw new MillraceError('MR_FILES_BLOCKED', {
          path: entry.path,
          why: 'its name is too long for this file system',
        })
      throw fault(thrown, path, 'write')
    }
  }

  async #makeFile(entry: FileEntry, part: string, signal: AbortSignal): Promise<void> {
    const { link } = this.#options
    if (link === 'hardlink')
      return this.#share(entry.path, link, async () => linkSync(await this.#whole(entry, signal), part))
    if (link === 'reflink')
      return this.#share(entry.path, link, async () =>
        clone(await this.#whole(entry, signal), part, entry.mode, true),
      )
    const whole = this.#wholePath(entry)
    if (link === 'auto' && statAt(whole) && (await digestOfFile(whole)) === entry.digest)
      return clone(whole, part, entry.mode, false)
    await this.#assemble(entry, part, entry.mode & 0o777, signal)
  }

  async #share(path: string, link: string, work: () => Promise<void>): Promise<void> {
    try {
      await work()
    } catch (thrown) {
      if (['EXDEV', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EINVAL', 'EMLINK'].includes(codeOf(thrown)))
        throw new MillraceError('MR_FILES_LINK', { path, link }, { cause: thrown })
      throw thrown
    }
  }

  /** Path of the whole copy in the cache, which is made where it is absent or not what it was. */
  async #whole(entry: FileEntry, signal: AbortSignal): Promise<string> {
    const path = this.#wholePath(entry)
    if (statAt(path) && (await digestOfFile(path)) === entry.digest) return path
    mkdirSync(dirname(path), { recursive: true })
    const fresh = `${path}.${randomBytes(4).toString('hex')}`
    await this.#assemble(entry, fresh, entry.mode & 0o555, signal)
    renameSync(fresh, path)
    return path
  }

  #wholePath({ digest, mode }: FileEntry): string {
    return join(this.#cache, digest.slice(0, 2), `${digest.slice(2)}${mode === MODE.executable ? '.x' : ''}`)
  }

  async #assemble(entry: FileEntry, path: string, mode: number, signal: AbortSignal): Promise<void> {
    const file = await StoredFile.open(this.#options.store, this.#options.packs, entry)
    const fd = openSync(path, 'wx', mode)
    try {
      const isOne = file.chunks.length === 1
      const sum = createHash('sha256')
      for await (const piece of file.pieces()) {
        signal.throwIfAborted()
        for (let done = 0; done < piece.length; ) done += writeSync(fd, piece, done)
        if (!isOne) sum.update(piece)
      }
      const digest = isOne ? file.chunks[0].digest : sum.digest('hex')
      if (digest !== entry.digest)
        throw new MillraceError('MR_FILES_TREE', {
          digest: entry.path,
          why: 'its chunks make up another file',
        })
    } catch (thrown) {
      rmSync(path, { force: true })
      throw thrown
    } finally {
      closeSync(fd)
    }
  }
}

function clone(whole: string, part: string, mode: number, isForced: boolean): void {
  copyFileSync(whole, part, isForced ? constants.COPYFILE_FICLONE_FORCE : constants.COPYFILE_FICLONE)
  chmodSync(part, mode & 0o777)
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (thrown) {
    return codeOf(thrown) === 'EPERM'
  }
}
