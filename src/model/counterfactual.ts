/** What would have had to be different: the smallest changes of a row that bring its score where it is wanted, found among values that rows have. */
import { seededRng } from '../core/rng.ts'
import { lowerBound } from '../stats/order.ts'
import type { ScoreMany } from './effects/partial-dependence.ts'
import { type FeatureRows, readRow } from './feature-rows.ts'
import type { TreeEnsemble } from './trees.ts'

/** What may be done to one feature. */
export interface FeatureRule {
  /** `fixed` never changes; `up` and `down` only that way. Default `any`. */
  change?: 'any' | 'up' | 'down' | 'fixed'
  /** Values allowed, both ends inclusive. */
  range?: [number, number]
  /** Codes without an order: distance is 1 for any other code, and `up` and `down` mean nothing. */
  category?: boolean
}

export interface CounterfactualOptions {
  nFeatures: number
  /** Training rows: what is near, and what is plausible, is measured in them. */
  rows: FeatureRows
  n: number
  /** Whether a score is where it is wanted, and how far it is from there (0 inside). */
  gap: (score: number) => number
  rules?: readonly FeatureRule[]
  /** Values that matter by feature: for trees one in each interval between thresholds (`intervalValues`). Default: quantiles of the rows. */
  values?: readonly Float64Array[]
  /** Features changed at most. Default 4. */
  changesMax?: number
  /** Answers at most, each over another set of features. Default 3. */
  answersMax?: number
  /** Partial changes kept at each length. Default 24. */
  beam?: number
}

export interface Counterfactual {
  x: Float64Array
  score: number
  changed: number[]
  /** Sum over changed features of the share of training rows that lie between old and new value (1 for a category or a missing value). */
  distance: number
  /**
   * Share of training rows that are lonelier than this row: farther from their nearest neighbour, in the same distances. Near 0: no row is
   * like this one.
   */
  plausibility: number
}

/** Rows that plausibility is measured in. */
const NEIGHBOUR_ROWS = 400
/** Quantiles of a column that are tried when values are not given. */
const QUANTILES = 32

/**
 * Counterfactuals of a row: valid (verified by scoring), sparse (every change is needed: taking any one back loses it), actionable (rules hold) and
 * plausible (values occur in training rows, and answers with neighbours among them come first).
 *
 * Search: all changes of one feature, then of the most promising ones further, breadth first with a beam; each answer is then pruned, and each of its
 * changes made as small as it can be. For trees with `intervalValues` all values that a single change can have are tried. None found is an
 * empty list: no such change of at most `changesMax` features was met. Cost: beam * values * changesMax scores.
 */
export function counterfactuals(
  score: ScoreMany,
  x: Float64Array,
  options: CounterfactualOptions,
): Counterfactual[] {
  const { gap, answersMax = 3, changesMax = 4, beam = 24 } = options
  const space = spaceOf(x, options)
  const found = new Map<string, Change>()
  let open: Change[] = [{ x, changed: [], distance: 0, score: score(x, 1)[0] }]
  if (gap(open[0].score) === 0) return []
  for (let length = 1; length <= changesMax && found.size < answersMax; length++) {
    const next = extend(score, open, space)
    for (const change of next) {
      if (gap(change.score) > 0) continue
      const answer = prune(score, x, change, space, gap)
      const key = answer.changed.join()
      const known = found.get(key)
      if (!known || answer.distance < known.distance) found.set(key, answer)
    }
    open = best(next, gap, beam)
  }
  return [...found.values()]
    .map((change) => ({ ...change, plausibility: space.plausibility(change.x) }))
    .sort((a, b) => a.changed.length - b.changed.length || costOf(a) - costOf(b))
    .slice(0, answersMax)
}

const costOf = ({ distance, plausibility }: Counterfactual) => distance + (plausibility < 0.05 ? 1 : 0)

/** For each feature of trees, a value in each interval between its thresholds: one that training rows have, nearest to the row's own. */
export function intervalValues(
  model: TreeEnsemble,
  x: Float64Array,
  rows: FeatureRows,
  n: number,
): Float64Array[] {
  const thresholds = Array.from({ length: model.nFeatures }, () => new Set<number>())
  const isSet = new Uint8Array(model.nFeatures)
  model.left.forEach((left, node) => {
    if (left < 0) return
    const j = model.feature[node]
    if (model.categorySet[node] >= 0) isSet[j] = 1
    else thresholds[j].add(model.threshold[node])
  })
  return thresholds.map((set, j) => {
    const seen = columnOf(rows, n, model.nFeatures, j)
    if (isSet[j]) return Float64Array.from(new Set(seen))
    const bounds = Float64Array.from(set).sort()
    const nearest = new Map<number, number>()
    for (const value of seen) {
      const at = lowerBound(bounds, value)
      const kept = nearest.get(at)
      if (kept === undefined || Math.abs(value - x[j]) < Math.abs(kept - x[j])) nearest.set(at, value)
    }
    return Float64Array.from(nearest.values()).sort()
  })
}

// ---------------------------------------------------------------- space

interface Change {
  x: Float64Array
  score: number
  changed: number[]
  distance: number
}

interface Space {
  values: Float64Array[]
  between(feature: number, a: number, b: number): number
  plausibility(x: Float64Array): number
}

