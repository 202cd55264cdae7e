/**
 * Features that tell the label in most places and not in others: in one source or period, or only by telling sources and periods apart. A model that learns them is right here for a
 * reason that does not travel (a ruler beside tumours, the hospital's own marker).
 *
 * What a feature says elsewhere is the mean label of each of its values or bins; what it says here is the slope of the labels on that, 1 where it says the same. A slope does not
 * shrink where the feature varies less; of a yes or no it is put in relation to what the rate alone does to it.
 */

import type { MatrixHeader } from '../../model/matrix.ts'
import { normalQuantile } from '../../stats/distributions.ts'
import { lowerBound } from '../../stats/order.ts'
import { quantiles } from '../../stats/quantiles.ts'
import type { Groups } from './pool.ts'

export interface Shortcut {
  feature: string
  /** Label that it tells, where there are more than two. */
  class?: string
  /** Where it says less: in one source or period, or inside them all (then `where` is empty). */
  by: 'source' | 'period'
  where: string
  rows: number
  /** Correlation of what it says with the labels of all other rows. */
  elsewhere: number
  /** Slope here (inside places: the share of the correlation that is left): 1 says the same, 0 nothing, below 0 the reverse; the interval holds for all that was looked at. */
  here: number
  interval: [number, number]
}

export interface ShortcutsAsked {
  features: MatrixHeader['features']
  columns: readonly Float64Array[]
  /** Labels: codes of classes, or numbers. */
  target: Float64Array
  /** Labels of classes; none of numbers. */
  classes: readonly string[]
  sources?: Groups
  /** Instants of the rows. */
  times?: Float64Array
}

export const SHORTCUT_LIMITS = { features: 64, classes: 5, found: 50 }
const PERIODS = 4
const BINS = 10
const CATEGORIES = 50
/** Rows that a place needs. */
const ROWS_MIN = 50
/** Correlation from which a feature matters. */
const STRENGTH_MIN = 0.15
/** Slope below which a feature says less than half of what it says elsewhere. */
const SLOPE_MAX = 0.5
const LEVEL = 0.95

/** Strongest first. Cost: a pass over the rows for each feature, class and kind of place. */
export function shortcutsOf(asked: ShortcutsAsked): Shortcut[] {
  const places = placesOf(asked)
  const responses = responsesOf(asked)
  const looks = asked.features.slice(0, SHORTCUT_LIMITS.features).flatMap((feature, j) => {
    const binned = binsOf(asked.columns[j], feature.type === 'category')
    return places.flatMap((place) =>
      responses.flatMap((response) =>
        comparisons(binned, place, response).map((c) => ({ feature: feature.name, place, response, ...c })),
      ),
    )
  })
  const z = normalQuantile(1 - (1 - LEVEL) / 2 / Math.max(1, looks.length))
  return looks
    .map(
      ({ feature, place, response, where, rows, elsewhere, slope, se }): Shortcut => ({
        feature,
        ...(response.label !== undefined && { class: response.label }),
        by: place.by,
        where,
        rows,
        elsewhere,
        here: slope,
        interval: [slope - z * se, slope + z * se],
      }),
    )
    .filter(({ elsewhere, interval }) => elsewhere >= STRENGTH_MIN && interval[1] < SLOPE_MAX)
    .sort((a, b) => b.elsewhere * (1 - b.here) - a.elsewhere * (1 - a.here))
    .slice(0, SHORTCUT_LIMITS.found)
}

interface Place {
  by: Shortcut['by']
  codes: Int32Array
  names: string[]
}

function placesOf({ sources, times }: ShortcutsAsked): Place[] {
  const places: Place[] = []
  if (sources) {
    const names = sources.names.map((name) => name ?? 'none')
    places.push({ by: 'source', codes: sources.codes, names })
  }
  if (times) {
    const known = times.filter(Number.isFinite)
    const edges = known.length === 0 ? [] : quantiles(known, [0.25, 0.5, 0.75])
    const bounds = known.length === 0 ? [] : quantiles(known, [0, 0.25, 0.5, 0.75, 1])
    places.push({
      by: 'period',
      codes: Int32Array.from(times, (at) => (Number.isFinite(at) ? edges.filter((e) => at > e).length : -1)),
      names: Array.from({ length: PERIODS }, (_, p) => periodText(bounds[p], bounds[p + 1])),
    })
  }
  return places.filter(({ codes }) => new Set(codes).size > 1)
}

