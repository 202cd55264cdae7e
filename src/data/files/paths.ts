/** Paths of a set: relative, with `/`, and never out of it. */
import { MillraceError } from '../../core/errors.ts'
import { FILE_LIMITS } from './limits.ts'

/** Errors: MR_FILES_PATH for a path that is absolute, climbs out, has an empty step or a byte that no file system takes. */
export function refuseUnsafePath(path: string): void {
  const steps = path.split('/')
  const isSafe = steps.every((step) => step !== '' && step !== '.' && step !== '..') && !UNSAFE.test(path)
  if (!isSafe || (process.platform === 'win32' && /[\\:]/.test(path)))
    throw new MillraceError('MR_FILES_PATH', { path })
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: a byte of zero ends a path on every system
const UNSAFE = /\u0000/

/** Errors: MR_FILES_NAME_BYTES for a name that is no UTF-8, MR_FILES_PATH_LONG. */
export function refuseUnkeptPath(path: string): void {
  if (path.includes('\ufffd')) throw new MillraceError('MR_FILES_NAME_BYTES', { path })
  if (path.length <= FILE_LIMITS.pathBytesMax / 3) return
  const bytes = Buffer.byteLength(path)
  if (bytes > FILE_LIMITS.pathBytesMax)
    throw new MillraceError('MR_FILES_PATH_LONG', { path, bytes, max: FILE_LIMITS.pathBytesMax })
}

/** Order of paths in trees: by code units, the same everywhere. */
export function byPath(a: { path: string }, b: { path: string }): number {
  return a.path < b.path ? -1 : a.path > b.path ? 1 : 0
}

/** Items ordered by path; asked in the order of paths, each costs one comparison. */
export class ByPath<T extends { path: string }> {
  readonly #items: readonly T[]
  #cursor = 0

  constructor(items: readonly T[]) {
    this.#items = items
  }

  find(path: string): T | undefined {
    const items = this.#items
    if (items[this.#cursor]?.path === path) return items[this.#cursor++]
    let [low, high] = [0, items.length - 1]
    while (low <= high) {
      const middle = (low + high) >> 1
      const item = items[middle]
      if (item.path === path) {
        this.#cursor = middle + 1
        return item
      }
      if (item.path < path) low = middle + 1
      else high = middle - 1
    }
    this.#cursor = low
    return undefined
  }
}
