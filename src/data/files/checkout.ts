/** The files of a version in a folder: only what differs is written, each file at once or not at all. */
import { hash } from 'node:crypto'
import { chmodSync, mkdirSync, readlinkSync, rmdirSync, unlinkSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { setTimeout as delay, setImmediate as turn } from 'node:timers/promises'
import { MillraceError } from '../../core/errors.ts'
import type { Digest } from '../../core/records.ts'
import { codeOf, fault } from '../../store/disk/fault.ts'
import type { Store } from '../../store/ports.ts'
import { type FileEntry, MODE } from './entry.ts'
import { digestOfFile } from './file-digest.ts'
import { FileMaker, type LinkChoice } from './file-maker.ts'
import { FILE_LIMITS } from './limits.ts'
import { Packs } from './packs.ts'
import { byPath } from './paths.ts'
import { statOf } from './stat.ts'
import {
  fileSystemNow,
  isRacy,
  NO_DIGEST,
  type SeenFile,
  SeenFiles,
  SeenRows,
  seenPath,
  writeSeen,
} from './stat-cache.ts'
import { readTree } from './tree.ts'
import { fileHistory, getFileSet, headOfFiles, type NamedFiles } from './versions.ts'
import { statAt } from './walk.ts'

export interface CheckoutRequest {
  /** Folder that the paths of the set are written into. */
  to: string
  link?: LinkChoice
  /** Overwrites changes that no version holds. */
  isForced?: boolean
  signal?: AbortSignal
  onProgress?: (done: number, note: string) => void
  isDryRun?: boolean
}

export interface CheckoutResult {
  version: Digest
  to: string
  written: number
  bytesWritten: number
  removed: number
  /** Paths that were as they should be. */
  kept: number
}

/**
 * Writes a version into a folder. Files that are there and the same stay; files of the version that was checked out or added there before, and that this one does
 * not have, go. What no version holds is never lost without `isForced`; files the set never had stay. A checkout that was cut short is finished by the next.
 *
 * Errors: MR_FILES_UNSAVED, MR_FILES_BLOCKED, MR_FILES_LINK, MR_FILES_DAMAGED, MR_OBJECT_MISSING, MR_NO_SPACE, MR_NO_PERMISSION.
 */
export async function checkoutFiles(
  store: Store,
  named: NamedFiles,
  request: CheckoutRequest,
): Promise<CheckoutResult> {
  const packs = new Packs(store)
  const to = resolve(request.to)
  const maker = new FileMaker({ store, packs, to, link: request.link ?? 'auto' })
  try {
    return await new Checkout(store, named, { ...request, to }, maker).run()
  } finally {
    maker.close()
    packs.close()
  }
}

/** Versions in whose files local ones are looked for before they are called unsaved. */
const HISTORY = 50
/** Longer than a file system's clock takes to tick. */
const TICK_MS = 30

interface Plan {
  write: FileEntry[]
  chmod: FileEntry[]
  remove: FileEntry[]
  kept: number
}

class Checkout {
  readonly #store: Store
  readonly #named: NamedFiles
  readonly #request: CheckoutRequest
  readonly #maker: FileMaker
  readonly #signal: AbortSignal
  readonly #now = new Map<string, SeenFile>()
  readonly #folders = new Set<string>()
  /** Folders that the version has although nothing is in them. */
  readonly #empty = new Set<string>()
  #saved: Map<string, Set<string>> | undefined
  #turnAt = 0

  constructor(store: Store, named: NamedFiles, request: CheckoutRequest, maker: FileMaker) {
    this.#store = store
    this.#named = named
    this.#request = request
    this.#maker = maker
    this.#signal = request.signal ?? new AbortController().signal
  }

  async run(): Promise<CheckoutResult> {
    const { version, digest } = this.#named
    const { to } = this.#request
    const entries = await readTree(this.#store, version.tree)
    for (const { mode, path } of entries) if (mode === MODE.folder) this.#empty.add(join(to, path))
    const path = seenPath(this.#store.cache, version.set, [to])
    const seen = SeenFiles.read(path)
    const plan = await this.#plan(entries, seen)
    const result = {
      version: digest,
      to,
      written: plan.write.length,
      bytesWritten: plan.write.reduce((sum, { bytes }) => sum + bytes, 0),
      removed: plan.remove.length,
      kept: plan.kept,
    }
    if (this.#request.isDryRun) return result
    mkdirSync(to, { recursive: true })
    await this.#maker.open(plan.write.length > 0)
    const pending = [...new Set([...seen.pending, digest])]
    if (plan.write.length > 0) this.#note(path, { base: seen.base, pending })
    for (const entry of plan.remove) this.#remove(entry)
    for (const entry of plan.chmod) chmodSync(join(to, entry.path), entry.mode & 0o777)
    await this.#write(plan.write)
    await this.#noteWritten([...plan.write, ...plan.chmod])
    this.#note(path, { base: digest })
    return result
  }

  #note(path: string, bases: { base?: Digest | undefined; pending?: Digest[] }): void {
    const rows = new SeenRows(this.#now.size)
    for (const file of [...this.#now.values()].sort(byPath)) rows.add(file)
    writeSeen(path, bases, rows)
  }

  async #plan(entries: readonly FileEntry[], seen: SeenFiles): Promise<Plan> {
    const plan: Plan = { write: [], chmod: [], remove: [], kept: 0 }
    const unsaved: string[] = []
    for (const [i, entry] of entries.entries()) {
      const state = await this.#stateOf(entry, seen)
      if (state === 'same') plan.kept++
      else if (state === 'mode') plan.chmod.push(entry)
      else if (state === 'unsaved') unsaved.push(entry.path)
      else plan.write.push(entry)
      await this.#turn((i / entries.length) * PLAN_SHARE, 'comparing')
    }
    await this.#planRemovals(entries, seen, { plan, unsaved })
    if (unsaved.length === 0 || this.#request.isForced) return this.#withForced(plan, entries, unsaved)
    const paths = unsaved.slice(0, FILE_LIMITS.namedMax)
    throw new MillraceError('MR_FILES_UNSAVED', {
      folder: this.#request.to,
      paths,
      more: unsaved.length - paths.length,
    })
  }

  #withForced(plan: Plan, entries: readonly FileEntry[], unsaved: readonly string[]): Plan {
    const forced = new Set(unsaved)
    plan.write.push(...entries.filter(({ path }) => forced.has(path)))
    return plan
  }

  /** What is on disk, against what should be. */
  async #stateOf(
    entry: FileEntry,
    seen: SeenFiles,
  ): Promise<'absent' | 'same' | 'mode' | 'saved' | 'unsaved'> {
    const path = join(this.#request.to, entry.path)
    const stats = statAt(path)
    if (stats === undefined) return 'absent'
    if (entry.mode === MODE.folder) return stats.isDirectory() ? 'same' : this.#savedState(entry.path, path)
    if (stats.isDirectory()) return 'absent'
    const stat = statOf(stats)
    if (stats.isSymbolicLink() !== (entry.mode === MODE.link)) return this.#savedState(entry.path, path)
    if (!stats.isSymbolicLink() && stat.bytes !== entry.bytes) return this.#savedState(entry.path, path)
    const digest = seen.digestOf(entry.path, stat) ?? (await digestAt(path))
    if (digest !== entry.digest) return this.#savedState(entry.path, path, digest)
    const isExecutable = (stats.mode & 0o111) !== 0
    if (entry.mode !== MODE.link && isExecutable !== (entry.mode === MODE.executable)) return 'mode'
    this.#now.set(entry.path, { ...stat, path: entry.path, mode: entry.mode, digest })
    return 'same'
  }

  async #savedState(name: string, path: string, digest?: string): Promise<'saved' | 'unsaved'> {
    const saved = await this.#savedDigests()
    return saved.get(name)?.has(digest ?? (await digestAt(path))) ? 'saved' : 'unsaved'
  }

  /** What was added or checked out here last, of whatever branch. */
  async #versionsHere(): Promise<NamedFiles[]> {
    const { cache, objects } = this.#store
    const { base, pending } = SeenFiles.read(seenPath(cache, this.#named.version.set, [this.#request.to]))
    const versions: NamedFiles[] = []
    for (const digest of [...(base ? [base] : []), ...pending])
      if (await objects.has(digest))
        versions.push({ digest, branch: this.#named.branch, version: await getFileSet(this.#store, digest) })
    return versions
  }

  /** Digests that each path has had in the versions before. */
  async #savedDigests(): Promise<Map<string, Set<string>>> {
    if (this.#saved) return this.#saved
    const saved = new Map<string, Set<string>>()
    const { version, branch } = this.#named
    const head = await headOfFiles(this.#store, version.set, branch)
    for (const from of [head, this.#named, ...(await this.#versionsHere())]) {
      let n = 0
      for await (const { version: past } of fileHistory(this.#store, from)) {
        if (n++ === HISTORY) break
        for (const { path, digest } of await readTree(this.#store, past.tree))
          saved.set(path, (saved.get(path) ?? new Set()).add(digest))
      }
    }
    this.#saved = saved
    return saved
  }

  /** Files of the version that was here, or was on its way here, and that the new one does not have. */
  async #planRemovals(
    entries: readonly FileEntry[],
    seen: SeenFiles,
    { plan, unsaved }: { plan: Plan; unsaved: string[] },
  ): Promise<void> {
    const wanted = new Set(entries.map(({ path }) => path))
    for (const base of [seen.base, ...seen.pending]) {
      if (base === undefined || base === this.#named.digest) continue
      for (const entry of await this.#entriesOf(base)) {
        if (wanted.has(entry.path)) continue
        wanted.add(entry.path)
        const state = await this.#stateOf(entry, seen)
        this.#now.delete(entry.path)
        if (state === 'unsaved' && !this.#request.isForced) unsaved.push(entry.path)
        else if (state !== 'absent') plan.remove.push(entry)
      }
    }
  }

  /** None of a version that is not kept any more. */
  async #entriesOf(digest: Digest): Promise<FileEntry[]> {
    if (!(await this.#store.objects.has(digest))) return []
    const { tree } = await this.#store.getRecord<NamedFiles['version']>(digest, 'FileSetVersion')
    return await readTree(this.#store, tree)
  }

  #remove({ path }: FileEntry): void {
    const { to } = this.#request
    const whole = join(to, path)
    try {
      if (statAt(whole)?.isDirectory()) rmdirSync(whole)
      else unlinkSync(whole)
      const isDone = (folder: string) => folder.length <= resolve(to).length || this.#empty.has(folder)
      for (let folder = dirname(whole); !isDone(folder); folder = dirname(folder)) rmdirSync(folder)
    } catch (thrown) {
      if (['ENOTEMPTY', 'EEXIST', 'ENOENT', 'ENOTDIR'].includes(codeOf(thrown))) return
      throw fault(thrown, whole, 'remove')
    }
  }

  async #write(entries: readonly FileEntry[]): Promise<void> {
    const total = entries.reduce((sum, { bytes }) => sum + bytes, 0) + entries.length
    let done = 0
    for (const [i, entry] of entries.entries()) {
      this.#folderFor(entry)
      const path = join(this.#request.to, entry.path)
      await this.#maker.make(entry, path, this.#signal)
      done += entry.bytes + 1
      await this.#turn(PLAN_SHARE + (1 - PLAN_SHARE) * (done / total), `${i + 1} of ${entries.length} files`)
    }
  }

  /** Makes the folders above a path; what stands where a folder should be is removed when some version holds it. */
  #folderFor({ path, mode }: FileEntry): void {
    const steps = path.split('/')
    const depth = mode === MODE.folder ? steps.length : steps.length - 1
    for (let n = 1; n <= depth; n++) {
      const inner = steps.slice(0, n).join('/')
      if (this.#folders.has(inner)) continue
      this.#makeFolder(inner)
      this.#folders.add(inner)
    }
    const whole = join(this.#request.to, path)
    if (mode !== MODE.folder && statAt(whole)?.isDirectory()) removeEmpty(whole)
  }

  #makeFolder(inner: string): void {
    const path = join(this.#request.to, inner)
    const stats = statAt(path)
    if (stats?.isDirectory()) return
    if (stats !== undefined) {
      const isSaved = this.#request.isForced || this.#saved?.get(inner)?.has(digestAtNow(path)) === true
      if (!isSaved)
        throw new MillraceError('MR_FILES_BLOCKED', {
          path,
          why: 'a file or a link is where a folder should be',
        })
      unlinkSync(path)
    }
    try {
      mkdirSync(path)
    } catch (thrown) {
      throw fault(thrown, path, 'make')
    }
  }

  /** What files look like once the clock has ticked on, so that a later change shows. */
  async #noteWritten(entries: readonly FileEntry[]): Promise<void> {
    if (entries.length === 0) return
    await delay(TICK_MS)
    const nowMs = fileSystemNow(this.#store.cache)
    for (const { path, digest, mode } of entries) {
      const stats = statAt(join(this.#request.to, path))
      if (!stats) continue
      const seen = { ...statOf(stats), path, mode, digest: mode === MODE.folder ? NO_DIGEST : digest }
      if (!isRacy(seen, nowMs)) this.#now.set(path, seen)
    }
  }

  async #turn(done: number, note: string): Promise<void> {
    if (performance.now() < this.#turnAt) return
    this.#signal.throwIfAborted()
    this.#request.onProgress?.(done, note)
    await turn()
    this.#turnAt = performance.now() + FILE_LIMITS.turnMs
  }
}

const PLAN_SHARE = 0.2

async function digestAt(path: string): Promise<string> {
  const stats = statAt(path)
  if (stats?.isSymbolicLink()) return hash('sha256', readlinkSync(path), 'hex')
  return stats?.isFile() ? await digestOfFile(path) : ''
}

/** Of a link; files in the way of folders are looked at by content only where they were compared before. */
function digestAtNow(path: string): string {
  return statAt(path)?.isSymbolicLink() ? hash('sha256', readlinkSync(path), 'hex') : ''
}

function removeEmpty(path: string): void {
  try {
    rmdirSync(path)
  } catch (thrown) {
    if (codeOf(thrown) === 'ENOTEMPTY' || codeOf(thrown) === 'EEXIST')
      throw new MillraceError('MR_FILES_BLOCKED', {
        path,
        why: 'a folder that holds files is where a file should be',
      })
    throw fault(thrown, path, 'remove')
  }
}
