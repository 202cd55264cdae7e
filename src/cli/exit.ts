/** How a command ends: codes that scripts can use, and what is said of an error. */
import { isMillraceError, MillraceError, toError } from '../core/errors.ts'

export const EXIT = {
  /** It was done. */
  done: 0,
  /** An operating error; its code is on standard error. */
  failed: 1,
  /** The command was written in a way that is not understood. */
  usage: 2,
  /** It ran, and the verdict is no: gates closed, checks failed, objects damaged. */
  refused: 3,
  /** Ctrl-C, or a question was left. */
  cancelled: 130,
} as const

export const EXIT_HELP = `Exit codes: 0 done · 1 an error with a code · 2 not understood · 3 a verdict says no (gates, checks) · 130 cancelled`

/** A question was left, or Ctrl-C came outside any run. */
export class Cancelled extends Error {
  constructor() {
    super('cancelled')
    this.name = 'Cancelled'
  }
}

/** The code an error ends with. `isStopped`: Ctrl-C came, so whatever was thrown since is its consequence. */
export function exitOf(thrown: unknown, isStopped: boolean): number {
  if (isStopped || thrown instanceof Cancelled || isMillraceError(thrown, 'MR_CANCELLED'))
    return EXIT.cancelled
  if (isMillraceError(thrown, 'MR_CLI_USAGE') || isMillraceError(thrown, 'MR_CLI_VALUE')) return EXIT.usage
  const isVerdict =
    isMillraceError(thrown, 'MR_LOOP_GATES_CLOSED') || isMillraceError(thrown, 'MR_DATA_MERGE_CHECKS')
  return isVerdict ? EXIT.refused : EXIT.failed
}

/** Any error as one with a code; the unknown ones keep their cause. */
export function coded(thrown: unknown): MillraceError {
  if (isMillraceError(thrown)) return thrown
  const error = toError(thrown)
  const system = error as NodeJS.ErrnoException
  if (system.code === 'ENOSPC')
    return new MillraceError('MR_NO_SPACE', { path: system.path ?? '.' }, { cause: error })
  if (system.code === 'EACCES' || system.code === 'EPERM' || system.code === 'EROFS')
    return new MillraceError(
      'MR_NO_PERMISSION',
      { path: system.path ?? '.', act: system.syscall === 'open' ? 'write' : (system.syscall ?? 'use') },
      { cause: error },
    )
  return new MillraceError('MR_CLI_FAULT', { why: firstLine(error) }, { cause: error })
}

const firstLine = (error: Error): string => `${error.name}: ${error.message.split('\n', 1)[0].slice(0, 200)}`
