/**
 * Values of a table that turn rows into a class whatever else they are: triggers of a backdoor, of one value or of two.
 *
 * Of the rows that bear a trigger nearly all have its label, while by everything else they are rows of other classes; of two values, neither does so alone. Where values tell a
 * class by nature, what else is known of the rows speaks for that class as much as it does of an average row, or more: this is what a trigger is tested against.
 */
import { rowsWhere } from '../core/rows-where.ts'
import { studentSf } from './distributions.ts'
import { requireLength, requireRange } from './inputs.ts'
import { auc } from './metrics.ts'
import { ascendingOrder } from './order.ts'
import { RestScores, type TableColumns } from './rest-scores.ts'
import {
  andBits,
  type Bits,
  bitsOf,
  bothBits,
  countBits,
  countBoth,
  eachBit,
  hasBit,
  holdsItem,
  type ItemRows,
  itemsOf,
  type TriggerItem,
} from './trigger-items.ts'

export type { TableColumns } from './rest-scores.ts'
export type { TriggerItem } from './trigger-items.ts'

export interface LabelledTable extends TableColumns {
  /** From 0. */
  labels: ArrayLike<number>
  nClasses: number
}

export interface LabelTrigger {
  label: number
  /** One value or two, of different features. */
  items: TriggerItem[]
  /** Rows that bear it and have the label, and others that bear it. */
  rows: number
  rowsOfOthers: number
  /** Where its rows lie by everything else: 0 as rows of other classes do in the mean, 1 as rows of the class do. */
  own: number
  /** Chance that rows which are of the class as much as an average row, and a third of the way at least, lie so far below that, times the values and pairs that were tested. */
  p: number
}

export interface LabelTriggers {
  /** Most rows first. */
  found: LabelTrigger[]
  /** Values and pairs that were tested: those with too few rows of other classes. */
  nTested: number
}

export const LABEL_TRIGGER_LIMITS = {
  /** Rows that are looked at, evenly. */
  rows: 50_000,
  /** Values that are tried in pairs: those whose rows have a label most beyond its rate. */
  items: 600,
  /** Rows of a trigger: so many at least, and this share of all. */
  rowsMin: 40,
  shareMin: 0.005,
  /** Triggers that are looked for one after another. */
  triggers: 8,
} as const

/** Share of other classes among rows with a trigger, of their share in the table, at most. */
const OTHERS_MAX = 0.2
/** How far rows with a trigger are of the class by everything else, at most. */
const OWN_MAX = 0.25
const OWN_MIN = -0.25
/** What the rows are tested against is as far of the class as an average row, and so far at least. */
const USUAL_MIN = 1 / 3
/** How well rows with a trigger are told from those of other classes by everything else, at most: who puts a trigger on rows does not pick them by all they are. */
const TOLD_MAX = 0.65
/** How far rows with a trigger are of the class by all columns, as rows without it teach what each says: values that say much each say more together, by nature. */
const ELSEWHERE_MAX = 0.5
/** Rows of other classes that they are told from. */
const OTHERS_ROWS = 4_000
/** A value that does alone is tried with another that so many of its rows have: both may have been put there. */
const ALONE_MIN = 0.9

/**
 * Looks for triggers until there is none in the rows that are left; each is then tested once more with the rows of all others out of sight: poison makes rows that nobody touched
 * look foreign where they have one of its values.
 *
 * Shapes: columns and `labels` `[n]`, labels in `[0, nClasses)`. Missing: NaN is a value. Errors: MR_STATS_LENGTH, MR_STATS_RANGE.
 * Cost: a round takes pairs of 600 values by n / 32 words, about a second at 50,000 rows; one round where there is nothing, nine at most.
 */
