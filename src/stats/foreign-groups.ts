/**
 * Whether some rows of a class belong to others: backdoors of a training set.
 *
 * A backdoor is a group of rows of one class that (1) a judge which learned without them does not take for the class, even when it cannot see what sets them apart, and that
 * (2) bear a mark which neither the other classes nor the rest of their own class have. A kind that a class has by nature (sevens with a bar) fails 1, wrong labels fail 2.
 */
import { rowsWhere } from '../core/rows-where.ts'
import { requireLength, requireRange } from './inputs.ts'
import { logFast } from './log.ts'
import { peerPs } from './peer-outliers.ts'
import {
  SUSPECT_LIMITS,
  type Suspect,
  type SuspectFigures,
  sharedMost,
  suspectOf,
  viewsOf,
} from './suspect-group.ts'
import type { DenseRows } from './whitening.ts'

export interface LabelledViews {
  /** What a layer of the model makes of each row. */
  hidden: DenseRows
  /** Numbers that the model is given, on one scale. */
  inputs: DenseRows
  /** Class of each row as it was given, from 0. */
  labels: ArrayLike<number>
  nClasses: number
}

export interface ForeignOptions {
  seed: number
  /** Chance that any clean class is called poisoned, divided evenly over the classes. Default 0.05. */
  alpha?: number
  /** After each class: how many are done. */
  onClass?: (nDone: number) => void
}

export type ClassVerdict = 'poisoned' | 'clean' | 'inconclusive'

export interface ClassFinding extends SuspectFigures {
  /** Rows of the class. */
  rows: number
  verdict: ClassVerdict
  /**
   * Chance of a group as foreign as this if the class were like the others (5 classes or more), else if the group were like other groups of these classes, times the groups
   * of its class that were looked at. NaN where it is not judged.
   */
  p: number
  /** Rows of the group that was looked at; those to remove where the class is poisoned. */
  groupRows: number
  /** Classes that the group is taken for, most rows first. */
  looksLike: { label: number; rows: number }[]
}

export interface ForeignFindings {
  classes: ClassFinding[]
  /** By row: 1 for those of a poisoned class that belong to others. */
  flags: Uint8Array
  /** By row: log-odds of being one of the group that was looked at in its class, poisoned or not; NaN where the class is not judged. */
  odds: Float64Array
}

export const FOREIGN_LIMITS = {
  /** Rows of a class below which nothing is said of it. */
  classRowsMin: 50,
  ...SUSPECT_LIMITS,
} as const

/** A poisoned class has a group of which less is its own, less of whose mark is shared, and more bears it, than these. */
const OWN_MAX = 0.5
const SHARED_MAX = 0.1
const MARKED_MIN = 0.75
const ELSEWHERE_MAX = 0.03
/** Classes from which on they are compared with one another, and groups that are needed where they are fewer. */
const PEERS_MIN = 5
const GROUPS_MIN = 4
/** Rows beyond which a share is not trusted to be smaller. */
const COUNTED_MAX = 200

/**
 * Judges every class. Deterministic in its inputs and the seed.
 *
 * Shapes: `hidden`, `inputs` `[n, …]`, `labels: [n]` in `[0, nClasses)`. Missing: none may be. Errors: MR_STATS_LENGTH, MR_STATS_NAN, MR_STATS_RANGE.
 * Cost, by class of m rows, 1,000 at most: the judge's of 3,000 rows up to five times, and some 70 times O(g³) for groups of g rows.
 * Sources: Chen et al. 2018 (exclusionary reclassification, here without what sets a group apart); Tran, Li and Madry 2018 (rows are centred by class here, as in the
 * paper); Chen et al. 2017 and Gu et al. 2017 for what is looked for.
 */
