/**
 * The learning step of FTRL-proximal in AssemblyScript: the twin of the plain loops in src/train/ftrl/core.ts, bit for bit.
 *
 * A slot is 16 bytes, `z` and then the root of its summed squares. Slots are taken two at a time, since divisions and roots are what is computed; a row's weights are
 * summed one by one in their order. What a row a few rows on will need is touched early: in a large space each slot is a miss of the caches and of the page tables,
 * and misses that wait together cost as one.
 */

const STEP: f64 = 0.010830424696249145 // ln 2 / 64
const AHEAD: u32 = 2 // rows

let l1: f64 = 0
let rate: f64 = 0
let rest: f64 = 0
let freeRest: f64 = 0
let fractions: usize = 0

/** Loads whose only purpose is to bring a line near; kept so that they are not optimised away. */
export let touched: u32 = 0

/** Settings of a learner: `step = 1 / alpha`; `tables`: address of 64 doubles 2^(i / 64). */
export function configure(penalty: f64, step: f64, weightRest: f64, interceptRest: f64, tables: usize): void {
  l1 = penalty
  rate = step
  rest = weightRest
  freeRest = interceptRest
  fractions = tables
}

function sigmoid(x: f64): f64 {
  const y = Math.max(-60, Math.min(60, -x))
  const n = <i32>Math.floor(y / STEP + 0.5)
  const r = y - <f64>n * STEP
  const poly = 1 + r * (1 + r * (0.5 + r * (1.0 / 6.0 + r * (1.0 / 24.0 + r * (1.0 / 120.0)))))
  const power = reinterpret<f64>((<i64>(n >> 6) + 1023) << 52)
  return 1 / (1 + poly * load<f64>(fractions + ((<usize>(n & 63)) << 3)) * power)
}

function weightOf(slot: usize): f64 {
  const z = load<f64>(slot)
  return (Math.max(-l1, Math.min(l1, z)) - z) / (load<f64>(slot, 8) * rate + rest)
}

function learnSlot(slot: usize, g: f64, w: f64): void {
  const root = load<f64>(slot, 8)
  const grown = Math.sqrt(root * root + g * g)
  store<f64>(slot, load<f64>(slot) + (g - (grown - root) * rate * w))
  store<f64>(slot, grown, 8)
}

/** Weights of a row's slots to `w`; their sum, each times its value. `values` 0: all are 1. */
function scoreRow(slots: usize, values: usize, width: u32, q: usize, w: usize): f64 {
  const low = f64x2.splat(-l1)
  const high = f64x2.splat(l1)
  const rates = f64x2.splat(rate)
  const rests = f64x2.splat(rest)
  let raw: f64 = 0
  let k: u32 = 0
  for (; k + 2 <= width; k += 2) {
    const a = v128.load(q + ((<usize>load<u32>(slots + (k << 2))) << 4))
    const b = v128.load(q + ((<usize>load<u32>(slots + (k << 2), 4)) << 4))
    const z = v128.shuffle<f64>(a, b, 0, 2)
    const roots = v128.shuffle<f64>(a, b, 1, 3)
    const inside = f64x2.pmax(f64x2.pmin(z, high), low)
    let two = f64x2.div(f64x2.sub(inside, z), f64x2.add(f64x2.mul(roots, rates), rests))
    v128.store(w + (k << 3), two)
    if (values) two = f64x2.mul(two, v128.load(values + (k << 3)))
    raw += f64x2.extract_lane(two, 0)
    raw += f64x2.extract_lane(two, 1)
  }
  if (k < width) {
    const one = weightOf(q + ((<usize>load<u32>(slots + (k << 2))) << 4))
    store<f64>(w + (k << 3), one)
    raw += values ? one * load<f64>(values + (k << 3)) : one
  }
  return raw
}

function learnRow(slots: usize, values: usize, width: u32, q: usize, w: usize, slope: f64): void {
  const rates = f64x2.splat(rate)
  const slopes = f64x2.splat(slope)
  let k: u32 = 0
  for (; k + 2 <= width; k += 2) {
    const first = load<u32>(slots + (k << 2))
    const second = load<u32>(slots + (k << 2), 4)
    const atA = q + ((<usize>first) << 4)
    const atB = q + ((<usize>second) << 4)
    let g = slopes
    if (values) g = f64x2.mul(g, v128.load(values + (k << 3)))
    if (first === second) {
      learnSlot(atA, f64x2.extract_lane(g, 0), load<f64>(w + (k << 3)))
      learnSlot(atB, f64x2.extract_lane(g, 1), load<f64>(w + (k << 3), 8))
      continue
    }
    const a = v128.load(atA)
    const b = v128.load(atB)
    const z = v128.shuffle<f64>(a, b, 0, 2)
    const roots = v128.shuffle<f64>(a, b, 1, 3)
    const grown = f64x2.sqrt(f64x2.add(f64x2.mul(roots, roots), f64x2.mul(g, g)))
    const pull = f64x2.mul(f64x2.mul(f64x2.sub(grown, roots), rates), v128.load(w + (k << 3)))
    const next = f64x2.add(z, f64x2.sub(g, pull))
    v128.store(atA, v128.shuffle<f64>(next, grown, 0, 2))
    v128.store(atB, v128.shuffle<f64>(next, grown, 1, 3))
  }
  if (k < width) {
    const g = values ? slope * load<f64>(values + (k << 3)) : slope
    learnSlot(q + ((<usize>load<u32>(slots + (k << 2))) << 4), g, load<f64>(w + (k << 3)))
  }
}

function touch(slots: usize, width: u32, q: usize): void {
  let seen: u32 = 0
  for (let k: u32 = 0; k < width; k++) seen |= load<u32>(q + ((<usize>load<u32>(slots + (k << 2))) << 4))
  touched |= seen
}

/**
 * Learns from `n` rows that lie one after another: `slots` `[n][width]` words, `values` the same of doubles (0: all are 1), `target` and `out` `[n]`, `weights` `[n]`
 * (0: all are 1). `q`: the slots. `intercept`: its slot (0: none). `w`: room for `width` doubles. `logistic`: raw scores are log-odds.
 */
export function learn(
  n: u32,
  width: u32,
  slots: usize,
  values: usize,
  target: usize,
  weights: usize,
  out: usize,
  q: usize,
  intercept: usize,
  w: usize,
  logistic: u32,
): void {
  const slotStep = (<usize>width) << 2
  const valueStep = values ? (<usize>width) << 3 : 0
  for (let i: u32 = 0; i < n; i++) {
    if (i + AHEAD < n) touch(slots + <usize>AHEAD * slotStep, width, q)
    const at = (<usize>i) << 3
    let raw = scoreRow(slots, values, width, q, w)
    let free: f64 = 0
    if (intercept) free = -load<f64>(intercept) / (load<f64>(intercept, 8) * rate + freeRest)
    raw += free
    store<f64>(out + at, raw)
    let slope = (logistic ? sigmoid(raw) : raw) - load<f64>(target + at)
    if (weights) slope *= load<f64>(weights + at)
    learnRow(slots, values, width, q, w, slope)
    if (intercept) learnSlot(intercept, slope, free)
    slots += slotStep
    values += valueStep
  }
}