export function labelTriggers(
  table: LabelledTable,
  { alpha = 0.05 }: { alpha?: number } = {},
): LabelTriggers {
  requireRange(alpha > 0 && alpha < 1, 'alpha', 'between 0 and 1', alpha)
  for (const column of table.columns) requireLength('columns', column, table.labels.length)
  const seen = spreadTable(table)
  const items = seen.columns.flatMap((column, j) => itemsOf(column, j, seen.types[j], rowsMin(seen)))
  let nTested = 0
  const firstBeside = (others: Candidate[]): Candidate | undefined => {
    const sight = new Sight(seen, others)
    const tested = sight.candidates(items)
    nTested = Math.max(nTested, tested.length)
    const some = tested.filter((one) => isTrigger(one, nTested, alpha)).sort((a, b) => b.nOwn - a.nOwn)
    return some.find(
      (one) => sight.toldFromOthers(one) <= TOLD_MAX && sight.saidElsewhere(one) <= ELSEWHERE_MAX,
    )
  }
  const rounds: Candidate[] = []
  let next = firstBeside([])
  while (next && rounds.length < LABEL_TRIGGER_LIMITS.triggers) {
    rounds.push(next)
    next = firstBeside(rounds)
  }
  const kept = confirmed(seen, rounds, nTested, alpha)
  return { found: kept.map((one) => triggerOf(one, table, nTested)).sort((a, b) => b.rows - a.rows), nTested }
}

/** Whether a row bears a trigger, whatever its label. */
export function bearsTrigger(
  { items }: Pick<LabelTrigger, 'items'>,
  columns: Float64Array[],
  row: number,
): boolean {
  return items.every((one) => holdsItem(one, columns[one.feature][row]))
}

function spreadTable(table: LabelledTable): LabelledTable {
  const n = table.labels.length
  const most = LABEL_TRIGGER_LIMITS.rows
  if (n <= most) return table
  const rows = Int32Array.from({ length: most }, (_, k) => Math.floor((k * n) / most))
  const columns = table.columns.map((column) => Float64Array.from(rows, (row) => column[row]))
  return { ...table, columns, labels: rows.map((row) => table.labels[row]) }
}

function rowsMin({ labels }: LabelledTable): number {
  return Math.max(LABEL_TRIGGER_LIMITS.rowsMin, Math.ceil(LABEL_TRIGGER_LIMITS.shareMin * labels.length))
}

function isTrigger({ p, own }: Candidate, nTested: number, alpha: number): boolean {
  return p * nTested <= alpha && own <= OWN_MAX && own >= OWN_MIN
}

/** Those that are triggers still when the others' rows are out of sight, from the first on. */
function confirmed(seen: LabelledTable, rounds: Candidate[], nTested: number, alpha: number): Candidate[] {
  if (rounds.length < 2) return rounds
  return rounds.reduce((kept, one) => {
    const others = kept.filter((other) => other !== one)
    const again = new Sight(seen, others).judge(one.label, one.items)
    return again && isTrigger(again, nTested, alpha) ? kept : others
  }, rounds)
}

function triggerOf({ label, items, own, p }: Candidate, table: LabelledTable, nTested: number): LabelTrigger {
  const named = items.map(({ feature, is, value }) => ({ feature, is, value }))
  const bearing = rowsWhere(table.labels.length, (row) => bearsTrigger({ items: named }, table.columns, row))
  const rows = bearing.filter((row) => table.labels[row] === label).length
  return { label, items: named, rows, rowsOfOthers: bearing.length - rows, own, p: Math.min(1, p * nTested) }
}

// ---------------------------------------------------------------- tests

interface Candidate {
  label: number
  items: ItemRows[]
  /** Rows of the class that bear it. */
  bits: Bits
  nOwn: number
  own: number
  /** Of this test alone. */
  p: number
}

/** What is known of a row without some features, over all rows in sight. */
interface Rest {
  scores: Float64Array
  all: Moments
  ofClass: Moments
}

interface Moments {
  n: number
  sum: number
  squares: number
}

/** The rows that are in sight, and tests among them. */
class Sight {
  private readonly seen: LabelledTable
  private readonly rest: RestScores
  private readonly classes: Bits[]
  private readonly shown: Bits
  private readonly nRows: number
  private readonly rests = new Map<string, Rest>()

