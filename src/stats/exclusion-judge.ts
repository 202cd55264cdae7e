/**
 * What is said of rows of a class by a judge that learned without them.
 *
 * Poison has its label from the rows that were poisoned with it: without them it is taken for what it was. A kind that a class has by nature is still taken for the class, most
 * of all when what sets the kind apart is out of sight.
 */
import { seededRng } from '../core/rng.ts'
import { rowsWhere } from '../core/rows-where.ts'
import { factorCholesky, solveLower, solveUpper } from './cholesky.ts'
import { steadyNormal } from './draws.ts'
import { addScaled, type DenseRows, dot } from './whitening.ts'

/** Units of the layer that is drawn and not learned. */
const UNITS = 176
/** Deviation of a unit's offset, of rows whose mean length is 1. */
const OFFSET = 0.3
/** Weight of the penalty, of a feature whose mean square is 1, in rows. */
const RIDGE = 0.01
/** Directions that are taken out leave so many at least. */
const DIRECTIONS_LEFT = 2
/** Rows whose products are summed at a time. */
const BLOCK = 8

export interface JudgedRows {
  /** Numbers of one scale; rows of the class first. */
  rows: DenseRows
  labels: Int32Array
  nClasses: number
  /** The class in question, and how many rows it has here. */
  label: number
  nOwn: number
}

/** Scores of each row of the class for each class, `[nOwn * nClasses]`, in shares of a class's own share of the rows. */
export type JudgeScores = Float64Array

/**
 * A ridge regression of classes on a layer of random units (Huang, Zhu and Siew 2006): as good as a small network on such rows, with leaving out in closed form.
 *
 * Only additions, products, square roots and a logarithm of ours: the same bits on every machine. Missing: none may be. Cost: O(n * 300²), then O(g³) for a group of g rows;
 * `apart` costs the first again.
 */
export class ExclusionJudge {
  private readonly asked: JudgedRows
  /** `(I - H)` of the class's rows, and what each of them is away from its labels: `[nOwn * nOwn]`, `[nOwn * nClasses]`. */
  private readonly left: Float64Array
  private readonly residuals: Float64Array

  constructor(asked: JudgedRows) {
    this.asked = asked
    const { nOwn, nClasses } = asked
    const layer = layerOf(asked.rows, [])
    const learned = learn(layer, asked, new Uint8Array(nOwn))
    this.residuals = learned.said(nOwn)
    for (let at = 0; at < this.residuals.length; at++)
      this.residuals[at] = this.truth(Math.floor(at / nClasses), at % nClasses) - this.residuals[at]
    this.left = new Float64Array(nOwn * nOwn)
    const turned = Array.from({ length: nOwn }, (_, i) => learned.turned(i))
    for (let i = 0; i < nOwn; i++)
      for (let j = 0; j <= i; j++) {
        const h = dot(turned[i], turned[j])
        this.left[i * nOwn + j] = Number(i === j) - h
        this.left[j * nOwn + i] = this.left[i * nOwn + j]
      }
  }

  private truth(i: number, k: number): number {
    return Number(this.asked.labels[i] === k)
  }

  /** What a judge without a group says of the group, row by row of those that are marked. */
  without(group: Uint8Array): JudgeScores {
    const { nOwn, nClasses } = this.asked
    const at = placesOf(group)
    const n = at.length
    const a = new Float64Array(n * n)
    for (let i = 0; i < n; i++) for (let j = 0; j <= i; j++) a[i * n + j] = this.left[at[i] * nOwn + at[j]]
    factorCholesky(a, n)
    const scores = new Float64Array(n * nClasses)
    for (let k = 0; k < nClasses; k++) {
      const right = Float64Array.from(at, (i) => this.residuals[i * nClasses + k])
      solveUpper(a, solveLower(a, right)).forEach((e, i) => {
        scores[i * nClasses + k] = this.truth(at[i], k) - e
      })
    }
    return byShares(scores, sharesOf(this.asked, n))
  }

