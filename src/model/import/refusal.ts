/** What readers of files refuse, and how much they read. */
import { excerpt, MillraceError } from '../../core/errors.ts'

/** How much of a file is read before it is refused; each guards memory or time against a hostile file. */
export const IMPORT_LIMITS = {
  fileBytesMax: 2 ** 29,
  /** Nodes after splits were rewritten and trees with several outputs were taken apart. */
  nodesMax: 2 ** 22,
  /** Deepest nesting of objects and lists in a file. */
  nestingMax: 64,
  /** Classes or targets of one model. */
  outputsMax: 4_096,
  featuresMax: 65_536,
  treesMax: 100_000,
}

/** Refusals of one source, each with its place. */
export type Refuse = (place: string, expected: string, got: string) => MillraceError

export function refuseAs(source: string): Refuse {
  return (place, expected, got) =>
    new MillraceError('MR_MODEL_IMPORT', { source, place, expected, got: excerpt(got) })
}

/** Errors: MR_MODEL_IMPORT when a file is larger than is read. */
export function checkFileBytes(source: string, bytes: number): void {
  if (bytes <= IMPORT_LIMITS.fileBytesMax) return
  throw refuseAs(source)('the file', `at most ${IMPORT_LIMITS.fileBytesMax} bytes`, `${bytes}`)
}
