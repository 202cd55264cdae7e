/** How much everything but some features of a row speaks for a class. */
import { factorCholesky, solveLower, solveUpper } from './cholesky.ts'
import { lowerBound } from './order.ts'
import { frequentValues } from './trigger-items.ts'

/** Features that have a part in the sum, the most telling first, and columns that they have together. */
const FEATURES_MAX = 100
const WIDTH_MAX = 400
const BINS_MAX = 12
const CODES_MAX = 30
/** Weight of the penalty, in rows for each thousand. */
const RIDGE = 1

export interface TableColumns {
  /** Numbers, and codes of categories from 0; NaN is missing. */
  columns: Float64Array[]
  types: readonly ('number' | 'category')[]
}

interface Coded {
  feature: number
  codes: Uint16Array
  width: number
  /** First of its columns. */
  start: number
}

/**
 * A ridge regression of each class on the values of each feature (numbers in bins of as many rows each; missing is a value), in closed form, learned anew for what is left out.
 *
 * Cost: O(n d²) once and O(w³) for each set of features that is left out, for 100 features of 400 columns at most. Additions, products and square roots alone: the same bits
 * everywhere.
 */
export class RestScores {
  private readonly coded: Coded[]
  private readonly width: number
  private readonly gram: Float64Array
  private readonly right: Float64Array[]
  private readonly factors = new Map<string, Float64Array>()

  /** `rows` are those that teach; the others are scored too. */
  constructor(table: TableColumns, labels: ArrayLike<number>, nClasses: number, rows: Int32Array) {
    this.coded = codedFeatures(table, labels, nClasses, rows)
    const last = this.coded.at(-1)
    this.width = last ? last.start + last.width + 1 : 1
    this.gram = new Float64Array(this.width ** 2)
    this.right = Array.from({ length: nClasses }, () => new Float64Array(this.width))
    const at = new Int32Array(this.coded.length + 1)
    at[this.coded.length] = this.width - 1
    for (const row of rows) {
      this.coded.forEach(({ start, codes }, j) => {
        at[j] = start + codes[row]
      })
      const right = this.right[labels[row]]
      for (let a = 0; a < at.length; a++) {
        right[at[a]]++
        for (let b = 0, from = at[a] * this.width; b <= a; b++) this.gram[from + at[b]]++
      }
    }
    const ridge = Math.max(1, (RIDGE * rows.length) / 1_000)
    for (let c = 0; c < this.width - 1; c++) this.gram[c * this.width + c] += ridge
  }

  /** `[n]`, of one scale for all rows; what it says of one row by itself is no probability. */
  without(label: number, features: readonly number[]): Float64Array {
    const seen = this.coded.filter(({ feature }) => !features.includes(feature))
    const kept = Int32Array.from([
      ...seen.flatMap(({ start, width }) => Array.from({ length: width }, (_, c) => start + c)),
      this.width - 1,
    ])
    const factor = this.factorOf(kept)
    const right = Float64Array.from(kept, (c) => this.right[label][c])
    const weights = new Float64Array(this.width)
    solveUpper(factor, solveLower(factor, right)).forEach((w, c) => {
      weights[kept[c]] = w
    })
    const scores = new Float64Array(this.coded[0]?.codes.length ?? 0)
    for (const { codes, start } of seen)
      for (let i = 0; i < scores.length; i++) scores[i] += weights[start + codes[i]]
    return scores
  }

  private factorOf(kept: Int32Array): Float64Array {
    const key = kept.join()
    const known = this.factors.get(key)
    if (known) return known
    const n = kept.length
    const factor = new Float64Array(n * n)
    for (let a = 0; a < n; a++)
      for (let b = 0; b <= a; b++) factor[a * n + b] = this.gram[kept[a] * this.width + kept[b]]
    factorCholesky(factor, n)
    this.factors.set(key, factor)
    return factor
  }
}

function codedFeatures(
  { columns, types }: TableColumns,
  labels: ArrayLike<number>,
  nClasses: number,
  rows: Int32Array,
): Coded[] {
  const most = Math.max(3, Math.floor(WIDTH_MAX / Math.min(columns.length, FEATURES_MAX)))
  const all = columns.map((column, feature) => ({
    feature,
    start: 0,
    ...codesOf(column, types[feature], most),
  }))
  const telling = new Map(all.map((one) => [one.feature, tells(one, labels, nClasses, rows)]))
  const kept = all
    .sort((a, b) => (telling.get(b.feature) ?? 0) - (telling.get(a.feature) ?? 0) || a.feature - b.feature)
    .slice(0, FEATURES_MAX)
  let start = 0
  return kept.map((one) => {
    const placed = { ...one, start }
    start += one.width
    return placed
  })
}

/** How far the rates of classes in each value are from even: the sum of their squares, by rows. */
function tells(
  { codes, width }: Omit<Coded, 'start'>,
  labels: ArrayLike<number>,
  nClasses: number,
  rows: Int32Array,
): number {
  const counts = new Float64Array(width * nClasses)
  const totals = new Float64Array(width)
  for (const row of rows) {
    counts[codes[row] * nClasses + labels[row]]++
    totals[codes[row]]++
  }
  return counts.reduce((sum, n, at) => sum + (n === 0 ? 0 : (n * n) / totals[Math.floor(at / nClasses)]), 0)
}

/** The place of each value, 0 for missing and rare ones. */
function codesOf(
  column: Float64Array,
  type: 'number' | 'category',
  most: number,
): Pick<Coded, 'codes' | 'width'> {
  return type === 'category'
    ? valueCodes(column, Math.min(CODES_MAX, most))
    : binCodes(column, Math.min(BINS_MAX, most))
}

function valueCodes(column: Float64Array, most: number): Pick<Coded, 'codes' | 'width'> {
  const values = frequentValues(column, 2).slice(0, most - 1)
  const places = new Map(values.map((value, k) => [value, k + 1]))
  return { codes: Uint16Array.from(column, (x) => places.get(x) ?? 0), width: values.length + 1 }
}

function binCodes(column: Float64Array, most: number): Pick<Coded, 'codes' | 'width'> {
  const sorted = column.filter((x) => !Number.isNaN(x)).sort()
  const cuts = Array.from(
    { length: most - 2 },
    (_, k) => sorted[Math.floor(((k + 1) * sorted.length) / (most - 1))],
  )
  const edges = Float64Array.from(new Set(cuts.filter((x) => x > sorted[0])))
  const place = (x: number) => {
    if (Number.isNaN(x)) return 0
    const at = lowerBound(edges, x)
    return 1 + at + Number(edges[at] === x)
  }
  return { codes: Uint16Array.from(column, place), width: edges.length + 2 }
}