  /**
   * What a judge without a group says of every row of the class when it cannot see what sets the group apart: rows have no part along the line from the group to other
   * classes, nor along that from the group to the rest of its class. Rows beside the group are answered as if each had been left out too.
   */
  apart(group: Uint8Array): JudgeScores {
    const { nOwn, nClasses, rows } = this.asked
    const directions = linesFrom(this.asked, group).slice(0, Math.max(0, rows.width - DIRECTIONS_LEFT))
    const learned = learn(layerOf(rows, directions), this.asked, group)
    const scores = learned.said(nOwn)
    for (let i = 0; i < nOwn; i++) {
      if (group[i] === 1) continue
      const turned = learned.turned(i)
      const away = 1 - Math.min(0.999, dot(turned, turned))
      for (let k = 0; k < nClasses; k++) {
        const at = i * nClasses + k
        scores[at] = this.truth(i, k) - (this.truth(i, k) - scores[at]) / away
      }
    }
    return byShares(scores, sharesOf(this.asked, placesOf(group).length))
  }
}

/** The class with the highest score of each row. */
export function saidBy(scores: JudgeScores, nClasses: number): Int32Array {
  return Int32Array.from({ length: scores.length / nClasses }, (_, i) => {
    let best = 0
    for (let k = 1; k < nClasses; k++) if (scores[i * nClasses + k] > scores[i * nClasses + best]) best = k
    return best
  })
}

function placesOf(group: Uint8Array): Int32Array {
  return Int32Array.from(group.keys()).filter((i) => group[i] === 1)
}

/** Rows of each class that taught, with half a row more. */
function sharesOf({ labels, nClasses, label }: JudgedRows, nExcluded: number): Float64Array {
  const counts = new Float64Array(nClasses).fill(0.5)
  for (const k of labels) counts[k]++
  counts[label] -= nExcluded
  return counts
}

function byShares(scores: Float64Array, counts: Float64Array): Float64Array {
  const nClasses = counts.length
  for (let at = 0; at < scores.length; at++) scores[at] /= counts[at % nClasses]
  return scores
}

/** Lines from the mean of a group to that of other classes and to that of the rest of its class, of length 1 and at a right angle. */
function linesFrom({ rows, nOwn }: JudgedRows, group: Uint8Array): Float64Array[] {
  const { nRows, width, points } = rows
  const sums = Array.from({ length: 3 }, () => new Float64Array(width))
  const counts = [0, 0, 0]
  for (let i = 0; i < nRows; i++) {
    const side = i >= nOwn ? 0 : group[i] === 1 ? 1 : 2
    counts[side]++
    addScaled(sums[side], points.subarray(i * width, (i + 1) * width), 1)
  }
  const meanOf = (side: number) => sums[side].map((x) => x / Math.max(1, counts[side]))
  const [others, inside, rest] = [0, 1, 2].map(meanOf)
  const lines: Float64Array[] = []
  for (const from of [others, rest]) {
    const line = inside.map((x, c) => x - from[c])
    const begun = Math.sqrt(dot(line, line))
    for (const before of lines) addScaled(line, before, -dot(line, before))
    const length = Math.sqrt(dot(line, line))
    if (length > 1e-9 * begun && length > 0) lines.push(line.map((x) => x / length))
  }
  return lines
}

interface Layer {
  n: number
  width: number
  points: Float64Array
}

/** Random units, the numbers themselves and 1, each kind of mean square 1. Rows are centred and of mean length 1 before. */
function layerOf(rows: DenseRows, directions: Float64Array[]): Layer {
  const { nRows: n } = rows
  const centred = centredRows(rows, directions)
  const d = rows.width
  const width = UNITS + d + 1
  const points = new Float64Array(n * width)
  const rng = seededRng(1)
  const weights = Float64Array.from({ length: d * UNITS }, () => steadyNormal(rng))
  const offsets = Float64Array.from({ length: UNITS }, () => OFFSET * steadyNormal(rng))
  for (let i = 0; i < n; i++) {
    const units = points.subarray(i * width, i * width + UNITS)
    units.set(offsets)
    for (let c = 0, at = 0; c < d; c++) {
      const x = centred[i * d + c]
      for (let u = 0; u < UNITS; u++) units[u] += x * weights[at++]
    }
    for (let u = 0; u < UNITS; u++) units[u] = Math.max(0, units[u])
    points.set(centred.subarray(i * d, (i + 1) * d), i * width + UNITS)
  }
  levelled(points, n, width, 0, UNITS)
  levelled(points, n, width, UNITS, UNITS + d)
  for (let i = 0; i < n; i++) points[(i + 1) * width - 1] = 1
  return { n, width, points }
}

