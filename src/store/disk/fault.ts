import { isMillraceError, MillraceError, toError } from '../../core/errors.ts'

const FULL = new Set(['ENOSPC', 'EDQUOT', 'SQLITE_FULL'])
const FORBIDDEN = new Set(['EACCES', 'EPERM', 'EROFS', 'SQLITE_READONLY', 'SQLITE_PERM', 'SQLITE_CANTOPEN'])
const DAMAGED = new Set(['SQLITE_CORRUPT', 'SQLITE_NOTADB'])

/**
 * Turns what the system or SQLite says into an error of the catalogue, or gives it back as it is. The one
 * place that knows the names ENOSPC, EACCES and their kin. `act` completes "no permission to … <path>".
 */
export function fault(thrown: unknown, path: string, act: string): Error {
  if (isMillraceError(thrown)) return thrown
  const error = toError(thrown)
  const code = codeOf(thrown)
  const base = code.replace(/^(SQLITE_[A-Z]+)_.*$/, '$1')
  if (FULL.has(base)) return new MillraceError('MR_NO_SPACE', { path }, { cause: thrown })
  if (FORBIDDEN.has(base)) return new MillraceError('MR_NO_PERMISSION', { path, act }, { cause: thrown })
  if (DAMAGED.has(base))
    return new MillraceError('MR_STORE_DAMAGED', { path, detail: error.message }, { cause: thrown })
  return error
}

/** Whether it is the disk that has no more, by the system's code or by what the analytics engine says. */
export const isDiskFull = (error: Error): boolean =>
  isMillraceError(error, 'MR_NO_SPACE') ||
  FULL.has(codeOf(error)) ||
  /no space left on device/i.test(error.message)

/** The system's name of an error (`ENOENT`, `SQLITE_BUSY`), or an empty text. */
export function codeOf(thrown: unknown): string {
  const code = (thrown as { code?: unknown } | null)?.code
  return typeof code === 'string' ? code : ''
}

export function isAbsent(thrown: unknown): boolean {
  return codeOf(thrown) === 'ENOENT'
}

/** Another connection holds the database; the same statement will pass later. */
export function isBusy(thrown: unknown): boolean {
  return /^SQLITE_(BUSY|LOCKED)/.test(codeOf(thrown))
}

/** Runs file work and turns what it throws by `fault`. */
export async function faulted<T>(path: string, act: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (thrown) {
    throw fault(thrown, path, act)
  }
}