function spaceOf(x: Float64Array, { nFeatures, rows, n, rules = [], values }: CounterfactualOptions): Space {
  const columns = Array.from({ length: nFeatures }, (_, j) => columnOf(rows, n, nFeatures, j).sort())
  const between = (j: number, a: number, b: number) => {
    if (a === b || (Number.isNaN(a) && Number.isNaN(b))) return 0
    if (rules[j]?.category || Number.isNaN(a) || Number.isNaN(b)) return 1
    const sorted = columns[j]
    const [low, high] = [Math.min(a, b), Math.max(a, b)]
    return Math.max(1, lowerBound(sorted, high) - lowerBound(sorted, low)) / Math.max(1, sorted.length)
  }
  const tried = columns.map((sorted, j) => {
    const all = values?.[j] ?? quantilesOf(sorted)
    return all.filter((value) => value !== x[j] && isAllowed(x[j], value, rules[j] ?? {}))
  })
  return { values: tried, between, plausibility: plausibilityIn(rows, n, nFeatures, between) }
}

function isAllowed(from: number, to: number, { change = 'any', range, category }: FeatureRule): boolean {
  if (change === 'fixed' || Number.isNaN(to)) return false
  if (range && !(to >= range[0] && to <= range[1])) return false
  if (category || change === 'any') return true
  return change === 'up' ? to > from : to < from
}

/** Values of a column that are there. */
function columnOf(rows: FeatureRows, n: number, nFeatures: number, j: number): Float64Array {
  const column =
    rows instanceof Float64Array
      ? Float64Array.from({ length: n }, (_, i) => rows[i * nFeatures + j])
      : rows[j].slice(0, n)
  return column.filter((value) => !Number.isNaN(value))
}

function quantilesOf(sorted: Float64Array): Float64Array {
  if (sorted.length === 0) return sorted
  const at = (k: number) => sorted[Math.floor(((sorted.length - 1) * k) / QUANTILES)]
  return Float64Array.from(new Set(Array.from({ length: QUANTILES + 1 }, (_, k) => at(k))))
}

function plausibilityIn(
  rows: FeatureRows,
  n: number,
  nFeatures: number,
  between: Space['between'],
): (x: Float64Array) => number {
  const rng = seededRng(1)
  const some = Array.from({ length: Math.min(n, NEIGHBOUR_ROWS) }, (_, k) => {
    const row = new Float64Array(nFeatures)
    readRow(rows, n <= NEIGHBOUR_ROWS ? k : rng.nextInt(n), row)
    return row
  })
  const far = (a: Float64Array, b: Float64Array) => a.reduce((sum, v, j) => sum + between(j, v, b[j]), 0)
  const nearest = (x: Float64Array) =>
    some.reduce((low, row) => (row === x ? low : Math.min(low, far(x, row))), Number.POSITIVE_INFINITY)
  let alone: number[] | undefined
  return (x) => {
    alone ??= some.map(nearest)
    const own = nearest(x)
    return alone.filter((distance) => distance >= own).length / Math.max(1, alone.length)
  }
}

// ---------------------------------------------------------------- search

/** All changes by one more feature, scored together. Features are added in rising order of their index or as they come: each set once. */
function extend(score: ScoreMany, open: readonly Change[], { values, between }: Space): Change[] {
  const next: Change[] = []
  for (const change of open) {
    values.forEach((tried, j) => {
      if (change.changed.includes(j)) return
      for (const value of tried) {
        const moved = change.x.slice()
        moved[j] = value
        next.push({
          x: moved,
          score: Number.NaN,
          changed: [...change.changed, j].sort((a, b) => a - b),
          distance: change.distance + between(j, change.x[j], value),
        })
      }
    })
  }
  if (next.length === 0) return next
  const width = next[0].x.length
  const rows = new Float64Array(next.length * width)
  next.forEach((change, i) => {
    rows.set(change.x, i * width)
  })
  score(rows, next.length).forEach((s, i) => {
    next[i].score = s
  })
  return next
}

/** The most promising changes, no more than a few of each set of features. */
function best(next: readonly Change[], gap: (score: number) => number, beam: number): Change[] {
  const perSet = new Map<string, number>()
  const kept: Change[] = []
  const ranked = next
    .filter(({ score }) => gap(score) > 0)
    .map((change) => ({ change, cost: gap(change.score) * (1 + change.distance) }))
    .sort((a, b) => a.cost - b.cost)
  for (const { change } of ranked) {
    const key = change.changed.join()
    const seen = perSet.get(key) ?? 0
    if (seen >= 3) continue
    perSet.set(key, seen + 1)
    kept.push(change)
    if (kept.length === beam) break
  }
  return kept
}

/** Takes back what is not needed and brings each changed feature as near to its old value as it goes, until nothing moves any more. */
function prune(
  score: ScoreMany,
  x: Float64Array,
  change: Change,
  { values, between }: Space,
  gap: (score: number) => number,
): Change {
  const now = change.x.slice()
  const holds = () => gap(score(now, 1)[0]) === 0
  const bringNear = (j: number): boolean => {
    const kept = now[j]
    const nearer = [...values[j]]
      .filter((value) => between(j, x[j], value) < between(j, x[j], kept))
      .sort((a, b) => between(j, x[j], a) - between(j, x[j], b))
    const works = [x[j], ...nearer].find((value) => {
      now[j] = value
      return holds()
    })
    now[j] = works ?? kept
    return !Object.is(now[j], kept)
  }
  let open = change.changed
  for (let moved = true; moved; ) {
    moved = false
    for (const j of open) if (bringNear(j)) moved = true
    open = open.filter((j) => !Object.is(now[j], x[j]))
  }
  const distance = open.reduce((sum, j) => sum + between(j, x[j], now[j]), 0)
  return { x: now, changed: open, distance, score: score(now, 1)[0] }
}
