import { between } from '../checks.ts'
import type { SectionReader } from '../form.ts'

/** Takes a section piece by piece, in the order in which the pieces were joined. */
export interface Pieces {
  /** The next `n` values, a view. Errors: MR_MODEL_INVALID when there are fewer. */
  next(n: number): Float64Array
  /** Errors: MR_MODEL_FORMAT when values are left. */
  finish(): void
}

export function pieces(arrays: SectionReader, name: string): Pieces {
  const all = arrays.take(name)
  let at = 0
  return {
    next: (n) => {
      between(`${name} length`, at, n, 0, all.length - at)
      at += n
      return all.subarray(at - n, at)
    },
    finish: () => arrays.expect(name, at, all.length),
  }
}
