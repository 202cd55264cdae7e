/** FTRL's kernels in WebAssembly and the memory they work on: the slots of a learner, and room for a piece of its rows. */
import { compileWasm, instantiateWasm, openMemory } from '../../core/wasm.ts'
import type { FtrlModel } from '../../model/ftrl.ts'
import { EXP_FRACTIONS } from '../../stats/exp.ts'
import type { HashedRows } from './hashed-rows.ts'
import { FTRL_KERNELS } from './kernels-wasm.ts'

interface FtrlKernels {
  configure(l1: number, step: number, rest: number, interceptRest: number, fractions: number): void
  learn(
    n: number,
    width: number,
    slots: number,
    values: number,
    target: number,
    weights: number,
    out: number,
    q: number,
    intercept: number,
    w: number,
    logistic: number,
  ): void
}

export interface FtrlWorkshop {
  kernels: FtrlKernels
  buffer: ArrayBuffer
  accumulators: Float64Array
}

/** Address 0 means that there is none, so the tables lie behind it. */
const FRACTIONS_AT = 64
const ROWS_AT = FRACTIONS_AT + EXP_FRACTIONS.length * 8
/** Room for rows: as much as stays in the caches nearest to a core. */
const ROWS_BYTES = 256 * 1024
const SLOTS_AT = ROWS_AT + ROWS_BYTES
/** What a row takes besides its slots: target, weight and raw score. */
const ROW_BYTES = 24
const SLACK_BYTES = 256

let compiled: object | null | undefined

/** `null` where WebAssembly or the memory is not to be had. */
export function openWorkshop(length: number): FtrlWorkshop | null {
  if (compiled === undefined) compiled = compileWasm(FTRL_KERNELS)
  const memory = compiled && openMemory(SLOTS_AT + length * 8)
  if (!memory) return null
  const { buffer } = memory
  new Float64Array(buffer).set(EXP_FRACTIONS, FRACTIONS_AT >> 3)
  return {
    kernels: instantiateWasm<FtrlKernels>(compiled, memory),
    buffer,
    accumulators: new Float64Array(buffer, SLOTS_AT, length),
  }
}

/** Learns from all rows piece by piece; false, with nothing done, where a row is too wide for the room. */
export function learnInWorkshop(
  { kernels, buffer, accumulators }: FtrlWorkshop,
  { rates, link }: Pick<FtrlModel, 'rates' | 'link'>,
  { nRows, width, slots, values, target, weights, intercept = true }: HashedRows,
  out: Float64Array,
): boolean {
  const weightsRoom = ROWS_BYTES - SLACK_BYTES - width * 8
  const pieceRows = Math.floor(weightsRoom / (width * (values ? 12 : 4) + ROW_BYTES))
  if (pieceRows < 1) return false
  const place = placesOf(width, pieceRows, values !== undefined)
  const step = 1 / rates.alpha
  kernels.configure(rates.l1, step, rates.beta * step + rates.l2, rates.beta * step, FRACTIONS_AT)
  const words = new Int32Array(buffer)
  const doubles = new Float64Array(buffer)
  const free = SLOTS_AT + (accumulators.length - 2) * 8
  for (let from = 0; from < nRows; from += pieceRows) {
    const n = Math.min(pieceRows, nRows - from)
    words.set(slots.subarray(from * width, (from + n) * width), place.slots >> 2)
    if (values) doubles.set(values.subarray(from * width, (from + n) * width), place.values >> 3)
    doubles.set(target.subarray(from, from + n), place.target >> 3)
    if (weights) doubles.set(weights.subarray(from, from + n), place.weights >> 3)
    kernels.learn(
      ...([n, width, place.slots, place.values, place.target, weights ? place.weights : 0] as const),
      ...([place.out, SLOTS_AT, intercept ? free : 0, place.scratch, link === 'sigmoid' ? 1 : 0] as const),
    )
    out.set(doubles.subarray(place.out >> 3, (place.out >> 3) + n), from)
  }
  return true
}

/** Where the parts of a piece lie, each on a multiple of 16. */
function placesOf(width: number, pieceRows: number, hasValues: boolean) {
  let at = ROWS_AT
  const take = (bytes: number) => {
    const here = at
    at += Math.ceil(bytes / 16) * 16
    return here
  }
  return {
    scratch: take(width * 8),
    slots: take(pieceRows * width * 4),
    values: hasValues ? take(pieceRows * width * 8) : 0,
    target: take(pieceRows * 8),
    weights: take(pieceRows * 8),
    out: take(pieceRows * 8),
  }
}
