/** What lies in the folders and files that are to be added. */
import { lstatSync, readdirSync, readFileSync, type Stats } from 'node:fs'
import { basename, join, resolve } from 'node:path'
import { setImmediate as turn } from 'node:timers/promises'
import { MillraceError } from '../../core/errors.ts'
import { codeOf, fault } from '../../store/disk/fault.ts'
import { MODE } from './entry.ts'
import { FoundBuilder, FoundFiles, MODES } from './found-files.ts'
import { IGNORE_FILE, IgnoreRules, isNeverTaken } from './ignore.ts'
import { FILE_LIMITS } from './limits.ts'
import { refuseUnkeptPath } from './paths.ts'

/** How the paths of a set hang on what was given: one file, what is in one folder, or several of them under their names. */
export type Shape = 'file' | 'folder' | 'paths'

export interface WalkOptions {
  /** Whole path of a folder that is left out: the store's own. */
  storeDir: string
  signal: AbortSignal
  onFiles: (files: number) => void
}

export interface Walked {
  files: FoundFiles
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
  return {
    files: new FoundFiles(walker.found.finish()),
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
  readonly found = new FoundBuilder()
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
    this.isFolder = stats.isDirectory()
    const isWhole = isOnly && this.isFolder
    this.found.addRoot(isWhole ? { prefix: '', source: `${source}/` } : { prefix: name, source })
    if (this.isFolder) await this.#folder(source, isWhole ? '' : `${name}/`, undefined)
    else this.#take(source, name, stats)
  }

  /** `prefix` is the folder's path in the set with a `/`, or ''. */
  async #folder(source: string, prefix: string, above: IgnoreRules | undefined): Promise<void> {
    await this.#turn()
    const names = listFolder(source)
    const rules = names.includes(IGNORE_FILE)
      ? new IgnoreRules(readIgnore(join(source, IGNORE_FILE)), prefix, above)
      : above
    const before = this.found.length
    const ignoredBefore = this.ignored
    for (const name of names) {
      const path = prefix + name
      const inside = `${source}/${name}`
      const stats = statAt(inside)
      const isFolder = stats?.isDirectory() === true
      if (isFolder && isNeverTaken(name)) continue
      if (rules?.ignores(path, isFolder)) {
        this.ignored++
        continue
      }
      refuseUnkeptPath(path)
      if (stats === undefined) continue
      if (!isFolder) this.#take(inside, path, stats)
      else if (inside !== this.#options.storeDir) await this.#folder(inside, `${path}/`, rules)
    }
    if (prefix !== '' && this.found.length === before && this.ignored === ignoredBefore && names.length === 0)
      this.#emptyFolder(source, prefix.slice(0, -1))
  }

  #emptyFolder(source: string, path: string): void {
    const stats = statAt(source)
    if (stats) this.found.add(path, MODES.indexOf(MODE.folder), stats)
  }

  #take(source: string, path: string, stats: Stats): void {
    const mode = stats.isFile() ? modeOf(stats) : stats.isSymbolicLink() ? LINK : -1
    if (mode < 0) throw new MillraceError('MR_FILES_SPECIAL', { path: source, kind: kindOf(stats) })
    this.found.add(path, mode, stats)
  }

  async #turn(): Promise<void> {
    if (performance.now() < this.#turnAt) return
    this.#options.signal.throwIfAborted()
    this.#options.onFiles(this.found.length)
    await turn()
    this.#turnAt = performance.now() + FILE_LIMITS.turnMs
  }
}

const [FILE, EXECUTABLE, LINK] = [MODE.file, MODE.executable, MODE.link].map((mode) => MODES.indexOf(mode))

const modeOf = ({ mode }: Stats): number => ((mode & 0o111) === 0 ? FILE : EXECUTABLE)

/** Ordered by code units, so that what is found is in the order of paths but for names that go on before `/`. */
function listFolder(path: string): string[] {
  try {
    return readdirSync(path).sort()
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

const QUIET = { throwIfNoEntry: false } as const

/** Undefined for what is not there, or went away meanwhile. */
export function statAt(path: string): Stats | undefined {
  try {
    return lstatSync(path, QUIET)
  } catch (thrown) {
    if (codeOf(thrown) === 'ENAMETOOLONG' || codeOf(thrown) === 'ENOTDIR') return undefined
    throw fault(thrown, path, 'look at')
  }
}

function kindOf(stats: Stats): string {
  if (stats.isFIFO()) return 'a pipe'
  if (stats.isSocket()) return 'a socket'
  return stats.isBlockDevice() || stats.isCharacterDevice() ? 'a device' : 'no file'
}
