/** From feature columns to slots of tables: fine ones for single features, coarse ones, each a run of fine ones, for pairs. */
import { slotsOf, type TableAxis } from '../../model/tables/tables.ts'
import { binAt, binColumns } from '../gbdt/binning.ts'

/** A table axis with the slot of each training row. */
export interface SlottedAxis {
  axis: TableAxis
  nSlots: number
  /** Slots that follow one another in order are neighbours; those of categories, and the last one, are not. */
  ordered: boolean
  slots: Uint16Array
}

/** Fine axes, one a feature. Errors: MR_MODEL_SHAPE, MR_MODEL_CATEGORY, MR_MODEL_ROWS_MAX. */
export function fineAxes(
  columns: readonly Float64Array[],
  categorical: readonly boolean[],
  bins: number,
): SlottedAxis[] {
  const binned = binColumns(columns, categorical, bins)
  return binned.features.map((feature, j) => {
    const axis: TableAxis =
      feature.kind === 'number'
        ? { kind: 'number', feature: j, edges: feature.edges }
        : { kind: 'category', feature: j, codes: feature.codes }
    const slots = Uint16Array.from({ length: binned.nRows }, (_, i) => binAt(binned, i, j))
    return { axis, nSlots: slotsOf(axis), ordered: feature.kind === 'number', slots }
  })
}

/** An axis of at most `bins` slots for values, of about equal weight each, and one for missing and rarer ones. */
export function coarseAxis(fine: SlottedAxis, bins: number): SlottedAxis {
  const counts = new Float64Array(fine.nSlots)
  for (const slot of fine.slots) counts[slot]++
  const { axis, slotOf } =
    fine.axis.kind === 'number'
      ? coarseNumber(fine.axis, counts, bins)
      : coarseCategory(fine.axis, counts, bins)
  return {
    axis,
    nSlots: slotsOf(axis),
    ordered: fine.ordered,
    slots: fine.slots.map((slot) => slotOf[slot]),
  }
}

function coarseNumber(axis: Extract<TableAxis, { kind: 'number' }>, counts: Float64Array, bins: number) {
  const nValues = axis.edges.length + 1
  const slotOf = new Uint16Array(nValues + 1)
  const edges: number[] = []
  let total = 0
  for (let slot = 0; slot < nValues; slot++) total += counts[slot]
  let filled = 0
  for (let slot = 0; slot < nValues; slot++) {
    slotOf[slot] = edges.length
    filled += counts[slot]
    const isFull = nValues <= bins || filled * bins >= total * (edges.length + 1)
    if (isFull && slot + 1 < nValues && edges.length + 1 < bins) edges.push(axis.edges[slot])
  }
  slotOf[nValues] = edges.length + 1
  return { axis: { ...axis, edges: Float64Array.from(edges) }, slotOf }
}

function coarseCategory(axis: Extract<TableAxis, { kind: 'category' }>, counts: Float64Array, bins: number) {
  const slots = Array.from(axis.codes.keys())
    .sort((a, b) => counts[b] - counts[a] || a - b)
    .slice(0, bins)
    .sort((a, b) => a - b)
  const slotOf = new Uint16Array(axis.codes.length + 1).fill(slots.length)
  slots.forEach((fine, coarse) => {
    slotOf[fine] = coarse
  })
  return { axis: { ...axis, codes: Int32Array.from(slots, (slot) => axis.codes[slot]) }, slotOf }
}
