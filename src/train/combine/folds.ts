/** Folds of rows: what is learned from, and what is predicted then. */
import { mix32 } from '../../core/rng.ts'

export interface Fold {
  /** Rows to learn from and to predict, ascending; none is in both. */
  learn: Int32Array
  predict: Int32Array
}

/**
 * Divides rows, given in their order. `blocks`: `folds + 1` blocks of about equal size, each but the first predicted from all before it, so that no row is predicted from a
 * later one. `random`: each row is in one of `folds` by a hash of its place and the seed, and predicted from the others. Folds without rows to learn from are left out.
 */
export function foldsOf(rows: Int32Array, folds: number, order: 'blocks' | 'random', seed: number): Fold[] {
  const made =
    order === 'blocks'
      ? Array.from({ length: folds }, (_, f): Fold => {
          const [from, to] = [f + 1, f + 2].map((b) => Math.floor((b * rows.length) / (folds + 1)))
          return { learn: rows.subarray(0, from), predict: rows.subarray(from, to) }
        })
      : Array.from({ length: folds }, (_, f): Fold => {
          const isIn = (row: number) => mix32(row ^ mix32(seed)) % folds === f
          return { learn: rows.filter((row) => !isIn(row)), predict: rows.filter(isIn) }
        })
  return made.filter(({ learn, predict }) => learn.length > 0 && predict.length > 0)
}
