/** Factorisation machines over rows of features: the hashed space is decided first, then rows are gone through in orders by chance until the validation rows say enough. */
import { MillraceError } from '../../core/errors.ts'
import { seededRng, shuffle } from '../../core/rng.ts'
import { factors } from '../../define/trainers.ts'
import type { FactorModel } from '../../model/factors.ts'
import { FACTOR_LIMITS } from '../../model/forms/factors.ts'
import { HASHED_LIMITS } from '../../model/forms/hashed-space.ts'
import { rowHasher } from '../../model/hashing.ts'
import { predictColumns } from '../../model/predict.ts'
import { checkRowsToLearn } from '../checks.ts'
import { type FtrlData, hashedSpace, type SpaceParams, targetScale } from '../ftrl/space.ts'
import type { LearnRows } from '../learner.ts'
import { type FactorRates, type FactorRows, type FactorState, learnFactors, openFactors } from './core.ts'

export interface FactorParams extends FactorRates, Omit<SpaceParams, 'interactions'> {
  /** `logloss` takes targets in [0, 1], `l2` any finite number. */
  loss: 'logloss' | 'l2'
  /** Passes over the rows at most. Default: 50. */
  passes: number
  /** Passes without a lower loss on the validation rows after which it ends with the best; 0 never. Default: 3. */
  patience: number
}

const { kind: _, ...WRITTEN } = factors()
/** Those of a config that says nothing. */
export const FACTOR_DEFAULTS: Omit<FactorParams, 'loss'> = { ...WRITTEN, signed: false, seed: 1 }

interface Watched {
  validate?: LearnRows
  /** Mean loss of outputs; needed with `validate`. */
  lossOf?: (outputs: Float64Array, target: Float64Array) => number
  onProgress?: (done: number) => void
  signal?: AbortSignal
}

/**
 * Learns a factorisation machine.
 *
 * Shapes: `columns` `[nFeatures][nRows]`, NaN where missing; categories are codes or hashes. For `l2` the target is standardised over the rows.
 * Errors: MR_MODEL_NO_ROWS, MR_MODEL_SHAPE, MR_MODEL_PARAM, MR_MODEL_TARGET, MR_MODEL_ONE_CLASS, MR_MODEL_WEIGHT.
 * Pure and reproducible: the same rows and seed give the same bytes on each machine. Cost: O(passes * nRows * nFeatures * factors).
 */
export function trainFactors(
  data: FtrlData,
  given: Partial<FactorParams> & Pick<FactorParams, 'loss'>,
  { validate, lossOf, onProgress, signal }: Watched = {},
): FactorModel {
  const params = { ...FACTOR_DEFAULTS, ...given }
  checkParams(params)
  checkRowsToLearn(data, params.loss === 'logloss' ? 'probability' : 'number')
  const scaled = params.loss === 'l2' ? targetScale(data) : { offset: 0, scale: 1 }
  const space = hashedSpace(data, { ...params, interactions: [] })
  const link = params.loss === 'logloss' ? 'sigmoid' : 'identity'
  const { factors, learningRate, l2, l2Vectors } = params
  const state = openFactors(2 ** params.bits, { factors, learningRate, l2, l2Vectors }, link, params.seed)
  const rows = hashedRows(data, space, scaled)
  const shape = { nFeatures: data.columns.length, link, space, factors, ...scaled } as const
  const rng = seededRng(params.seed)
  let best: { model: FactorModel; loss: number; pass: number } | undefined
  for (let pass = 1; pass <= params.passes; pass++) {
    signal?.throwIfAborted()
    learnFactors(state, rows, shuffled(data.nRows, rng))
    onProgress?.(pass / params.passes)
    if (!validate || !lossOf || validate.nRows === 0 || params.patience === 0) continue
    const model = modelOf(state, shape)
    const loss = lossOf(
      predictColumns({ model, calibration: null }, validate.columns, validate.nRows),
      validate.target,
    )
    if (!best || loss < best.loss) best = { model, loss, pass }
    else if (pass - best.pass >= params.patience) break
  }
  return best?.model ?? modelOf(state, shape)
}

function checkParams(params: FactorParams): void {
  const need = (holds: boolean, param: string, expected: string, got: unknown) => {
    if (!holds) throw new MillraceError('MR_MODEL_PARAM', { param, expected, got: String(got) })
  }
  const isWhole = (x: number, min: number, max: number) => Number.isInteger(x) && x >= min && x <= max
  const { factors, learningRate, l2, l2Vectors, bits, passes, patience, numbers } = params
  const { bitsMin, bitsMax } = HASHED_LIMITS
  const { factorsMax, valuesMax } = FACTOR_LIMITS
  need(isWhole(factors, 1, factorsMax), 'factors', `an integer from 1 to ${factorsMax}`, factors)
  need(learningRate > 0 && Number.isFinite(learningRate), 'learningRate', 'a number above 0', learningRate)
  need(l2 >= 0 && Number.isFinite(l2), 'l2', 'a number of at least 0', l2)
  need(l2Vectors >= 0 && Number.isFinite(l2Vectors), 'l2Vectors', 'a number of at least 0', l2Vectors)
  need(isWhole(bits, bitsMin, bitsMax), 'bits', `an integer from ${bitsMin} to ${bitsMax}`, bits)
  const values = 2 ** bits * (1 + factors)
  need(values <= valuesMax, '2^bits * (1 + factors)', `at most ${valuesMax}`, values)
  need(isWhole(passes, 1, 100_000), 'passes', 'an integer of at least 1', passes)
  need(isWhole(patience, 0, 100_000), 'patience', 'an integer of at least 0', patience)
  need(numbers === 'bins' || numbers === 'values', 'numbers', 'one of bins, values', numbers)
}

function hashedRows(
  data: FtrlData,
  space: FactorModel['space'],
  { offset, scale }: { offset: number; scale: number },
): FactorRows {
  const hasher = rowHasher(space)
  const { width } = hasher
  const slots = new Int32Array(data.nRows * width)
  const values = new Float64Array(data.nRows * width)
  const row = new Float64Array(data.columns.length)
  for (let i = 0; i < data.nRows; i++) {
    for (let j = 0; j < row.length; j++) row[j] = data.columns[j][i]
    hasher.hash(row, 0, slots, values, i * width)
  }
  return { width, slots, values, target: data.target.map((y) => (y - offset) / scale), weights: data.weights }
}

function shuffled(n: number, rng: ReturnType<typeof seededRng>): Int32Array {
  return shuffle(
    Int32Array.from({ length: n }, (_, i) => i),
    rng,
  )
}

function modelOf(
  { params, met, rates: { factors } }: FactorState,
  shape: Pick<FactorModel, 'nFeatures' | 'link' | 'space' | 'factors' | 'offset' | 'scale'>,
): FactorModel {
  const slots = Uint32Array.from(met.keys()).filter((slot) => met[slot] === 1)
  const weights = new Float64Array(slots.length)
  const vectors = new Float64Array(slots.length * factors)
  slots.forEach((slot, k) => {
    const at = 1 + slot * (1 + factors)
    weights[k] = params[at]
    vectors.set(params.subarray(at + 1, at + 1 + factors), k * factors)
  })
  return { kind: 'FactorModel', nOutputs: 1, ...shape, bias: params[0], slots, weights, vectors }
}
