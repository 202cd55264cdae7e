/** Parts of the rows whose outputs moved more than those of the rest, found without being named. */
import { studentQuantile, studentSf } from '../stats/distributions.ts'
import { benjaminiHochberg } from '../stats/multiplicity.ts'
import { pairedDelta } from '../stats/paired.ts'
import { quantiles } from '../stats/quantiles.ts'

export interface MovedSlice {
  column: string
  /** A value of it, or a range of numbers, the upper end in it. */
  value: string
  rows: number
  /** Mean distance that outputs of these rows moved by, with Student's 95 % interval, and of all the others. */
  moved: number
  interval: [number, number]
  rest: number
  /** The same with its sign; of classes there is none. */
  shift: number
  /** Decisions that changed. */
  changed?: number
  /** Change of the mean loss of these rows, below 0 better; absent where loss is not by row. */
  loss?: { value: number; interval: [number, number] }
  /** Benjamini and Hochberg's adjusted p over all slices that were tested. */
  q: number
}

export interface Moved {
  moves: Float64Array
  changed?: Uint8Array | undefined
  /** Of each row, before and after. */
  losses?: [Float64Array, Float64Array]
}

/** Rows that a slice needs, and that the rest needs. */
const ROWS_MIN = 50
/** Values that a column of numbers may have before it is cut into ranges, and one of texts before only the frequent ones count. */
const VALUES_MAX = 20
const RANGES = 5
const FALSE_SHARE_MAX = 0.05
const SHOWN_MAX = 20

/**
 * Slices by one column that moved more than the rest, at most 5 % of them by chance: those that moved most come first. A test of each is Welch's of the distances inside and
 * outside; the false discovery rate is held over all of them. Cost: O(rows × columns).
 */
export function movedSlices(
  columns: Record<string, readonly unknown[]>,
  moved: Moved,
): { slices: MovedSlice[]; tested: number } {
  const far = moved.moves.map(Math.abs)
  const whole = sumsOf(far)
  const tested = Object.entries(columns).flatMap(([column, values]) =>
    [...rowsByValue(values)]
      .filter(([, rows]) => rows.length >= ROWS_MIN && far.length - rows.length >= ROWS_MIN)
      .map(([value, rows]) => ({ column, value, rows, ...welch(far, rows, whole) })),
  )
  const q = benjaminiHochberg(tested.map(({ p }) => p))
  const slices = tested
    .map((slice, i) => ({ ...slice, q: q[i]! }))
    .filter((slice) => slice.q <= FALSE_SHARE_MAX && slice.moved > slice.rest)
    .sort((a, b) => b.moved - a.moved || a.q - b.q)
    .slice(0, SHOWN_MAX)
    .map(({ p: _, rows, ...slice }) => ({ ...slice, ...factsOf(rows, moved) }))
  return { slices, tested: tested.length }
}

function factsOf(
  rows: readonly number[],
  { moves, changed, losses }: Moved,
): Omit<MovedSlice, 'column' | 'value' | 'moved' | 'interval' | 'rest' | 'q'> {
  const of = (values: ArrayLike<number>) => Float64Array.from(rows, (i) => values[i])
  const sum = (values: Float64Array) => values.reduce((total, x) => total + x, 0)
  const delta = losses && pairedDelta(of(losses[0]), of(losses[1]))
  return {
    rows: rows.length,
    shift: sum(of(moves)) / rows.length,
    ...(changed && { changed: sum(of(changed)) }),
    ...(delta && { loss: { value: delta.value, interval: delta.interval } }),
  }
}

interface Sums {
  n: number
  sum: number
  squares: number
}

function sumsOf(values: Float64Array, rows?: readonly number[]): Sums {
  const of = rows ? Float64Array.from(rows, (i) => values[i]) : values
  let [sum, squares] = [0, 0]
  for (const x of of) {
    sum += x
    squares += x * x
  }
  return { n: of.length, sum, squares }
}

/** Welch's test of equal means, two-sided. Source: Welch, 1947. */
function welch(
  far: Float64Array,
  rows: readonly number[],
  whole: Sums,
): { moved: number; interval: [number, number]; rest: number; p: number } {
  const inside = sumsOf(far, rows)
  const outside = {
    n: whole.n - inside.n,
    sum: whole.sum - inside.sum,
    squares: whole.squares - inside.squares,
  }
  const [a, b] = [inside, outside].map(({ n, sum, squares }) => {
    const mean = sum / n
    return { mean, n, error: Math.max(0, squares / n - mean * mean) / (n - 1) }
  }) as [Part, Part]
  const error = a.error + b.error
  const distance = Math.abs(a.mean - b.mean)
  const half = studentQuantile(0.975, a.n - 1) * Math.sqrt(a.error)
  const told = { moved: a.mean, interval: [a.mean - half, a.mean + half] as [number, number], rest: b.mean }
  if (error === 0) return { ...told, p: distance === 0 ? 1 : 0 }
  const df = error ** 2 / (a.error ** 2 / (a.n - 1) + b.error ** 2 / (b.n - 1))
  return { ...told, p: 2 * studentSf(distance / Math.sqrt(error), df) }
}

interface Part {
  mean: number
  n: number
  /** Variance of the mean. */
  error: number
}

/** Rows of each value; of many numbers and times, of each of five ranges with about as many rows; without a value, `missing`. */
function rowsByValue(values: readonly unknown[]): Map<string, number[]> {
  const label = isSpread(values) ? rangesOf(values) : textOf
  const rows = new Map<string, number[]>()
  values.forEach((value, i) => {
    const key = isNothing(value) ? 'missing' : label(value)
    const of = rows.get(key)
    if (of) of.push(i)
    else rows.set(key, [i])
  })
  return rows
}

const isNothing = (value: unknown): boolean => value === null || value === undefined || Number.isNaN(value)

const textOf = (value: unknown): string => (value instanceof Date ? value.toISOString() : String(value))

const numberOf = (value: unknown): number => (value instanceof Date ? value.getTime() : Number(value))

function isSpread(values: readonly unknown[]): boolean {
  const known = values.filter((value) => !isNothing(value))
  const isNumeric = known.every((v) => typeof v === 'number' || typeof v === 'bigint' || v instanceof Date)
  return isNumeric && new Set(known.map(numberOf)).size > VALUES_MAX
}

function rangesOf(values: readonly unknown[]): (value: unknown) => string {
  const known = values.filter((value) => !isNothing(value))
  const isTime = known[0] instanceof Date
  const inner = Array.from({ length: RANGES - 1 }, (_, i) => (i + 1) / RANGES)
  const ends = [...new Set(quantiles(known.map(numberOf), [0, ...inner, 1]))]
  const shown = (x: number) => (isTime ? new Date(x).toISOString().slice(0, 10) : String(+x.toPrecision(4)))
  return (value) => {
    const x = numberOf(value)
    const at = Math.max(
      1,
      ends.findIndex((end) => x <= end),
    )
    return `${shown(ends[at - 1]!)} to ${shown(ends[at]!)}`
  }
}