function periodText(from: number, to: number): string {
  const day = (at: number) => new Date(at).toISOString().slice(0, 10)
  return `${day(from)} to ${day(to)}`
}

interface Response {
  label?: string
  values: Float64Array
  /** Of a yes or no, whose slope falls where nearly all are one or the other. */
  isRate: boolean
}

/** A yes or no, each of several classes against the rest, or numbers by their ranks. */
function responsesOf({ target, classes }: ShortcutsAsked): Response[] {
  if (classes.length === 0) return [{ values: ranksOf(target), isRate: false }]
  if (classes.length === 2) return [{ values: target, isRate: true }]
  const counts = classes.map((_, k) => target.reduce((n, y) => n + Number(y === k), 0))
  return [...classes.keys()]
    .sort((a, b) => counts[b] - counts[a] || a - b)
    .slice(0, SHORTCUT_LIMITS.classes)
    .map((k) => ({ label: classes[k], values: target.map((y) => Number(y === k)), isRate: true }))
}

/** From 0 to 1; equal numbers have the rank of the first. */
function ranksOf(values: Float64Array): Float64Array {
  const sorted = values.toSorted()
  return values.map((x) => lowerBound(sorted, x) / values.length)
}

interface Binned {
  bins: Int32Array
  nBins: number
}

/** Frequent categories, or tenths of the numbers; the others and missing values have bins of their own. */
function binsOf(column: Float64Array, isCategory: boolean): Binned {
  if (isCategory)
    return {
      bins: Int32Array.from(column, (x) => (Number.isNaN(x) ? CATEGORIES + 1 : Math.min(x, CATEGORIES))),
      nBins: CATEGORIES + 2,
    }
  const present = column.filter(Number.isFinite)
  const tenths = Array.from({ length: BINS - 1 }, (_, i) => (i + 1) / BINS)
  const edges = present.length === 0 ? [] : [...new Set(quantiles(present, tenths))]
  return {
    bins: Int32Array.from(column, (x) => (Number.isNaN(x) ? BINS : edges.filter((e) => x > e).length)),
    nBins: BINS + 1,
  }
}

interface Comparison {
  where: string
  rows: number
  elsewhere: number
  slope: number
  se: number
}

/** Rows and sums of labels by place and bin. */
interface Table {
  nPlaces: number
  nBins: number
  rows: Float64Array
  sums: Float64Array
  squares: Float64Array
}

function comparisons(
  { bins, nBins }: Binned,
  { codes, names }: Place,
  { values, isRate }: Response,
): Comparison[] {
  const table = tableOf(bins, nBins, codes, names.length, values)
  const places = [...names.keys()].filter((p) => rowsIn(table, p) >= ROWS_MIN)
  if (places.length < 2) return []
  const single = places.flatMap((p) => {
    const told = meansOf(table, (other) => other !== p)
    const elsewhere = strengthOf(table, told, (other) => other !== p)
    const here = slopeOf(table, told, [p])
    return elsewhere && here ? [{ where: names[p], ...compare(here, elsewhere, isRate) }] : []
  })
  return [...single, ...insidePlaces(table, places)]
}

/** What is left of a feature's correlation inside places, where each has its own level: next to nothing of one that only tells places apart. */
function insidePlaces(table: Table, places: readonly number[]): Comparison[] {
  const told = meansOf(table, () => true)
  const all = strengthOf(table, told, () => true)
  const inside = slopeOf(table, told, places)
  if (!all || !inside || all.correlation === 0) return []
  const { rows, r2 } = inside
  const used = table.rows.filter((n) => n > 0).length
  const left = Math.max(0, 1 - ((1 - r2) * (rows - 1)) / Math.max(1, rows - used))
  return [
    {
      where: '',
      rows,
      elsewhere: all.correlation,
      slope: Math.sqrt(left) / all.correlation,
      se: (1 - left) / Math.sqrt(rows) / all.correlation,
    },
  ]
}

/** Puts a slope in relation to what the same log-odds make of it at another rate. */
function compare(
  { slope, se, rows, variance }: Slope,
  { correlation, variance: usual }: Strength,
  isRate: boolean,
): Omit<Comparison, 'where'> {
  const expected = isRate && usual > 0 ? Math.min(1, variance / usual) : 1
  const unit = Math.max(0.05, expected)
  return { rows, elsewhere: correlation, slope: slope / unit, se: se / unit }
}