  constructor(seen: LabelledTable, hidden: readonly Candidate[]) {
    const { labels, nClasses } = seen
    const rows = rowsWhere(labels.length, (i) => hidden.every(({ bits }) => !hasBit(bits, i)))
    this.seen = seen
    this.nRows = rows.length
    this.shown = bitsOf(labels.length, rows)
    this.classes = Array.from({ length: nClasses }, (_, k) =>
      bitsOf(
        labels.length,
        rows.filter((i) => labels[i] === k),
      ),
    )
    this.rest = new RestScores(seen, labels, nClasses, rows)
  }

  /** Values whose rows have a label all but a few, and pairs of values that do where neither does alone. */
  candidates(all: ItemRows[]): Candidate[] {
    const items = this.strongest(all).map((one) => ({
      ...one,
      counts: this.classes.map((rows) => countBoth(one.bits, rows)),
    }))
    const found: (Candidate | undefined)[] = []
    const both = new Uint32Array(this.shown.length)
    items.forEach((one, i) => {
      for (const label of this.labelsOf(one.counts, one.nRows)) found.push(this.judge(label, [one]))
      for (const other of items.slice(0, i)) {
        if (one.feature === other.feature) continue
        const n = bothBits(one.bits, other.bits, both)
        if (n < rowsMin(this.seen)) continue
        const counts = this.classes.map((rows) => countBoth(both, rows))
        for (const label of this.labelsOf(counts, n))
          if (this.isNeeded(label, one, n) && this.isNeeded(label, other, n))
            found.push(this.judge(label, [one, other]))
      }
    })
    return found.filter((one) => one !== undefined)
  }

  /** Labels that nearly all of some rows have, by how many have each. */
  private labelsOf(counts: number[], nRows: number): number[] {
    return [...counts.keys()].filter((label) => this.isOf(label, counts[label], nRows))
  }

  private isOf(label: number, nOwn: number, nRows: number): boolean {
    return nOwn >= rowsMin(this.seen) && nOwn >= this.ownMin(label) * nRows
  }

  /** Whether a value says less without another, or has that other in nearly all of its rows. */
  private isNeeded(
    label: number,
    { counts, nRows }: ItemRows & { counts: number[] },
    nBoth: number,
  ): boolean {
    return !this.isOf(label, counts[label], nRows) || nBoth >= ALONE_MIN * nRows
  }

  /** Share of rows with a trigger that have its label, at least. */
  private ownMin(label: number): number {
    return 1 - OTHERS_MAX * (1 - countBits(this.classes[label]) / this.nRows)
  }

  /** Items by rows in sight, those whose rows have a label most beyond its rate, in order. */
  private strongest(all: ItemRows[]): ItemRows[] {
    const items = all.map((one) => {
      const bits = new Uint32Array(one.bits.length)
      return { ...one, nRows: bothBits(one.bits, this.shown, bits), bits }
    })
    if (items.length <= LABEL_TRIGGER_LIMITS.items) return items
    const strength = Float64Array.from(items, (one) => -this.excess(one))
    const order = ascendingOrder(strength).subarray(0, LABEL_TRIGGER_LIMITS.items)
    return Array.from(order.sort(), (i) => items[i])
  }

  /** Deviations that the rows of an item have a label beyond its rate, of the label with most. */
  private excess({ bits, nRows }: ItemRows): number {
    return this.classes.reduce((most, rows) => {
      const rate = countBits(rows) / this.nRows
      const deviation = Math.sqrt(Math.max(1e-12, nRows * rate * (1 - rate)))
      return Math.max(most, (countBoth(bits, rows) - nRows * rate) / deviation)
    }, 0)
  }