export function foreignGroups(views: LabelledViews, options: ForeignOptions): ForeignFindings {
  const { labels, nClasses } = views
  const { alpha = 0.05, seed } = options
  requireRange(alpha > 0 && alpha < 1, 'alpha', 'between 0 and 1', alpha)
  requireLength('labels', labels, views.hidden.nRows)
  requireLength('labels', labels, views.inputs.nRows)
  const seen = viewsOf(views)
  const looked = Array.from({ length: nClasses }, (_, label): Looked => {
    const rows = rowsWhere(labels.length, (i) => labels[i] === label)
    const isEnough = rows.length >= FOREIGN_LIMITS.classRowsMin && rows.length < labels.length
    const suspect = isEnough ? suspectOf(seen, label, rows, { seed, all: nClasses < PEERS_MIN }) : undefined
    options.onClass?.(label + 1)
    return { rows, suspect }
  })
  const ps = chances(looked)
  const flags = new Uint8Array(labels.length)
  const odds = new Float64Array(labels.length).fill(Number.NaN)
  const classes = looked.map(({ rows, suspect: first }, label): ClassFinding => {
    if (!first || Number.isNaN(ps[label])) return unjudged(rows.length)
    const isUnlike = ps[label] <= alpha / nClasses
    const suspect = isUnlike ? foreignSide(first) : first
    const isPoisoned = isUnlike && isForeign(suspect)
    const found = isPoisoned ? suspect.polish() : suspect.odds
    rows.forEach((row, i) => {
      odds[row] = found[i]
      if (isPoisoned && found[i] > 0) flags[row] = 1
    })
    const { own, shared, marked, markedElsewhere, looksLike } = suspect
    const groupRows = found.reduce((n, x) => n + Number(x > 0), 0)
    const verdict = isPoisoned ? 'poisoned' : 'clean'
    return {
      rows: rows.length,
      verdict,
      p: ps[label],
      groupRows,
      own,
      shared,
      marked,
      markedElsewhere,
      looksLike,
    }
  })
  return { classes, flags, odds }
}

interface Looked {
  rows: Int32Array
  suspect: Suspect | undefined
}

function unjudged(rows: number): ClassFinding {
  const shares = { own: Number.NaN, shared: Number.NaN, marked: Number.NaN, markedElsewhere: Number.NaN }
  return { rows, verdict: 'inconclusive', p: Number.NaN, groupRows: 0, ...shares, looksLike: [] }
}

/** How foreign a group is: -ln of the largest share that speaks against it, with half a row more. */
function foreignness(found: SuspectFigures & { nGroup: number }): number {
  const n = Math.min(COUNTED_MAX, found.nGroup)
  return -logFast((sharedMost(found) * n + 0.5) / (n + 1))
}

/**
 * Classes are compared with those that show no foreign group, so that two poisoned ones do not hide one another; by the size of the group too, as of a few rows a small share is foreign by
 * chance more often.
 */
function chances(looked: Looked[]): number[] {
  const some = looked.flatMap(({ suspect }) => (suspect ? [suspect] : []))
  const barred = some.map((suspect) => Number(isForeign(suspect)))
  const nPeers = barred.filter((is) => is === 0).length
  if (some.length < PEERS_MIN || nPeers < PEERS_MIN - 1)
    return looked.map(({ suspect }) => chanceOfGroup(suspect, some))
  const ps = peerPs(Float64Array.from(some, foreignness), { barred, beside: sizesOf(some) })
  return looked.map(({ suspect }) => (suspect ? ps[some.indexOf(suspect)] : Number.NaN))
}

/** Chance of a group among the other groups of all classes, times those of its own class: the most foreign of them was picked. */
function chanceOfGroup(suspect: Suspect | undefined, all: Suspect[]): number {
  if (!suspect) return Number.NaN
  const others = all.flatMap((one) =>
    one.looked.filter((group, i) => !(i === 0 && (one === suspect || isForeign(group)))),
  )
  if (others.length < GROUPS_MIN - 1) return Number.NaN
  const groups = [suspect, ...others]
  const [p] = peerPs(Float64Array.from(groups, foreignness), { beside: sizesOf(groups) })
  return Math.min(1, p * suspect.looked.length)
}

/** By their logarithm. */
function sizesOf(groups: readonly { nGroup: number }[]): Float64Array {
  return Float64Array.from(groups, ({ nGroup }) => logFast(nGroup))
}

/** The suspect, or the rest of its class where that is foreign instead: without its own rows a class is what its poison says. */
function foreignSide(suspect: Suspect): Suspect {
  const other = isForeign(suspect) ? undefined : suspect.otherSide()
  return other && isForeign(other) ? other : suspect
}

/** Whether all is as in a poisoned class but for how it compares with the others. */
function isForeign({ own, shared, marked, markedElsewhere }: SuspectFigures): boolean {
  return own <= OWN_MAX && shared <= SHARED_MAX && marked >= MARKED_MIN && markedElsewhere <= ELSEWHERE_MAX
}
