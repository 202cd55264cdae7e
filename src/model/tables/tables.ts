import type { ModelBase } from '../form.ts'

/** How values of one feature fall into slots; the last slot is for missing values (and, of a category, for codes that are not in the list). */
export type TableAxis =
  /** Slot `s` holds `edges[s - 1] < x <= edges[s]`; rising edges. */
  | { kind: 'number'; feature: number; edges: Float64Array }
  /** Slot `s` holds the code `codes[s]`; rising codes. */
  | { kind: 'category'; feature: number; codes: Int32Array }

/** A table over one axis, or over a pair of them. */
export interface TableTerm {
  /** Indexes of axes, one or two. */
  axes: readonly number[]
  /** `[slots (* slots of the second axis) * nOutputs]` added to the raw scores. */
  values: Float64Array
  /** Training weight in each cell, `[slots (* slots)]`. */
  weights: Float64Array
  /** Deviation of each value over the bags of training, like `values`; zeros where it is not known. */
  deviations: Float64Array
}

/**
 * An additive model of tables: `raw = intercept + sum over terms of the cell that the row falls into`. Tables are centred: the mean of each over the training
 * weights is 0, and that of each line of a pair too, so that what is said of one feature is in its own table.
 */
export interface AdditiveTables extends ModelBase {
  kind: 'AdditiveTables'
  /** `[nOutputs]`; the mean raw score over the training weights. */
  intercepts: Float64Array
  axes: TableAxis[]
  terms: TableTerm[]
}

export function slotsOf(axis: TableAxis): number {
  return axis.kind === 'number' ? axis.edges.length + 2 : axis.codes.length + 1
}

/** Slot of a value. Cost: O(log slots). */
export function slotOf(axis: TableAxis, x: number): number {
  if (axis.kind === 'number') return Number.isNaN(x) ? axis.edges.length + 1 : firstAtLeast(axis.edges, x)
  const slot = firstAtLeast(axis.codes, x)
  return axis.codes[slot] === x ? slot : axis.codes.length
}

/** Index of the first value that is at least `x`; the length when there is none (or `x` is NaN). */
function firstAtLeast(values: Float64Array | Int32Array, x: number): number {
  let low = 0
  let high = values.length
  while (low < high) {
    const middle = (low + high) >> 1
    if (values[middle] >= x) high = middle
    else low = middle + 1
  }
  return low
}

/** Cells of a term. */
export function cellsOf(axes: readonly TableAxis[], term: Pick<TableTerm, 'axes'>): number {
  return term.axes.reduce((cells, axis) => cells * slotsOf(axes[axis]), 1)
}

/** Cell of a row in a term, by the slots of all axes. */
export function cellOf(
  axes: readonly TableAxis[],
  term: Pick<TableTerm, 'axes'>,
  slots: ArrayLike<number>,
): number {
  const [first, second] = term.axes
  return second === undefined ? slots[first] : slots[first] * slotsOf(axes[second]) + slots[second]
}