function tableOf(
  bins: Int32Array,
  nBins: number,
  codes: Int32Array,
  nPlaces: number,
  values: Float64Array,
): Table {
  const size = nPlaces * nBins
  const table = {
    nPlaces,
    nBins,
    rows: new Float64Array(size),
    sums: new Float64Array(size),
    squares: new Float64Array(size),
  }
  for (let i = 0; i < bins.length; i++) {
    if (codes[i] < 0) continue
    const at = codes[i] * nBins + bins[i]
    table.rows[at]++
    table.sums[at] += values[i]
    table.squares[at] += values[i] * values[i]
  }
  return table
}

function rowsIn({ nBins, rows }: Table, place: number): number {
  return rows.subarray(place * nBins, (place + 1) * nBins).reduce((sum, n) => sum + n, 0)
}

/** Mean label of each bin over some places, drawn to the mean of all by one row; NaN without rows. */
function meansOf({ nPlaces, nBins, rows, sums }: Table, takes: (place: number) => boolean): Float64Array {
  const n = new Float64Array(nBins)
  const sum = new Float64Array(nBins)
  for (let p = 0; p < nPlaces; p++) {
    if (!takes(p)) continue
    for (let b = 0; b < nBins; b++) {
      n[b] += rows[p * nBins + b]
      sum[b] += sums[p * nBins + b]
    }
  }
  const mean = sum.reduce((a, b) => a + b, 0) / n.reduce((a, b) => a + b, 0)
  return sum.map((s, b) => (n[b] === 0 ? Number.NaN : (s + mean) / (n[b] + 1)))
}

interface Strength {
  correlation: number
  variance: number
}

/** Correlation of bin means with labels over some places, less what as many bins would have by chance. */
function strengthOf(
  table: Table,
  told: Float64Array,
  takes: (place: number) => boolean,
): Strength | undefined {
  const { nPlaces, nBins } = table
  const joined: Table = {
    nPlaces: 1,
    nBins,
    rows: new Float64Array(nBins),
    sums: new Float64Array(nBins),
    squares: new Float64Array(nBins),
  }
  for (let p = 0; p < nPlaces; p++)
    if (takes(p))
      for (let b = 0; b < nBins; b++)
        for (const what of ['rows', 'sums', 'squares'] as const) joined[what][b] += table[what][p * nBins + b]
  const found = slopeOf(joined, told, [0])
  if (!found) return undefined
  const { rows, r2, variance } = found
  const used = joined.rows.filter((n) => n > 0).length
  const adjusted = 1 - ((1 - r2) * (rows - 1)) / Math.max(1, rows - used)
  return { correlation: Math.sqrt(Math.max(0, adjusted)), variance }
}

interface Slope {
  slope: number
  se: number
  rows: number
  r2: number
  /** Of the labels, inside the places. */
  variance: number
}

/** Labels on bin means, inside places: each place has a level of its own. Undefined where the feature does not vary or rows are few. */
function slopeOf(
  { nBins, rows, sums, squares }: Table,
  told: Float64Array,
  places: readonly number[],
): Slope | undefined {
  let [xx, xy, yy, n] = [0, 0, 0, 0]
  for (const p of places) {
    let [count, sx, sy, sxx, sxy, syy] = [0, 0, 0, 0, 0, 0]
    for (let b = 0; b < nBins; b++) {
      const at = p * nBins + b
      if (rows[at] === 0 || Number.isNaN(told[b])) continue
      count += rows[at]
      sx += rows[at] * told[b]
      sy += sums[at]
      sxx += rows[at] * told[b] * told[b]
      sxy += told[b] * sums[at]
      syy += squares[at]
    }
    if (count === 0) continue
    xx += sxx - (sx * sx) / count
    xy += sxy - (sx * sy) / count
    yy += syy - (sy * sy) / count
    n += count
  }
  if (n < ROWS_MIN || !(xx > 1e-9 * n) || !(yy > 0)) return undefined
  const slope = xy / xx
  const r2 = Math.min(1, (xy * xy) / (xx * yy))
  const se = Math.sqrt((yy * (1 - r2)) / Math.max(1, n - places.length - 1) / xx)
  return { slope, se, rows: n, r2, variance: yy / n }
}
