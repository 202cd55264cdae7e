/** What lies in the folders and files that are to be added. */
import { type BigIntStats, lstatSync, readdirSync, readFileSync } from 'node:fs'
import { basename, join, resolve } from 'node:path'
import { setImmediate as turn } from 'node:timers/promises'
import { MillraceError } from '../../core/errors.ts'
import { codeOf, fault } from '../../store/disk/fault.ts'
import { IGNORE_FILE, IgnoreRules, isNeverTaken } from './ignore.ts'
import { FILE_LIMITS } from './limits.ts'
import { byPath, refuseUnkeptPath } from './paths.ts'
import { type FileStat, statOf } from './stat.ts'

/** How the paths of a set hang on what was given: one file, what is in one folder, or several of them under their names. */
export type Shape = 'file' | 'folder' | 'paths'

export interface FoundFile {
  /** Path in the set. */
  path: string
  /** Path on this machine. */
  source: string
  kind: 'file' | 'link' | 'folder'
  isExecutable: boolean
  stat: FileStat
}

export interface WalkOptions {
  /** Whole path of a folder that is left out: the store's own. */
  storeDir: string
  signal: AbortSignal
  onFiles: (files: number) => void
}

export interface Walked {
  files: FoundFile[]
  shape: Shape
  /** Paths that `.millraceignore` left out, folders as one. */
  ignored: number
}

/**
 * Files, links and empty folders below some paths, ordered by path. Links are taken as links. Reads nothing but names, stats and ignore files.
 * Errors: MR_FILES_ABSENT, MR_FILES_SPECIAL, MR_FILES_SAME_NAME, MR_FILES_NAME_BYTES, MR_FILES_PATH_LONG, MR_NO_PERMISSION.
 */
export async function walk(paths: readonly string[], options: WalkOptions): Promise<Walked> {
  const walker = new Walker(options)
  const roots = paths.map((path) => resolve(path))
  refuseSameNames(roots)
  for (const root of roots) await walker.root(root, roots.length === 1)
  walker.files.sort(byPath)
  return {
    files: walker.files,
    shape: roots.length > 1 ? 'paths' : walker.isFolder ? 'folder' : 'file',
    ignored: walker.ignored,
  }
}

function refuseSameNames(roots: readonly string[]): void {
  const seen = new Map<string, string>()
  for (const root of roots) {
    const name = basename(root)
    const other = seen.get(name)
    if (other !== undefined) throw new MillraceError('MR_FILES_SAME_NAME', { name, paths: [other, root] })
    seen.set(name, root)
  }
}

class Walker {
  readonly files: FoundFile[] = []
  ignored = 0
  isFolder = false
  readonly #options: WalkOptions
  #turnAt = performance.now() + FILE_LIMITS.turnMs

  constructor(options: WalkOptions) {
    this.#options = options
  }

  async root(source: string, isOnly: boolean): Promise<void> {
    const stats = statAt(source)
    if (stats === undefined) throw new MillraceError('MR_FILES_ABSENT', { path: source })
    const name = basename(source) || 'root'
    if (!stats.isDirectory()) return this.#take(source, name, stats)
    this.isFolder = true
    await this.#folder(source, isOnly ? '' : `${name}/`, undefined)
  }

  /** `prefix` is the folder's path in the set with a `/`, or ''. */
  async #folder(source: string, prefix: string, above: IgnoreRules | undefined): Promise<void> {
    await this.#turn()
    const items = listFolder(source)
    const rules = items.some(({ name }) => name === IGNORE_FILE)
      ? new IgnoreRules(readIgnore(join(source, IGNORE_FILE)), prefix, above)
      : above
    const before = this.files.length
    const ignoredBefore = this.ignored
    for (const item of items) {
      const { name } = item
      const path = prefix + name
      if (isNeverTaken(name) && item.isDirectory()) continue
      if (rules?.ignores(path, item.isDirectory())) {
        this.ignored++
        continue
      }
      refuseUnkeptPath(path)
      const inside = `${source}/${name}`
      if (item.isDirectory()) {
        if (inside !== this.#options.storeDir) await this.#folder(inside, `${path}/`, rules)
        continue
      }
      const stats = statAt(inside)
      if (stats) this.#take(inside, path, stats)
    }
    if (prefix !== '' && this.files.length === before && this.ignored === ignoredBefore && items.length === 0)
      this.#emptyFolder(source, prefix.slice(0, -1))
  }

  #emptyFolder(source: string, path: string): void {
    const stats = statAt(source)
    if (stats) this.files.push({ path, source, kind: 'folder', isExecutable: false, stat: statOf(stats) })
  }

  #take(source: string, path: string, stats: BigIntStats): void {
    const kind = stats.isFile() ? 'file' : stats.isSymbolicLink() ? 'link' : undefined
    if (kind === undefined) throw new MillraceError('MR_FILES_SPECIAL', { path: source, kind: kindOf(stats) })
    this.files.push({
      path,
      source,
      kind,
      isExecutable: (Number(stats.mode) & 0o111) !== 0,
      stat: statOf(stats),
    })
  }

  async #turn(): Promise<void> {
    if (performance.now() < this.#turnAt) return
    this.#options.signal.throwIfAborted()
    this.#options.onFiles(this.files.length)
    await turn()
    this.#turnAt = performance.now() + FILE_LIMITS.turnMs
  }
}

function listFolder(path: string) {
  try {
    return readdirSync(path, { withFileTypes: true })
  } catch (thrown) {
    throw fault(thrown, path, 'read')
  }
}

function readIgnore(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (thrown) {
    throw fault(thrown, path, 'read')
  }
}

/** Undefined for what is not there, or went away meanwhile. */
export function statAt(path: string): BigIntStats | undefined {
  try {
    return lstatSync(path, { bigint: true, throwIfNoEntry: false })
  } catch (thrown) {
    if (codeOf(thrown) === 'ENAMETOOLONG' || codeOf(thrown) === 'ENOTDIR') return undefined
    throw fault(thrown, path, 'look at')
  }
}

function kindOf(stats: BigIntStats): string {
  if (stats.isFIFO()) return 'a pipe'
  if (stats.isSocket()) return 'a socket'
  return stats.isBlockDevice() || stats.isCharacterDevice() ? 'a device' : 'no file'
}
