/** How fast a model's skill fades with the age of what it learned from. */
import { studentQuantile } from './distributions.ts'
import { requireLength, requireRows } from './inputs.ts'

/** Skill of one model on one test period: 0 is no better than chance, and more is better. */
export interface SkillCell {
  /** Test period that the cell was measured on; cells of one period are compared with one another only. */
  period: number
  /** From the end of training to the test period. */
  age: number
  skill: number
  /** The same skill without each of the groups of days, `[groups]`; a group is the same days for all cells. */
  without: readonly number[]
}

export interface Decay {
  /** Halvings of skill per unit of age; below 0 when older models did better. */
  rate: number
  interval: [number, number]
  /** Age at which half the skill is gone; infinite when none is lost. */
  halfLife: number
  halfLifeInterval: [number, number]
  /** Cells that could be compared. */
  n: number
}

/** Rates that are looked at: up to so many halvings over the whole span of ages, either way. */
const RATE_MAX = 16
const GRID = Array.from({ length: 61 }, (_, i) => Math.sinh((i - 30) / 10) / Math.sinh(3))
const GOLDEN = (Math.sqrt(5) - 1) / 2

/**
 * Rate of decay in `skill = difficulty of the period × 2^(-rate × age)`, by least squares with the difficulties profiled out: periods differ in how hard
 * they are, so that only models tested on the same period are compared. Interval: delete-a-group jackknife over days with Student's quantile; it covers the
 * days that were tested on, while the windows that were trained on are taken as given.
 *
 * Shapes: one `without` of the same length >= 2 a cell. Undefined when no period has two models of different age, or no skill is above 0.
 * Cost: O(cells × groups × 200). Errors: MR_STATS_EMPTY, MR_STATS_LENGTH.
 * Source: variable projection, Golub and Pereyra 1973; Shao and Tu 1995, section 2.3.
 */
export function skillDecay(cells: readonly SkillCell[], level = 0.95): Decay | undefined {
  requireRows('skillDecay', cells.length)
  const groups = cells[0].without.length
  for (const cell of cells) requireLength('without', cell.without, groups)
  const compared = comparable(cells)
  if (compared.length === 0 || !compared.some((cell) => cell.skill > 0)) return undefined
  const ages = compared.map((cell) => cell.age)
  const span = Math.max(...ages) - Math.min(...ages)
  const rate = bestRate(
    compared,
    compared.map((cell) => cell.skill),
    span,
  )
  const left = Array.from({ length: groups }, (_, g) =>
    bestRate(
      compared,
      compared.map((cell) => cell.without[g]),
      span,
    ),
  )
  const half = studentQuantile((1 + level) / 2, groups - 1) * jackknifeError(left)
  const interval: [number, number] = [rate - half, rate + half]
  return {
    rate,
    interval,
    halfLife: lifeOf(rate),
    halfLifeInterval: [lifeOf(interval[1]), lifeOf(interval[0])],
    n: compared.length,
  }
}

export interface Retained {
  age: number
  /** Skill of models of this age as a share of the youngest models' skill on the same periods. */
  share: number
  interval: [number, number]
  /** Cells of this age. */
  n: number
}

/**
 * The decay curve without a formula: at each age, the summed skill over that of the youngest model of the same periods, with the interval of the same
 * jackknife as `skillDecay`. Ages are taken together when `ageOf` gives the same number. Ages whose youngest rivals have no skill are left out.
 * Cost: O(cells² + ages × groups). Errors: MR_STATS_EMPTY, MR_STATS_LENGTH.
 */
export function retainedSkill(
  cells: readonly SkillCell[],
  ageOf: (age: number) => number = (age) => age,
  level = 0.95,
): Retained[] {
  requireRows('retainedSkill', cells.length)
  const groups = cells[0].without.length
  for (const cell of cells) requireLength('without', cell.without, groups)
  const compared = comparable(cells)
  const youngest = compared.map((cell) =>
    compared.reduce(
      (best, other) => (other.period === cell.period && other.age < best.age ? other : best),
      cell,
    ),
  )
  const ages = [...new Set(compared.map((cell) => ageOf(cell.age)))].sort((a, b) => a - b)
  const quantile = studentQuantile((1 + level) / 2, Math.max(1, groups - 1))
  return ages.flatMap((age): Retained[] => {
    const at = compared.flatMap((cell, i) => (ageOf(cell.age) === age ? [i] : []))
    const ratio = (skillOf: (cell: SkillCell) => number) =>
      at.reduce((sum, i) => sum + skillOf(compared[i]), 0) /
      at.reduce((sum, i) => sum + skillOf(youngest[i]), 0)
    const share = ratio((cell) => cell.skill)
    const left = Array.from({ length: groups }, (_, g) => ratio((cell) => cell.without[g]))
    const half = quantile * jackknifeError(left)
    if (!Number.isFinite(share + half)) return []
    return [{ age, share, interval: [share - half, share + half], n: at.length }]
  })
}

function lifeOf(rate: number): number {
  return rate > 0 ? 1 / rate : Number.POSITIVE_INFINITY
}

/** Cells of periods that have models of different age. */
function comparable(cells: readonly SkillCell[]): SkillCell[] {
  return cells.filter((cell) => cells.some((other) => other.period === cell.period && other.age !== cell.age))
}

function jackknifeError(left: readonly number[]): number {
  const mean = left.reduce((sum, x) => sum + x, 0) / left.length
  const spread = left.reduce((sum, x) => sum + (x - mean) ** 2, 0)
  return Math.sqrt(((left.length - 1) / left.length) * spread)
}

/** A grid that is denser around 0, then golden section around its best: the error need not have one valley. */
function bestRate(cells: readonly SkillCell[], skills: readonly number[], span: number): number {
  const error = (rate: number) => squaredError(cells, skills, rate)
  const grid = GRID.map((share) => (share * RATE_MAX) / span)
  const errors = grid.map(error)
  const best = errors.indexOf(Math.min(...errors))
  let low = grid[Math.max(0, best - 1)]
  let high = grid[Math.min(grid.length - 1, best + 1)]
  for (let i = 0; i < 50; i++) {
    const a = high - GOLDEN * (high - low)
    const b = low + GOLDEN * (high - low)
    if (error(a) <= error(b)) high = b
    else low = a
  }
  return (low + high) / 2
}

/** Residual sum of squares at a rate, with the best difficulty of each period: `Σ s² - (Σ s d)² / Σ d²`. */
function squaredError(cells: readonly SkillCell[], skills: readonly number[], rate: number): number {
  const sums = new Map<number, { ss: number; sd: number; dd: number; youngest: number }>()
  for (const { period, age } of cells) {
    const sum = sums.get(period) ?? { ss: 0, sd: 0, dd: 0, youngest: age }
    sum.youngest = Math.min(sum.youngest, age)
    sums.set(period, sum)
  }
  cells.forEach(({ period, age }, i) => {
    const sum = sums.get(period)!
    const decay = 2 ** (-rate * (age - sum.youngest))
    sum.ss += skills[i] * skills[i]
    sum.sd += skills[i] * decay
    sum.dd += decay * decay
  })
  let error = 0
  for (const { ss, sd, dd } of sums.values()) error += ss - (sd * sd) / dd
  return error
}
