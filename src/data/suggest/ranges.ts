/** Bounds of numbers that fresh rows keep to, learned from how the tails thin out and not from the extremes alone. */
import { grouped } from '../../core/grouped.ts'
import { checks } from '../../define/checks.ts'
import { col } from '../../expr/builder.ts'
import { lowerBound } from '../../stats/order.ts'
import { tailLevel } from '../../stats/tails.ts'
import type { Candidate } from './candidate.ts'
import type { ColumnFacts } from './types.ts'

/** Rows of one delivery in a hundred that may hold a value beyond a bound. */
const PASSED_CHANCE = 0.01
/** A bound that is this many times as far from the median as the extreme is says nothing. */
const REACH_MAX = 20
/** Rows at an extreme that make it the end of a scale. */
const END_ROWS = 10
const END_SHARE = 0.005
const VALUES_MIN = 20
/** A scale has at most so many values; elsewhere the top one is an end when it has so many times the rows of its neighbours below. */
const SCALE_VALUES_MAX = 30
const NEIGHBOURS = 5
const PILED = 3
/** No bound that is learned from a tail is nearer to the extreme than this share of the span. */
const ROOM = 0.05

/** `undefined` where the data do not say. */
interface Bounds {
  low: number | undefined
  high: number | undefined
  /** Values that lie beyond and are taken for wrong. */
  strays: number
}

export function ranges(facts: ColumnFacts): Candidate[] {
  const { numbers, name } = facts
  if (!numbers || numbers.length < VALUES_MIN || facts.distinct < 2) return []
  const bounds = boundsOf(numbers)
  if (bounds.low === undefined && bounds.high === undefined) return []
  return [candidate(facts, name, bounds)]
}

function candidate({ numbers }: ColumnFacts, name: string, bounds: Bounds): Candidate {
  const [least, greatest] = [numbers![0]!, numbers!.at(-1)!]
  const strays = bounds.strays === 0 ? '' : `; ${grouped(bounds.strays)} lie far outside of the others`
  return {
    kind: 'range',
    check: rangeCheck(name, bounds),
    columns: [name],
    why: `${grouped(numbers!.length)} values from ${figure(least)} to ${figure(greatest)}, ${endsText([least, greatest], bounds)}${strays}`,
    failingMax: 0.01,
  }
}

function endsText([least, greatest]: [number, number], { low, high }: Bounds): string {
  if (low === least && high === greatest) return 'with many rows at both ends'
  return low === 0
    ? 'none below zero; a tail that goes on thinning out stays within'
    : 'with tails that thin out before the bounds'
}

function rangeCheck(name: string, { low, high }: Bounds): Candidate['check'] {
  if (low !== undefined && high !== undefined) return checks.between(name, low, high).def
  const rule = low !== undefined ? colGe(name, low) : colLe(name, high!)
  return rule.def
}

const colGe = (name: string, low: number) => checks.holds(col(name).ge(low))
const colLe = (name: string, high: number) => checks.holds(col(name).le(high))

/** Bounds by both tails. Strays are up to one value in a thousand, far beyond where the tail of the others ends. */
function boundsOf(numbers: Float64Array): Bounds {
  const isWhole = numbers.every(Number.isInteger)
  const up = endOf(numbers)
  const down = endOf(mirrored(numbers))
  const step = 10 ** (Math.floor(Math.log10(numbers.at(-1)! - numbers[0]! || 1)) - 1)
  const low = down.end === undefined ? undefined : -down.end
  const high = up.end
  return {
    low: natural(low, numbers[0]!, { isWhole, step, outward: Math.floor }),
    high: natural(high, numbers.at(-1)!, { isWhole, step, outward: Math.ceil }),
    strays: up.strays + down.strays,
  }
}

const mirrored = (numbers: Float64Array): Float64Array => numbers.map((x) => -x).reverse()

/** The upper end of ascending values. */
function endOf(sorted: Float64Array): { end: number | undefined; strays: number } {
  const n = sorted.length
  const top = sorted[n - 1]!
  const atTop = n - lowerBound(sorted, top)
  if (atTop >= Math.max(END_ROWS, END_SHARE * n) && isEnd(sorted, atTop)) return { end: top, strays: 0 }
  const strays = straysOf(sorted)
  const body = strays === 0 ? sorted : sorted.subarray(0, n - strays)
  const level = tailLevel(body, PASSED_CHANCE / n) ?? plainEnd(body)
  const end = Math.max(level, body.at(-1)! + ROOM * (body.at(-1)! - sorted[0]!))
  const median = sorted[n >> 1]!
  const last = body.at(-1)!
  const tooFar = end - median > REACH_MAX * Math.max(last - median, Number.MIN_VALUE)
  return { end: tooFar ? undefined : end, strays: tooFar ? 0 : strays }
}

/** Whether values pile up at the top: they are few in all, or the top one has far more rows than those below it. */
function isEnd(sorted: Float64Array, atTop: number): boolean {
  const below = sorted.length - atTop
  let [values, at] = [0, below]
  while (at > 0 && values <= SCALE_VALUES_MAX) {
    at = lowerBound(sorted, sorted[at - 1]!)
    values++
    if (values === NEIGHBOURS && atTop >= (PILED * (below - at)) / NEIGHBOURS) return true
  }
  return values < SCALE_VALUES_MAX
}

/** Where too few values lie in the tail: once more the span of all. */
function plainEnd(sorted: Float64Array): number {
  return sorted.at(-1)! + (sorted.at(-1)! - sorted[0]!)
}

/** Values at the top that the others' tail does not explain: it would reach them in less than one of a million such columns. */
function straysOf(sorted: Float64Array): number {
  const most = Math.floor(sorted.length / 1000)
  for (let strays = most; strays > 0; strays--) {
    const body = sorted.subarray(0, sorted.length - strays)
    const level = tailLevel(body, 1e-6 / sorted.length)
    const median = sorted[sorted.length >> 1]!
    if (level !== undefined && sorted[sorted.length - strays]! - median > 2 * (level - median)) return strays
  }
  return 0
}

/** A bound that a person would write: zero where values only come near it from one side, else rounded outward to a tenth of the span's size. */
function natural(
  bound: number | undefined,
  extreme: number,
  { isWhole, step, outward }: { isWhole: boolean; step: number; outward: (x: number) => number },
): number | undefined {
  const isLower = outward === Math.floor
  const keepsSign = isLower ? extreme >= 0 : extreme <= 0
  if (bound === undefined) return keepsSign ? 0 : undefined
  if (keepsSign && (isLower ? bound <= 0 : bound >= 0)) return 0
  if (bound === extreme) return bound
  const rounded = clean(outward(bound / step) * step)
  return isWhole ? outward(rounded) : rounded
}

/** Without the dust of binary fractions. */
const clean = (x: number): number => Number(x.toPrecision(12))
const figure = (x: number): string => String(Number(x.toPrecision(6)))