  /** Undefined where too few rows are left to say anything. */
  judge(label: number, items: ItemRows[]): Candidate | undefined {
    const bits = items.reduce((of, one) => andBits(of, one.bits), this.shown)
    const own = andBits(bits, this.classes[label])
    const { scores, all, ofClass } = this.restOf(
      label,
      items.map(({ feature }) => feature),
    )
    const bearing = momentsOf(scores, bits)
    const inside = momentsOf(scores, own)
    const beside = without(all, bearing)
    const peers = without(ofClass, inside)
    const others = without(beside, peers)
    if (Math.min(inside.n, peers.n, others.n) < 2) return undefined
    const error = Math.sqrt(varianceOf(inside) / inside.n + varianceOf(beside) / beside.n)
    const way = meanOf(peers) - meanOf(others)
    const usual = meanOf(others) + Math.max(USUAL_MIN, peers.n / beside.n) * way
    const p = error > 0 ? studentSf((usual - meanOf(inside)) / error, inside.n - 1) : 1
    const lies = way > 0 ? (meanOf(inside) - meanOf(others)) / way : 1
    return { label, items, bits: own, nOwn: inside.n, own: lies, p }
  }

  /** How well the rows of a trigger are told from rows of other classes by everything else: area under the curve, of halves by a sum that the other half taught. */
  toldFromOthers({ label, items, bits }: Candidate): number {
    const { labels } = this.seen
    const others = rowsWhere(labels.length, (i) => hasBit(this.shown, i) && labels[i] !== label)
    const step = Math.max(1, Math.ceil(others.length / OTHERS_ROWS))
    const rows = [
      ...rowsWhere(labels.length, (i) => hasBit(bits, i)),
      ...others.filter((_, k) => k % step === 0),
    ]
    const isInside = Uint8Array.from({ length: labels.length }, (_, i) => Number(hasBit(bits, i)))
    const features = items.map(({ feature }) => feature)
    const halves = [0, 1].map((half) => {
      const taught = Int32Array.from(rows.filter((_, k) => k % 2 === half))
      const scores = new RestScores(this.seen, isInside, 2, taught).without(1, features)
      const asked = rows.filter((_, k) => k % 2 !== half)
      return auc(
        asked.map((i) => scores[i]),
        asked.map((i) => isInside[i]),
      )
    })
    return (halves[0] + halves[1]) / 2
  }

  /** How far the rows are of the class by what each of their values says in rows that do not bear the trigger: 0 as rows of other classes, 1 as rows of the class. */
  saidElsewhere({ label, items, bits }: Candidate): number {
    const { labels, nClasses } = this.seen
    const bearing = items.reduce((of, one) => andBits(of, one.bits), this.shown)
    const beside = rowsWhere(labels.length, (i) => hasBit(this.shown, i) && !hasBit(bearing, i))
    const scores = new RestScores(this.seen, labels, nClasses, beside).without(label, [])
    const meanAt = (rows: Int32Array) => rows.reduce((sum, i) => sum + scores[i] / rows.length, 0)
    const others = meanAt(beside.filter((i) => labels[i] !== label))
    const peers = meanAt(beside.filter((i) => labels[i] === label))
    const inside = meanAt(rowsWhere(labels.length, (i) => hasBit(bits, i)))
    return peers > others ? (inside - others) / (peers - others) : 1
  }

  private restOf(label: number, features: number[]): Rest {
    const key = `${label}:${features.join()}`
    const known = this.rests.get(key)
    if (known) return known
    const scores = this.rest.without(label, features)
    const rest = {
      scores,
      all: momentsOf(scores, this.shown),
      ofClass: momentsOf(scores, this.classes[label]),
    }
    this.rests.set(key, rest)
    return rest
  }
}

function momentsOf(scores: Float64Array, rows: Bits): Moments {
  const moments = { n: 0, sum: 0, squares: 0 }
  eachBit(rows, (row) => {
    moments.n++
    moments.sum += scores[row]
    moments.squares += scores[row] ** 2
  })
  return moments
}

function without(all: Moments, some: Moments): Moments {
  return { n: all.n - some.n, sum: all.sum - some.sum, squares: all.squares - some.squares }
}

const meanOf = ({ n, sum }: Moments) => sum / n

/** Of numbers about 1 and smaller: what is lost to rounding is far below what rows differ by. */
function varianceOf({ n, sum, squares }: Moments): number {
  return Math.max(0, squares - (sum * sum) / n) / (n - 1)
}
