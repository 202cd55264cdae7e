/** Centring of tables: each effect in the smallest table that can hold it, so that a sum of tables has one reading. */
import { type AdditiveTables, slotsOf, type TableAxis, type TableTerm } from './tables.ts'

/** Passes over the lines of a pair at most; each moves less than the one before. */
const PASSES_MAX = 200
const MOVED_MAX = 1e-13

/**
 * The same function with every table centred by its training weights: means of the lines of pairs go to the tables of single features, means of those to the
 * intercepts. A pair's line goes to the feature's own table when each slot of that lies within one slot of the pair's axis, and stays otherwise.
 * Cost: O(cells * passes). Source: Lengerich et al. 2020 (purification). Cells without weight take no part in means.
 */
export function centreTables(model: AdditiveTables): AdditiveTables {
  const { nOutputs, axes } = model
  const intercepts = model.intercepts.slice()
  const terms = model.terms.map((term) => ({ ...term, values: term.values.slice() }))
  const ownTerm = new Map<number, TableTerm>()
  for (const term of terms) if (term.axes.length === 1) ownTerm.set(axes[term.axes[0]].feature, term)
  for (let k = 0; k < nOutputs; k++) {
    for (const term of terms) {
      if (term.axes.length === 2)
        centrePair(term, axes, nOutputs, k, (axis) => ownTerm.get(axes[axis].feature))
      const mean = meanOf(term, nOutputs, k)
      addAll(term, nOutputs, k, -mean)
      intercepts[k] += mean
    }
    for (const term of ownTerm.values()) {
      const mean = meanOf(term, nOutputs, k)
      addAll(term, nOutputs, k, -mean)
      intercepts[k] += mean
    }
  }
  return { ...model, intercepts, terms }
}

function meanOf({ values, weights }: TableTerm, nOutputs: number, k: number): number {
  let sum = 0
  let total = 0
  for (let cell = 0; cell < weights.length; cell++) {
    sum += weights[cell] * values[cell * nOutputs + k]
    total += weights[cell]
  }
  return total > 0 ? sum / total : 0
}

function addAll({ values }: TableTerm, nOutputs: number, k: number, amount: number): void {
  for (let at = k; at < values.length; at += nOutputs) values[at] += amount
}

function centrePair(
  term: TableTerm,
  axes: readonly TableAxis[],
  nOutputs: number,
  k: number,
  ownTerm: (axis: number) => TableTerm | undefined,
): void {
  const sides = [0, 1].map((side) => {
    const own = ownTerm(term.axes[side])
    return own && { own, slots: coarseSlots(axes[own.axes[0]], axes[term.axes[side]]) }
  })
  for (let pass = 0; pass < PASSES_MAX; pass++) {
    let moved = 0
    sides.forEach((side, s) => {
      if (!side?.slots) return
      const means = lineMeans(term, axes, nOutputs, k, s)
      means.forEach((mean, line) => {
        moved = Math.max(moved, Math.abs(mean))
        addLine(term, axes, nOutputs, k, s, line, -mean)
      })
      side.slots.forEach((line, slot) => {
        side.own.values[slot * nOutputs + k] += means[line]
      })
    })
    if (moved < MOVED_MAX) return
  }
}

/** Cells of a line of a pair: its first cell, the step and the count. */
function lineOf(term: TableTerm, axes: readonly TableAxis[], side: number, line: number) {
  const [nFirst, nSecond] = term.axes.map((axis) => slotsOf(axes[axis]))
  return side === 0 ? { at: line * nSecond, step: 1, n: nSecond } : { at: line, step: nSecond, n: nFirst }
}

function lineMeans(
  term: TableTerm,
  axes: readonly TableAxis[],
  nOutputs: number,
  k: number,
  side: number,
): Float64Array {
  return Float64Array.from({ length: slotsOf(axes[term.axes[side]]) }, (_, line) => {
    const { at, step, n } = lineOf(term, axes, side, line)
    let sum = 0
    let total = 0
    for (let i = 0, cell = at; i < n; i++, cell += step) {
      sum += term.weights[cell] * term.values[cell * nOutputs + k]
      total += term.weights[cell]
    }
    return total > 0 ? sum / total : 0
  })
}

function addLine(
  term: TableTerm,
  axes: readonly TableAxis[],
  nOutputs: number,
  k: number,
  side: number,
  line: number,
  amount: number,
): void {
  const { at, step, n } = lineOf(term, axes, side, line)
  for (let i = 0, cell = at; i < n; i++, cell += step) term.values[cell * nOutputs + k] += amount
}

/** Slot of `coarse` that each slot of `fine` lies in; undefined when one lies across several. */
function coarseSlots(fine: TableAxis, coarse: TableAxis): Int32Array | undefined {
  if (fine.kind === 'category' && coarse.kind === 'category') {
    const known = new Map(Array.from(coarse.codes, (code, slot) => [code, slot]))
    if (!coarse.codes.every((code) => fine.codes.includes(code))) return undefined
    const other = coarse.codes.length
    return Int32Array.from({ length: slotsOf(fine) }, (_, slot) => known.get(fine.codes[slot]) ?? other)
  }
  if (fine.kind !== 'number' || coarse.kind !== 'number') return undefined
  const within = new Set(fine.edges)
  if (!coarse.edges.every((edge) => within.has(edge))) return undefined
  let slot = 0
  return Int32Array.from({ length: slotsOf(fine) }, (_, s) => {
    if (s > fine.edges.length) return coarse.edges.length + 1
    if (s > 0 && fine.edges[s - 1] === coarse.edges[slot]) slot++
    return slot
  })
}
