import { assert } from '../core/errors.ts'
import { calibrate } from './calibrations.ts'
import { shapeError } from './checks.ts'
import type { FeatureRows } from './feature-rows.ts'
import type { Kernel, ModelBase, PackedKernel } from './form.ts'
import { formOf, type Model } from './forms/registry.ts'
import { finishRows, LINKS } from './links.ts'
import type { Calibration } from './trees.ts'

export { calibrate } from './calibrations.ts'
export type { FeatureRows } from './feature-rows.ts'
export type { PackedKernel } from './form.ts'
export type { Model } from './forms/registry.ts'
export { LINKS } from './links.ts'

interface Shape {
  readonly nFeatures: number
  readonly nOutputs: number
}

/**
 * Scores rows of features. `raw…` give the raw scores (log-odds, or the value); `score…` the outputs: link, then calibration.
 * A row and a batch give the same bits. Not to be shared between threads: a scorer owns scratch memory.
 * Errors: MR_MODEL_SHAPE when a row, a column or `out` is too short.
 */
export interface Scorer extends Shape {
  /** One number; for models of one output. */
  scoreRow(x: Float64Array): number
  rawRow(x: Float64Array): number
  /** Fills `out[0, n * nOutputs)`, row by row. */
  scoreBatch(rows: FeatureRows, n: number, out: Float64Array): void
  rawBatch(rows: FeatureRows, n: number, out: Float64Array): void
  /** Memory that it takes now: exact for trees, about for other forms. */
  readonly bytes: number
  /** Gives memory outside the JavaScript heap back at once; it is not to be used again. Without this it is given back some time after nobody holds it. */
  close(): void
}

/** Memory that a scorer of a model will take, about. */
export const scorerBytes = (model: Model): number => formOf(model).scorerBytes(model)

/** Rows that are scored together: their features stay in cache while all trees pass over them. */
const BLOCK_ROWS = 256

/** Prepares a model for scoring. Trees are summed in their order in doubles, so scores do not depend on batch size. Cost: O(nodes). */
export function compileScorer(model: Model, calibration?: Calibration | null): Scorer {
  const form = formOf(model)
  return scorerOf(form.kernel(model), model, { calibration, about: () => form.scorerBytes(model) })
}

/** What another thread can make a scorer of without compiling; nothing for models that cannot be handed over so. Cost: O(nodes). */
export const packScorer = (model: Model): PackedKernel | null => formOf(model).pack?.(model) ?? null

/** The scorer of what `packScorer` gave; nothing where there is no memory for it: then the model itself is to be compiled. Scores are those of `compileScorer`, bit for bit. */
export function unpackScorer(packed: PackedKernel): Scorer | null {
  const kernel = formOf(packed.kind)?.unpack?.(packed)
  return kernel ? scorerOf(kernel, packed, { about: () => packed.bytes }) : null
}

function scorerOf(
  kernel: Kernel,
  { nFeatures, nOutputs, link }: ModelBase,
  { calibration, about: aboutBytes }: { calibration?: Calibration | null; about: () => number },
): Scorer {
  const about = kernel.bytes ?? aboutBytes()
  const shape = { nFeatures, nOutputs }
  const one = new Float64Array(1)
  const rawRow = (x: Float64Array) => {
    assert(nOutputs === 1, 'a row has one number where the model has one output')
    if (x.length < nFeatures) throw shapeError('row', nFeatures, x.length)
    if (kernel.row) return kernel.row(x)
    kernel.rows(x, 1, one)
    return one[0]
  }
  const rawBatch = (rows: FeatureRows, n: number, out: Float64Array) => {
    checkBatch(rows, n, out, shape)
    if (rows instanceof Float64Array) kernel.rows(rows, n, out)
    else scoreColumns(kernel, rows, n, out, shape)
  }
  const finish = finishOne(link, calibration ?? null)
  return {
    ...shape,
    get bytes() {
      return kernel.bytes ?? about
    },
    close: () => kernel.close?.(),
    rawRow,
    rawBatch,
    scoreRow: (x) => finish(rawRow(x)),
    scoreBatch: (rows, n, out) => {
      rawBatch(rows, n, out)
      finishRows(out, n, nOutputs, { link, calibration })
    },
  }
}

function finishOne(link: Model['link'], calibration: Calibration | null): (raw: number) => number {
  const linked = LINKS[link]
  return calibration === null ? linked : (raw) => calibrate(calibration, linked(raw))
}

function scoreColumns(
  kernel: Kernel,
  columns: readonly Float64Array[],
  n: number,
  out: Float64Array,
  { nFeatures: width, nOutputs }: Shape,
): void {
  const block = new Float64Array(Math.min(n, BLOCK_ROWS) * width)
  for (let from = 0; from < n; from += BLOCK_ROWS) {
    const size = Math.min(BLOCK_ROWS, n - from)
    for (let j = 0; j < width; j++) {
      const column = columns[j]
      for (let i = 0; i < size; i++) block[i * width + j] = column[from + i]
    }
    kernel.rows(block, size, out.subarray(from * nOutputs, (from + size) * nOutputs))
  }
}

function checkBatch(rows: FeatureRows, n: number, out: Float64Array, { nFeatures, nOutputs }: Shape): void {
  if (out.length < n * nOutputs) throw shapeError('out', n * nOutputs, out.length)
  if (rows instanceof Float64Array) {
    if (rows.length < n * nFeatures) throw shapeError('rows', n * nFeatures, rows.length)
    return
  }
  if (rows.length < nFeatures) throw shapeError('columns', nFeatures, rows.length)
  for (let j = 0; j < nFeatures; j++)
    if (rows[j].length < n) throw shapeError(`column ${j}`, n, rows[j].length)
}
