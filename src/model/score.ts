import { MillraceError } from '../core/errors.ts'
import { type CompiledTrees, compileTrees, rawOfRow, rawOfRows } from './tree-walk.ts'
import type { Calibration, LinearModel, TreeEnsemble } from './trees.ts'

/** A model that this package scores by itself. */
export type Model = TreeEnsemble | LinearModel

/** Rows of features: row-major `[n * nFeatures]`, or one column a feature. NaN where missing; category features hold codes. */
export type FeatureRows = Float64Array | readonly Float64Array[]

/**
 * Scores rows of features. `raw…` give the raw score (log-odds, or the value); `score…` the output: link, then calibration.
 * A row and a batch give the same bits. Not to be shared between threads: a scorer owns scratch memory.
 * Errors: MR_MODEL_SHAPE when a row, a column or `out` is too short.
 */
export interface Scorer {
  readonly nFeatures: number
  scoreRow(x: Float64Array): number
  rawRow(x: Float64Array): number
  /** Fills `out[0, n)`. */
  scoreBatch(rows: FeatureRows, n: number, out: Float64Array): void
  rawBatch(rows: FeatureRows, n: number, out: Float64Array): void
}

/** Rows that are scored together: their features stay in cache while all trees pass over them. */
const BLOCK_ROWS = 256

/** Prepares a model for scoring. Trees are summed in their order in doubles, so scores do not depend on batch size. Cost: O(nodes). */
export function compileScorer(model: Model, calibration?: Calibration | null): Scorer {
  const kernel = model.kind === 'TreeEnsemble' ? treeKernel(compileTrees(model)) : linearKernel(model)
  const finish = outputOf(model.link, calibration ?? null)
  const { nFeatures } = model
  const rawRow = (x: Float64Array) => {
    if (x.length < nFeatures) throw tooShort('row', nFeatures, x.length)
    return kernel.row(x)
  }
  const rawBatch = (rows: FeatureRows, n: number, out: Float64Array) => {
    checkBatch(rows, n, out, nFeatures)
    if (rows instanceof Float64Array) kernel.rows(rows, n, out)
    else scoreColumns(kernel, rows, n, out, nFeatures)
  }
  return {
    nFeatures,
    rawRow,
    rawBatch,
    scoreRow: (x) => finish(rawRow(x)),
    scoreBatch: (rows, n, out) => {
      rawBatch(rows, n, out)
      for (let i = 0; i < n; i++) out[i] = finish(out[i])
    },
  }
}

/** Raw scores of one row, and of `n` rows that lie row by row. */
interface Kernel {
  row(x: Float64Array): number
  rows(rows: Float64Array, n: number, out: Float64Array): void
}

function treeKernel(trees: CompiledTrees): Kernel {
  return { row: (x) => rawOfRow(trees, x), rows: (rows, n, out) => rawOfRows(trees, rows, n, out) }
}

function linearKernel({ weights, missing, intercept, nFeatures }: LinearModel): Kernel {
  const rawAt = (rows: Float64Array, at: number) => {
    let sum = intercept
    for (let j = 0; j < nFeatures; j++) {
      const x = rows[at + j]
      sum += weights[j] * (Number.isNaN(x) ? missing[j] : x)
    }
    return sum
  }
  return {
    row: (x) => rawAt(x, 0),
    rows: (rows, n, out) => {
      for (let i = 0; i < n; i++) out[i] = rawAt(rows, i * nFeatures)
    },
  }
}

function scoreColumns(
  kernel: Kernel,
  columns: readonly Float64Array[],
  n: number,
  out: Float64Array,
  width: number,
): void {
  const block = new Float64Array(Math.min(n, BLOCK_ROWS) * width)
  for (let from = 0; from < n; from += BLOCK_ROWS) {
    const size = Math.min(BLOCK_ROWS, n - from)
    for (let j = 0; j < width; j++) {
      const column = columns[j]
      for (let i = 0; i < size; i++) block[i * width + j] = column[from + i]
    }
    kernel.rows(block, size, out.subarray(from, from + size))
  }
}

function checkBatch(rows: FeatureRows, n: number, out: Float64Array, nFeatures: number): void {
  if (out.length < n) throw tooShort('out', n, out.length)
  if (rows instanceof Float64Array) {
    if (rows.length < n * nFeatures) throw tooShort('rows', n * nFeatures, rows.length)
    return
  }
  if (rows.length < nFeatures) throw tooShort('columns', nFeatures, rows.length)
  for (let j = 0; j < nFeatures; j++) if (rows[j].length < n) throw tooShort(`column ${j}`, n, rows[j].length)
}

function tooShort(what: string, expected: number, got: number): MillraceError {
  return new MillraceError('MR_MODEL_SHAPE', { what, expected, got })
}

// ---------------------------------------------------------------- outputs

function outputOf(link: Model['link'], calibration: Calibration | null): (raw: number) => number {
  const linked = LINKS[link]
  if (calibration === null || calibration.kind === 'none') return linked
  const { x, y } = calibration
  return (raw) => interpolate(x, y, linked(raw))
}

/** From raw score to output. */
export const LINKS: Record<Model['link'], (raw: number) => number> = {
  identity: (raw) => raw,
  sigmoid: (raw) => (raw >= 0 ? 1 / (1 + Math.exp(-raw)) : 1 - 1 / (1 + Math.exp(raw))),
  exp: Math.exp,
}

/** Output of a calibration: linear between its points, flat beyond its ends, NaN for NaN. Cost: O(log points). */
export function calibrate(calibration: Calibration, output: number): number {
  return calibration.kind === 'none' ? output : interpolate(calibration.x, calibration.y, output)
}

function interpolate(x: readonly number[], y: readonly number[], at: number): number {
  if (!(at > x[0])) return Number.isNaN(at) ? at : y[0]
  let low = 0
  let high = x.length - 1
  if (at >= x[high]) return y[high]
  while (high - low > 1) {
    const middle = (low + high) >> 1
    if (x[middle] <= at) low = middle
    else high = middle
  }
  return y[low] + ((y[high] - y[low]) * (at - x[low])) / (x[high] - x[low])
}
