/** FTRL-proximal over rows of features: the hashed space is decided on the first rows, then rows are learned from one by one. */
import { MillraceError } from '../../core/errors.ts'
import { ftrl } from '../../define/trainers.ts'
import { HASHED_LIMITS } from '../../model/forms/hashed-space.ts'
import type { FtrlModel, FtrlRates } from '../../model/ftrl.ts'
import { isAllOnes, rowHasher } from '../../model/hashing.ts'
import { checkRowsToLearn } from '../checks.ts'
import type { LearnRows } from '../learner.ts'
import { type FtrlState, learnHashed, sparseOf, stateOf } from './core.ts'
import { type FtrlData, hashedSpace, type SpaceParams, targetScale } from './space.ts'

export interface FtrlParams extends FtrlRates, SpaceParams {
  /** `logloss` takes targets in [0, 1], `l2` any finite number. */
  loss: 'logloss' | 'l2'
  /** How often all rows are gone through. Default: 1. */
  passes: number
}

const { kind: _, ...WRITTEN } = ftrl()
/** Those of a config that says nothing. */
export const FTRL_DEFAULTS: Omit<FtrlParams, 'loss'> = { ...WRITTEN, interactions: [], seed: 1 }

/** Rows between two looks at the clock of the caller. */
const CHUNK_ROWS = 8_192

/** Rows below which a memory for the kernels costs more than they save: a model that learns while it serves takes a few hundred at a time. */
const KERNEL_ROWS_MIN = 20_000
const kernelsFor = ({ nRows }: LearnRows) => (nRows < KERNEL_ROWS_MIN ? 'js' : 'wasm')

interface Watched {
  onProgress?: (done: number) => void
  signal?: AbortSignal
}

/**
 * Learns a model from rows in their order.
 *
 * Shapes: `columns` `[nFeatures][nRows]`, NaN where missing; categories are codes or hashes. For `l2` the target is standardised by its mean and deviation over the
 * rows. Errors: MR_MODEL_NO_ROWS, MR_MODEL_SHAPE, MR_MODEL_PARAM, MR_MODEL_TARGET, MR_MODEL_ONE_CLASS, MR_MODEL_WEIGHT.
 * Pure and reproducible: the same rows give the same bytes on each machine. Cost: O(passes * nRows * (nFeatures + pairs)).
 */
export function trainFtrl(
  data: FtrlData,
  given: Partial<FtrlParams> & Pick<FtrlParams, 'loss'>,
  watched: Watched = {},
): FtrlModel {
  const params = { ...FTRL_DEFAULTS, ...given }
  checkParams(params)
  checkRowsToLearn(data, params.loss === 'logloss' ? 'probability' : 'number')
  const space = hashedSpace(data, params)
  const { offset, scale } = params.loss === 'l2' ? targetScale(data) : { offset: 0, scale: 1 }
  const { alpha, beta, l1, l2 } = params
  const fresh: FtrlModel = {
    kind: 'FtrlModel',
    nFeatures: data.columns.length,
    nOutputs: 1,
    link: params.loss === 'logloss' ? 'sigmoid' : 'identity',
    space,
    rates: { alpha, beta, l1, l2 },
    offset,
    scale,
    rows: 0,
    slots: new Uint32Array(0),
    z: new Float64Array(0),
    roots: new Float64Array(0),
  }
  const state = stateOf(fresh, kernelsFor(data))
  for (let pass = 0; pass < params.passes; pass++)
    learnInto(state, fresh, data, {
      ...watched,
      onProgress: (done) => watched.onProgress?.((pass + done) / params.passes),
    })
  return { ...fresh, rows: state.rows, ...sparseOf(state) }
}

/**
 * The model after more rows, and the raw scores it gave each of them before it learned from it. The model given is left as it was.
 * Errors: as `trainFtrl`, but that one class is enough.
 */
export function continueFtrl(model: FtrlModel, rows: LearnRows): { model: FtrlModel; raws: Float64Array } {
  checkRowsToLearn(rows, model.link === 'sigmoid' ? 'probability' : 'number', { oneClass: true })
  const state = stateOf(model, kernelsFor(rows))
  const raws = learnInto(state, model, rows)
  return { model: { ...model, rows: state.rows, ...sparseOf(state) }, raws }
}

/** Learns from rows chunk by chunk; returns the raw scores of all. */
function learnInto(
  state: FtrlState,
  model: FtrlModel,
  rows: LearnRows,
  { onProgress, signal }: Watched = {},
): Float64Array {
  const { space, offset, scale } = model
  const hasher = rowHasher(space)
  const raws = new Float64Array(rows.nRows)
  const row = new Float64Array(model.nFeatures)
  const slots = new Int32Array(CHUNK_ROWS * hasher.width)
  const values = isAllOnes(space) ? undefined : new Float64Array(CHUNK_ROWS * hasher.width)
  for (let from = 0; from < rows.nRows; from += CHUNK_ROWS) {
    signal?.throwIfAborted()
    const size = Math.min(CHUNK_ROWS, rows.nRows - from)
    for (let i = 0; i < size; i++) {
      for (let j = 0; j < row.length; j++) row[j] = rows.columns[j][from + i]
      hasher.hash(row, 0, slots, values, i * hasher.width)
    }
    const target = rows.target.subarray(from, from + size).map((y) => (y - offset) / scale)
    const weights = rows.weights?.subarray(from, from + size)
    learnHashed(
      state,
      { nRows: size, width: hasher.width, slots, values, target, weights },
      raws.subarray(from, from + size),
    )
    onProgress?.((from + size) / rows.nRows)
  }
  return raws.map((raw) => offset + scale * raw)
}

function checkParams(params: FtrlParams): void {
  const need = (holds: boolean, param: string, expected: string, got: unknown) => {
    if (!holds) throw new MillraceError('MR_MODEL_PARAM', { param, expected, got: String(got) })
  }
  const { alpha, beta, l1, l2, bits, passes, numbers } = params
  const { bitsMin, bitsMax } = HASHED_LIMITS
  need(alpha > 0 && Number.isFinite(alpha), 'alpha', 'a number above 0', alpha)
  need(beta > 0 && Number.isFinite(beta), 'beta', 'a number above 0', beta)
  need(l1 >= 0 && Number.isFinite(l1), 'l1', 'a number of at least 0', l1)
  need(l2 >= 0 && Number.isFinite(l2), 'l2', 'a number of at least 0', l2)
  need(
    Number.isInteger(bits) && bits >= bitsMin && bits <= bitsMax,
    'bits',
    `an integer from ${bitsMin} to ${bitsMax}`,
    bits,
  )
  need(Number.isInteger(passes) && passes >= 1, 'passes', 'an integer of at least 1', passes)
  need(numbers === 'bins' || numbers === 'values', 'numbers', 'one of bins, values', numbers)
}
