/** Files that say where a model is and what it takes: read up to a size, and never believed about paths. */
import { readFileSync, statSync } from 'node:fs'
import { relative, resolve } from 'node:path'
import { MillraceError, toError } from '../../core/errors.ts'

export function configError(file: string, where: string, need: string, got: string): MillraceError {
  return new MillraceError('MR_REPOSITORY_CONFIG', { file, where, need, got })
}

/** Text of a file. Errors: MR_REPOSITORY_CONFIG for one that is too large, cannot be read, or is no plain file. */
export function configText(file: string, bytesMax: number): string {
  const size = plainFileBytes(file)
  if (size > bytesMax) throw configError(file, 'the file', `at most ${bytesMax} bytes`, `${size}`)
  try {
    return readFileSync(file, 'utf8')
  } catch (thrown) {
    throw configError(file, 'the file', 'one that can be read', toError(thrown).message)
  }
}

/** Bytes of a plain file: a pipe or a device might never end. Errors: MR_REPOSITORY_CONFIG for what is none. */
export function plainFileBytes(file: string): number {
  const found = statSync(file, { throwIfNoEntry: false })
  if (found?.isFile()) return found.size
  throw configError(file, 'the file', 'a plain file', found ? 'a folder, a pipe or a device' : 'nothing')
}

/** A path that `file` names within a folder. Errors: MR_REPOSITORY_CONFIG for a path out of the folder. */
export function inside(folder: string, path: string, file: string): string {
  const found = resolve(folder, path)
  const from = relative(resolve(folder), found)
  if (from !== '' && !from.startsWith('..') && !from.startsWith('/')) return found
  throw configError(file, 'a path', 'a path inside the folder', path)
}
