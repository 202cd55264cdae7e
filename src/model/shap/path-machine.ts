/** Plans of paths and pairs, laid out for kernels/shap.ts and as plain loops of the same bits. */
import {
  ENTER,
  FIRST,
  LEAF,
  nodeDoubles,
  OP_WORDS,
  PAIR_WORDS,
  type PairPlan,
  type PathPlan,
  TEST_WORDS,
} from './paths.ts'
import type { RankedRows } from './ranks.ts'

const HEADER_BYTES = 48
/** Rows that the kernel takes together. */
const LANES = 8

const even = (bytes: number) => Math.ceil(bytes / 16) * 16

// ---------------------------------------------------------------- WebAssembly

/** Bytes of a plan's program with the coefficients, without the space it works in. A multiple of 16. */
export function pathBytes({ tests, ops, coefficients }: PathPlan): number {
  return HEADER_BYTES + even(tests.length * 4) + even(ops.length * 4) + even(coefficients.length * 8)
}

/** Bytes that a plan works in: states, products and sums of eight rows. */
export function pathScratchBytes({ nNodes, nPoints, depth }: PathPlan): number {
  return (nNodes + 1) * 32 + 2 * (depth + 1) * LANES * nPoints * 8
}

/** Writes a program to `at`, for ranks whose columns are `columnBytes` apart. Both places are multiples of 16. */
export function writePaths(
  buffer: ArrayBuffer,
  at: number,
  plan: PathPlan,
  { columnBytes, scratchAt }: { columnBytes: number; scratchAt: number },
): void {
  const { nNodes, nPoints, depth, tests, ops, coefficients } = plan
  const testsAt = at + HEADER_BYTES
  const opsAt = testsAt + even(tests.length * 4)
  const coefficientsAt = opsAt + even(ops.length * 4)
  const productsAt = scratchAt + (nNodes + 1) * 32
  const words = new Int32Array(buffer)
  words.set(
    [
      nNodes,
      ops.length / OP_WORDS,
      nPoints * 8,
      testsAt,
      opsAt,
      coefficientsAt,
      scratchAt,
      productsAt,
      productsAt + (depth + 1) * LANES * nPoints * 8,
    ],
    at >> 2,
  )
  for (let k = 0, to = testsAt >> 2; k < tests.length; k += TEST_WORDS, to += TEST_WORDS) {
    words[to] = tests[k] * columnBytes
    words[to + 1] = tests[k + 1]
    words[to + 2] = tests[k + 2]
    words[to + 3] = tests[k + 3] * 32
  }
  words.set(ops, opsAt >> 2)
  new Float64Array(buffer).set(coefficients, coefficientsAt >> 3)
}

export interface PlacedPairs {
  root: number
  sides: number
  weights: number
  weightBytes: number
  end: number
}

/** Where the parts of pairs go from `at` on. */
export function placePairs(plan: PairPlan, at: number, nFeatures: number): PlacedPairs {
  const weights = at + plan.words.length * 4
  const sides = weights + even(plan.weights.length * 8)
  return { root: at, weights, weightBytes: plan.side * 8, sides, end: sides + even(nFeatures) }
}

export function writePairs(
  buffer: ArrayBuffer,
  { root, sides, weights, end }: PlacedPairs,
  plan: PairPlan,
  { columnBytes, otherBytes }: { columnBytes: number; otherBytes: number },
): void {
  const words = new Int32Array(buffer)
  const doubles = new Float64Array(buffer)
  const child = (node: number) => (node < 0 ? 0 : root + node * PAIR_WORDS * 4)
  plan.values.forEach((value, node) => {
    const from = node * PAIR_WORDS
    const to = (root >> 2) + from
    words[to] = plan.words[from] * columnBytes
    words[to + 1] = plan.words[from + 1] * otherBytes
    words[to + 2] = plan.words[from + 2]
    words[to + 3] = plan.words[from + 3]
    words[to + 4] = child(plan.words[from + 4])
    words[to + 5] = child(plan.words[from + 5])
    doubles[(to + 6) >> 1] = value
  })
  doubles.set(plan.weights, weights >> 3)
  new Uint8Array(buffer, sides, end - sides).fill(0)
}

// ---------------------------------------------------------------- plain loops

/** Where contributions of row `i` to a feature go: `sums[first + feature * step + i]`. */
export interface SumPlace {
  sums: Float64Array
  first: number
  step: number
}