function centredRows({ nRows, width, points }: DenseRows, directions: Float64Array[]): Float64Array {
  const out = points.slice()
  const mean = new Float64Array(width)
  for (let i = 0; i < nRows; i++) addScaled(mean, points.subarray(i * width, (i + 1) * width), 1 / nRows)
  for (let i = 0; i < nRows; i++) {
    const row = out.subarray(i * width, (i + 1) * width)
    addScaled(row, mean, -1)
    for (const line of directions) addScaled(row, line, -dot(row, line))
  }
  const length = Math.sqrt(dot(out, out) / nRows)
  if (length > 0) for (let at = 0; at < out.length; at++) out[at] /= length
  return out
}

/** Columns from `from` on, before `to`, centred each and scaled together. */
function levelled(points: Float64Array, n: number, width: number, from: number, to: number): void {
  const mean = new Float64Array(width)
  for (let i = 0; i < n; i++) for (let c = from; c < to; c++) mean[c] += points[i * width + c]
  for (let c = from; c < to; c++) mean[c] /= n
  let squares = 0
  for (let i = 0; i < n; i++)
    for (let c = from; c < to; c++) {
      const x = points[i * width + c] - mean[c]
      points[i * width + c] = x
      squares += x * x
    }
  const scale = squares > 0 ? 1 / Math.sqrt(squares / (n * (to - from))) : 0
  for (let i = 0; i < n; i++) for (let c = from; c < to; c++) points[i * width + c] *= scale
}

interface Learned {
  /** Answers of the first rows, `[n * nClasses]`. */
  said(n: number): Float64Array
  /** A row by the inverse factor: products of two of them are those of the hat matrix. */
  turned(i: number): Float64Array
}

function learn({ n, width, points }: Layer, { labels, nClasses }: JudgedRows, excluded: Uint8Array): Learned {
  const right = Array.from({ length: nClasses }, () => new Float64Array(width))
  const rowAt = (i: number) => points.subarray(i * width, (i + 1) * width)
  const kept = rowsWhere(n, (i) => excluded[i] !== 1)
  for (const i of kept) addScaled(right[labels[i]], rowAt(i), 1)
  const gram = gramOf(points, width, kept)
  for (let a = 0; a < width; a++) gram[a * width + a] += a === width - 1 ? 1e-6 : RIDGE * n
  factorCholesky(gram, width)
  const weights = right.map((one) => solveUpper(gram, solveLower(gram, one)))
  const said = (most: number) => {
    const out = new Float64Array(most * nClasses)
    for (let i = 0; i < most; i++)
      for (let k = 0; k < nClasses; k++) out[i * nClasses + k] = dot(weights[k], rowAt(i))
    return out
  }
  return { said, turned: (i) => solveLower(gram, rowAt(i)) }
}

/** Sums of products of columns over the rows, the lower triangle of `[width * width]`. Eight rows at a time: a sum is read and written once for them. */
function gramOf(points: Float64Array, width: number, rows: Int32Array): Float64Array {
  const gram = new Float64Array(width * width)
  const block = new Float64Array(BLOCK * width)
  for (let from = 0; from < rows.length; from += BLOCK) {
    block.fill(0)
    // By columns, so that the eight numbers of a column lie together.
    for (let r = 0; r < BLOCK && from + r < rows.length; r++)
      for (let c = 0, at = rows[from + r] * width; c < width; c++) block[c * BLOCK + r] = points[at + c]
    for (let a = 0; a < width; a++) {
      const at = a * BLOCK
      const [p, q, r, s] = [block[at], block[at + 1], block[at + 2], block[at + 3]]
      const [t, u, v, w] = [block[at + 4], block[at + 5], block[at + 6], block[at + 7]]
      for (let b = 0, to = a * width, by = 0; b <= a; b++, to++, by += BLOCK)
        gram[to] +=
          p * block[by] +
          q * block[by + 1] +
          r * block[by + 2] +
          s * block[by + 3] +
          (t * block[by + 4] + u * block[by + 5] + v * block[by + 6] + w * block[by + 7])
    }
  }
  return gram
}
