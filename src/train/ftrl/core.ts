/** The learning step of FTRL-proximal over rows that are hashed already. */
import type { FtrlModel, FtrlRates } from '../../model/ftrl.ts'
import { sigmoidFast } from '../../stats/exp.ts'
import type { HashedRows } from './hashed-rows.ts'
import { type FtrlWorkshop, learnInWorkshop, openWorkshop } from './workshop.ts'

/** Accumulators of every slot side by side, `[z, root, z, root, …]`: one line of memory holds all that a step needs of a slot. The last slot is the intercept. */
export interface FtrlState {
  bits: number
  rates: FtrlRates
  link: FtrlModel['link']
  accumulators: Float64Array
  rows: number
  /** The memory of the kernels that `accumulators` lies in; `null`: plain loops learn. */
  workshop: FtrlWorkshop | null
}

/** A learner that has met nothing. `wasm` falls back to `js` where the platform lacks SIMD or the memory; both give the same bits. */
export function openFtrl(
  bits: number,
  rates: FtrlRates,
  link: FtrlModel['link'],
  kernels: 'wasm' | 'js' = 'wasm',
): FtrlState {
  const length = 2 * (2 ** bits + 1)
  const workshop = kernels === 'wasm' ? openWorkshop(length) : null
  const accumulators = workshop?.accumulators ?? new Float64Array(length)
  return { bits, rates, link, accumulators, rows: 0, workshop }
}

/**
 * Learns from rows one by one, each once and in order, and says what the model thought of each before it learned from it.
 *
 * Shapes: `out` `[nRows]` gets the raw scores (log-odds for `sigmoid`). A slot that a row has twice is stepped twice, with the weight it had before the row.
 * The same rows in the same order give the same bits, however they are cut into calls. Cost: one division and one root a slot.
 * Source: McMahan et al. 2013, algorithm 1. Convention: the sum of squared gradients is kept as its root; the intercept has no penalty.
 */
export function learnHashed(state: FtrlState, rows: HashedRows, out: Float64Array): void {
  if (!state.workshop || !learnInWorkshop(state.workshop, state, rows, out)) learnPlainly(state, rows, out)
  state.rows += rows.nRows
}

function learnPlainly(state: FtrlState, rows: HashedRows, out: Float64Array): void {
  const step = stepperOf(state, rows)
  const { target, weights, intercept = true } = rows
  const free = intercept ? freeStepper(state) : undefined
  for (let i = 0; i < rows.nRows; i++) {
    const raw = step.score(i) + (free ? free.weight() : 0)
    out[i] = raw
    const slope = slopeOf(state.link, raw, target[i]) * (weights ? weights[i] : 1)
    step.learn(i, slope)
    free?.learn(slope)
  }
}

/** Gradient of the loss by the raw score. */
function slopeOf(link: FtrlState['link'], raw: number, target: number): number {
  return (link === 'identity' ? raw : sigmoidFast(raw)) - target
}

/** The two passes over a row's slots: the sum of their weights, which are kept, and the step of each. */
interface Stepper {
  score(row: number): number
  learn(row: number, slope: number): void
}

function stepperOf({ accumulators: q, rates }: FtrlState, { width, slots, values }: HashedRows): Stepper {
  const { l1, l2, beta } = rates
  const rate = 1 / rates.alpha
  const rest = beta * rate + l2
  const w = new Float64Array(width)
  const plain: Stepper = {
    score(row) {
      let raw = 0
      for (let k = 0, from = row * width; k < width; k++) {
        const at = 2 * slots[from + k]
        const z = q[at]
        const weight = (Math.max(-l1, Math.min(l1, z)) - z) / (q[at + 1] * rate + rest)
        w[k] = weight
        raw += weight
      }
      return raw
    },
    learn(row, slope) {
      const square = slope * slope
      for (let k = 0, from = row * width; k < width; k++) {
        const at = 2 * slots[from + k]
        const root = q[at + 1]
        const grown = Math.sqrt(root * root + square)
        q[at] += slope - (grown - root) * rate * w[k]
        q[at + 1] = grown
      }
    },
  }
  if (!values) return plain
  return {
    score(row) {
      plain.score(row)
      let raw = 0
      for (let k = 0, from = row * width; k < width; k++) raw += w[k] * values[from + k]
      return raw
    },
    learn(row, slope) {
      for (let k = 0, from = row * width; k < width; k++) {
        const g = slope * values[from + k]
        const at = 2 * slots[from + k]
        const root = q[at + 1]
        const grown = Math.sqrt(root * root + g * g)
        q[at] += g - (grown - root) * rate * w[k]
        q[at + 1] = grown
      }
    },
  }
}

/** The intercept: the last slot, with value 1 and without penalty. */
function freeStepper({ accumulators: q, rates }: FtrlState) {
  const at = q.length - 2
  const rate = 1 / rates.alpha
  const weight = () => -q[at] / (q[at + 1] * rate + rates.beta * rate)
  return {
    weight,
    learn(slope: number) {
      const before = weight()
      const grown = Math.sqrt(q[at + 1] * q[at + 1] + slope * slope)
      q[at] += slope - (grown - q[at + 1]) * rate * before
      q[at + 1] = grown
    },
  }
}

/** The slots that were met, ascending, and what they hold. */
export function sparseOf({ accumulators }: FtrlState): Pick<FtrlModel, 'slots' | 'z' | 'roots'> {
  const met: number[] = []
  for (let at = 0; at < accumulators.length; at += 2) if (accumulators[at + 1] > 0) met.push(at / 2)
  const slots = Uint32Array.from(met)
  return {
    slots,
    z: Float64Array.from(slots, (slot) => accumulators[2 * slot]),
    roots: Float64Array.from(slots, (slot) => accumulators[2 * slot + 1]),
  }
}

/** The state that a model was left in. */
export function stateOf(
  { space, rates, link, rows, slots, z, roots }: FtrlModel,
  kernels?: 'wasm' | 'js',
): FtrlState {
  const state = { ...openFtrl(space.bits, rates, link, kernels), rows }
  for (let k = 0; k < slots.length; k++) {
    state.accumulators[2 * slots[k]] = z[k]
    state.accumulators[2 * slots[k] + 1] = roots[k]
  }
  return state
}