/** Adds contributions of rows `[from, from + n)` by a plan of paths. */
export function addPathsPlainly(
  plan: PathPlan,
  { ranks, stride }: Pick<RankedRows, 'ranks' | 'stride'>,
  from: number,
  n: number,
  { sums, first, step }: SumPlace,
): void {
  const { nNodes, nPoints, depth, ops, coefficients } = plan
  const size = nodeDoubles(nPoints)
  const met = new Uint8Array(nNodes + 1).fill(1)
  const states = new Uint8Array(nNodes + 1)
  const products = new Float64Array((depth + 1) * nPoints)
  const totals = new Float64Array((depth + 1) * nPoints)
  products.set(coefficients.subarray(0, nPoints))
  for (let i = 0; i < n; i++) {
    findStates(plan, ranks, stride, from + i, met, states)
    for (let op = 0; op < ops.length; op += OP_WORDS) {
      const [kind, node, level, feature] = ops.subarray(op, op + OP_WORDS)
      const state = states[node]
      const at = node * size
      const own = level * nPoints
      if (kind === ENTER) {
        passDown(products, own - nPoints, products, own, coefficients, at, state, nPoints)
        continue
      }
      if (kind & LEAF) passDown(products, own - nPoints, totals, own, coefficients, at, state, nPoints)
      const worth = at + (state + 2) * nPoints
      sums[first + feature * step + i] += state === 2 ? 0 : worthOf(totals, own, coefficients, worth, nPoints)
      for (let q = 0; q < nPoints; q++) {
        const sum = totals[own + q]
        totals[own - nPoints + q] = kind & FIRST ? sum : totals[own - nPoints + q] + sum
      }
    }
  }
}

function findStates(
  { tests }: PathPlan,
  ranks: Uint16Array,
  stride: number,
  row: number,
  met: Uint8Array,
  states: Uint8Array,
): void {
  for (let node = 1, k = 0; k < tests.length; node++, k += TEST_WORDS) {
    const before = met[tests[k + 3]]
    const holds = ranks[tests[k] * stride + row] <= tests[k + 1] !== (tests[k + 2] !== 0)
    met[node] = holds ? before : 0
    states[node] = 2 - met[node] - before
  }
}

function passDown(
  from: Float64Array,
  fromAt: number,
  to: Float64Array,
  toAt: number,
  coefficients: Float64Array,
  at: number,
  state: number,
  nPoints: number,
): void {
  const ratio = coefficients[at + 4 * nPoints]
  for (let q = 0; q < nPoints; q++)
    to[toAt + q] = from[fromAt + q] * (state === 2 ? ratio : coefficients[at + state * nPoints + q])
}

/** In two lanes, as the kernel. */
function worthOf(
  sums: Float64Array,
  at: number,
  coefficients: Float64Array,
  worth: number,
  nPoints: number,
): number {
  let a = 0
  let b = 0
  for (let q = 0; q < nPoints; q += 2) {
    a += sums[at + q] * coefficients[worth + q]
    b += sums[at + q + 1] * coefficients[worth + q + 1]
  }
  return a + b
}

/** Adds contributions of rows `[from, from + n)` against all background rows. */
export function addPairsPlainly(
  { words, values, weights, side }: PairPlan,
  rows: RankedRows,
  others: RankedRows,
  from: number,
  n: number,
  { sums, first, step }: SumPlace,
): void {
  const sides = new Map<number, 1 | 2>()
  let lost = 0
  const walk = (start: number, i: number, z: number, nRow: number, nOther: number): number => {
    for (let node = start; node >= 0; ) {
      const w = node * PAIR_WORDS
      const [left, right] = [words[w + 4], words[w + 5]]
      if (left < 0 && right < 0) {
        lost = nOther > 0 ? values[node] * weights[nRow * side + nOther - 1] : 0
        return nRow > 0 ? values[node] * weights[(nRow - 1) * side + nOther] : 0
      }
      const a = rows.ranks[words[w] * rows.stride + from + i] <= words[w + 2] ? left : right
      const b = others.ranks[words[w] * others.stride + z] <= words[w + 2] ? left : right
      const feature = words[w + 3]
      const taken = sides.get(feature)
      if (a === b) node = a
      else if (taken !== undefined) node = taken === 1 ? a : b
      else {
        sides.set(feature, 1)
        const gained = walk(a, i, z, nRow + 1, nOther)
        const lostThere = lost
        sums[first + feature * step + i] += gained
        sides.set(feature, 2)
        const more = walk(b, i, z, nRow, nOther + 1)
        sums[first + feature * step + i] -= lost
        sides.delete(feature)
        lost += lostThere
        return gained + more
      }
    }
    lost = 0
    return 0
  }
  for (let i = 0; i < n; i++) for (let z = 0; z < others.n; z++) walk(0, i, z, 0, 0)
}
