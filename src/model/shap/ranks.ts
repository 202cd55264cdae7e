/**
 * Rows as ranks: every test of some trees becomes "the rank in a column is at most the node's". A feature has a column for each way that its
 * missing values go; a test of categories has a column of its own, 0 where the row goes left and 1 where not.
 */
import type { FeatureRows } from '../feature-rows.ts'
import { inSet } from '../tree-walk.ts'
import type { TreeEnsemble } from '../trees.ts'

/** Rank of what goes right at every test. */
const RIGHT = 0xffff

export interface RankColumn {
  feature: number
  missingLeft: boolean
  /** Distinct thresholds upwards; `null` for a column of categories. */
  thresholds: Float64Array | null
  set: Uint32Array | null
}

export interface RankPlan {
  columns: RankColumn[]
  /** By node of the ensemble, -1 where it is no split of these trees. */
  columnOf: Int32Array
  rankOf: Uint16Array
  roundsToF32: boolean
}

/** Ranks of rows, column by column, `stride` apart. */
export interface RankedRows {
  ranks: Uint16Array
  stride: number
  n: number
}

/** Nodes of the trees that are ranked together: ranks have 16 bits. */
export const RANK_NODES_MAX = 60_000

/** Trees in runs that are ranked together. */
export function groupsOf({ roots, feature }: TreeEnsemble): { first: number; end: number }[] {
  const groups: { first: number; end: number }[] = []
  const endOf = (t: number) => roots[t + 1] ?? feature.length
  for (let t = 0; t < roots.length; t++) {
    const last = groups.at(-1)
    if (last && endOf(t) - roots[last.first] <= RANK_NODES_MAX) last.end = t + 1
    else groups.push({ first: t, end: t + 1 })
  }
  return groups
}

/** Columns of the tests of trees whose nodes are `[from, to)`. Cost: O(nodes log nodes). */
export function planRanks(model: TreeEnsemble, from: number, to: number): RankPlan {
  const plan: RankPlan = {
    columns: [],
    columnOf: new Int32Array(model.feature.length).fill(-1),
    rankOf: new Uint16Array(model.feature.length),
    roundsToF32: model.compare === 'lt-f32',
  }
  const places = new Map<string, number>()
  const values = new Map<number, number[]>()
  for (let node = from; node < to; node++) {
    if (model.left[node] < 0) continue
    const column = columnFor(plan, places, model, node)
    plan.columnOf[node] = column
    if (plan.columns[column].set) continue
    const kept = values.get(column)
    if (kept) kept.push(thresholdOf(model, node))
    else values.set(column, [thresholdOf(model, node)])
  }
  for (const [column, thresholds] of values)
    plan.columns[column].thresholds = Float64Array.from(new Set(thresholds)).sort()
  for (let node = from; node < to; node++) {
    const thresholds = plan.columns[plan.columnOf[node]]?.thresholds
    if (thresholds) plan.rankOf[node] = countBelow(thresholds, thresholdOf(model, node), false)
  }
  return plan
}

function thresholdOf({ compare, threshold }: TreeEnsemble, node: number): number {
  return (compare === 'le' ? threshold[node] : Math.fround(threshold[node])) + 0
}

function columnFor(plan: RankPlan, places: Map<string, number>, model: TreeEnsemble, node: number): number {
  const set = model.categorySet[node]
  const key = `${model.feature[node]} ${model.missingLeft[node]} ${set}`
  const known = places.get(key)
  if (known !== undefined) return known
  places.set(key, plan.columns.length)
  plan.columns.push({
    feature: model.feature[node],
    missingLeft: model.missingLeft[node] === 1,
    thresholds: null,
    set: set < 0 ? null : model.categorySets[set],
  })
  return plan.columns.length - 1
}

/** Thresholds below `x`, or at most `x` where `withEqual`. */
function countBelow(thresholds: Float64Array, x: number, withEqual: boolean): number {
  let low = 0
  let high = thresholds.length
  while (low < high) {
    const middle = (low + high) >> 1
    if (thresholds[middle] < x || (withEqual && thresholds[middle] === x)) low = middle + 1
    else high = middle
  }
  return low
}

/** Ranks of rows `[from, from + n)`, column by column, `stride` apart. Cost: O(rows * columns * log thresholds). */
export function rankRows(
  { columns, roundsToF32 }: RankPlan,
  { rows, nFeatures, from, n }: { rows: FeatureRows; nFeatures: number; from: number; n: number },
  out: Uint16Array,
  stride: number,
): void {
  columns.forEach((column, c) => {
    const values = rows instanceof Float64Array ? rows : rows[column.feature]
    const step = rows instanceof Float64Array ? nFeatures : 1
    let at = rows instanceof Float64Array ? from * nFeatures + column.feature : from
    for (let i = 0; i < n; i++, at += step) {
      const x = roundsToF32 ? Math.fround(values[at]) : values[at]
      out[c * stride + i] = rankOf(column, x, roundsToF32)
    }
  })
}

function rankOf({ missingLeft, thresholds, set }: RankColumn, x: number, withEqual: boolean): number {
  if (set) return inSet(set, x, missingLeft) ? 0 : 1
  if (Number.isNaN(x)) return missingLeft ? 0 : RIGHT
  return countBelow(thresholds!, x, withEqual)
}
