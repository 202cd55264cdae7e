/** What a group of rows has that other rows have not, as one direction of their inputs. */
import { median } from './quantiles.ts'
import { addScaled, type DenseRows, dot } from './whitening.ts'

export interface GroupMark {
  /** Weight of each input. */
  weights: Float64Array
  /** Half way between the middle row of the group and the middle one of the others. */
  limit: number
  /** Log-odds of a unit of the score. */
  slope: number
}

/** Share of the mean variance of an input that is added to each. */
const RIDGE = 0.03
const STEPS_MAX = 20
const SETTLED = 1e-3

/**
 * The ridge regression that tells the rows of a group from rows beside it, both sides of equal weight. With a group that looks like those rows but for a trigger, what is
 * left to tell them apart is the trigger. Shapes: `inside`, `beside` are row numbers of `rows`. Cost: O((inside + beside) * width) a step of conjugate gradients, 20 at most.
 * Missing: none may be. Source: Hestenes and Stiefel 1952, on the normal equations.
 */
export function markOf(rows: DenseRows, inside: ArrayLike<number>, beside: ArrayLike<number>): GroupMark {
  const { width } = rows
  const sides = [
    { at: inside, weight: 0.5 / inside.length, wanted: 0.5 },
    { at: beside, weight: 0.5 / beside.length, wanted: -0.5 },
  ]
  const mean = new Float64Array(width)
  let squares = 0
  for (const { at, weight } of sides)
    for (let k = 0; k < at.length; k++) {
      const row = rowOf(rows, at[k])
      addScaled(mean, row, weight)
      squares += weight * dot(row, row)
    }
  const right = new Float64Array(width)
  for (const { at, weight, wanted } of sides)
    for (let k = 0; k < at.length; k++) addScaled(right, rowOf(rows, at[k]), weight * wanted)
  const ridge = RIDGE * Math.max(0, (squares - dot(mean, mean)) / width) || 1
  const weights = conjugate(right, (v) => {
    const centre = dot(mean, v)
    const out = new Float64Array(width)
    let sum = 0
    for (const { at, weight } of sides)
      for (let k = 0; k < at.length; k++) {
        const row = rowOf(rows, at[k])
        const along = weight * (dot(row, v) - centre)
        addScaled(out, row, along)
        sum += along
      }
    addScaled(out, mean, -sum)
    addScaled(out, v, ridge)
    return out
  })
  return { weights, ...placed(scoresOf(rows, weights, inside), scoresOf(rows, weights, beside)) }
}

function rowOf({ width, points }: DenseRows, i: number): Float64Array {
  return points.subarray(i * width, (i + 1) * width)
}

function conjugate(right: Float64Array, apply: (v: Float64Array) => Float64Array): Float64Array {
  const x = new Float64Array(right.length)
  const left = right.slice()
  const way = right.slice()
  let size = dot(left, left)
  const enough = SETTLED * SETTLED * size
  for (let step = 0; step < STEPS_MAX && size > enough; step++) {
    const moved = apply(way)
    const length = size / dot(way, moved)
    addScaled(x, way, length)
    addScaled(left, moved, -length)
    const next = dot(left, left)
    for (let j = 0; j < way.length; j++) way[j] = left[j] + (next / size) * way[j]
    size = next
  }
  return x
}

function scoresOf(rows: DenseRows, weights: Float64Array, at: ArrayLike<number>): Float64Array {
  return Float64Array.from(at, (i) => dot(weights, rowOf(rows, i)))
}

function placed(inside: Float64Array, beside: Float64Array): Pick<GroupMark, 'limit' | 'slope'> {
  const [high, low] = [median(inside), median(beside)]
  const variance = (varianceOf(inside) + varianceOf(beside)) / 2
  return {
    limit: (high + low) / 2,
    slope: Math.max(0, high - low) / Math.max(variance, 1e-9 * (high - low) ** 2, 1e-300),
  }
}

function varianceOf(values: Float64Array): number {
  const mean = values.reduce((sum, x) => sum + x, 0) / values.length
  return values.reduce((sum, x) => sum + (x - mean) ** 2, 0) / values.length
}

/** Log-odds of rows to bear the mark; above 0 they are on the group's side. */
export function markOdds({ weights, limit, slope }: GroupMark, rows: DenseRows, i: number): number {
  return slope * (dot(weights, rowOf(rows, i)) - limit)
}
