/**
 * Whether some rows of a class belong to others: backdoors of a training set.
 *
 * A backdoor is a group of rows of one class that (1) a model which learned from them keeps apart from the rest of the class, that (2) look like rows of other classes to a
 * judge who has not seen them, and that (3) bear a mark which neither the other classes nor the rest of their own class have. A kind that a class has by nature (sevens with a
 * bar) fails 2 or 3, wrong labels fail 1 or 3.
 */
import { rowsWhere } from '../core/rows-where.ts'
import { DistanceOrder, eachDistances } from './distance-blocks.ts'
import { markOdds, markOf } from './group-mark.ts'
import { requireLength, requireRange } from './inputs.ts'
import { logFast } from './log.ts'
import { peerPs } from './peer-outliers.ts'
import { groupOdds, splitsInTwo, splitTest } from './two-groups.ts'
import { type DenseRows, type Whitened, whitenAs, whitenRows } from './whitening.ts'

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

export interface ClassFinding {
  /** Rows of the class. */
  rows: number
  verdict: ClassVerdict
  /**
   * Chance of a group as foreign as this if the class were like the others (5 classes or more), else of a gap as wide in one population. NaN where it is not judged.
   */
  p: number
  /** Chance of the gap between the two groups in one elliptical population. */
  splitP: number
  gap: number
  /** Rows of the group that was looked at; those to remove where the class is poisoned. */
  groupRows: number
  /** Share of the group that a judge who has not seen it takes for the class. */
  own: number
  /** Share of the rest of the class that bears the group's mark. */
  shared: number
  /** Share of a half of the group that the mark learned from the other half finds, and of other classes' rows. */
  marked: number
  markedElsewhere: number
  /** Classes that the group looks like, most rows first. */
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
  /** Rows of a class that are looked at one by one; more are scored by what these say. */
  classRowsMax: 2_000,
  /** Rows of other classes that a group is compared with. */
  othersMax: 2_000,
  /** Rows of other classes that a mark is learned against. */
  besideMax: 1_200,
  /** A group is to be no larger than this share of its class, and no smaller than so many rows. */
  groupShareMax: 0.6,
  groupRowsMin: 8,
} as const

/** Columns in which a class is divided, those by which rows are put to a group, and those in which neighbours are looked for. */
const SPLIT_DIMS = 10
const GROUP_DIMS = 40
const INPUT_DIMS = 40
const NEIGHBOURS = 10
const NULL_SAMPLES = 19
const ROUNDS = 10
/** Rounds after which a group that most votes take for the class is left as it is. */
const ROUNDS_MIN = 2
/** Divisions of a class that are looked at; the one whose group is least of the class is gone on with. */
const DIVISIONS = 4
/** Neighbours need no settled directions. */
const VIEW_ROWS = 1_500
const VIEW_ROUNDS = 6
/** No single view says more than this about a row. */
const ODDS_MAX = 5
/** What a mark must say of a row to be enough by itself. */
const SURE = 3
/** A poisoned class has a group of which less is its own, less of whose mark is shared, and more bears it, than these. */
const OWN_MAX = 0.25
const SHARED_MAX = 0.2
const MARKED_MIN = 0.75
const ELSEWHERE_MAX = 0.05
const PEERS_MIN = 5
/** Rows of a group and of a class beyond which a share is not trusted to be smaller. */
const COUNTED_MAX = 200

/**
 * Judges every class. Deterministic in its inputs and the seed.
 *
 * Shapes: `hidden`, `inputs` `[n, …]`, `labels: [n]` in `[0, nClasses)`. Missing: none may be. Errors: MR_STATS_LENGTH, MR_STATS_NAN, MR_STATS_RANGE.
 * Cost, by class of m rows and N others looked at: O(m * (width of hidden + N)) and 20 runs of `splitInTwo`.
 * Sources: Tran, Li and Madry 2018 (rows are centred by class here, as in the paper); Chen et al. 2018 (the judge is their exclusionary reclassification, by nearest
 * neighbours instead of a net trained anew); Chen et al. 2017 and Gu et al. 2017 for what is looked for.
 */
export function foreignGroups(views: LabelledViews, options: ForeignOptions): ForeignFindings {
  const { labels, nClasses } = views
  const { alpha = 0.05 } = options
  requireRange(alpha > 0 && alpha < 1, 'alpha', 'between 0 and 1', alpha)
  requireLength('labels', labels, views.hidden.nRows)
  requireLength('labels', labels, views.inputs.nRows)
  const seen = neighbourView(views.inputs)
  const judged = Array.from({ length: nClasses }, (_, label) => {
    const rows = rowsWhere(labels.length, (i) => labels[i] === label)
    const found =
      rows.length >= FOREIGN_LIMITS.classRowsMin ? judgeClass(views, seen, label, rows, options.seed) : null
    options.onClass?.(label + 1)
    return { rows, found }
  })
  const each = alpha / nClasses
  const ps = chances(
    judged.map(({ found }) => found),
    each,
  )
  const flags = new Uint8Array(labels.length)
  const odds = new Float64Array(labels.length).fill(Number.NaN)
  const classes = judged.map(({ rows, found }, label) => {
    if (!found) return unjudged(rows.length)
    const isPoisoned = ps[label] <= each && isForeign(found.finding, each)
    const verdict: ClassVerdict = isPoisoned ? 'poisoned' : 'clean'
    rows.forEach((row, i) => {
      odds[row] = found.odds[i]
      if (verdict === 'poisoned' && found.odds[i] > 0) flags[row] = 1
    })
    return { ...found.finding, verdict, p: ps[label] }
  })
  return { classes, flags, odds }
}

type Finding = Omit<ClassFinding, 'verdict' | 'p'>

interface Judged {
  finding: Finding
  /** By row of the class. */
  odds: Float64Array
}

function unjudged(rows: number): ClassFinding {
  const none = { p: Number.NaN, splitP: Number.NaN, gap: Number.NaN, groupRows: 0 }
  const shares = { own: Number.NaN, shared: Number.NaN, marked: Number.NaN, markedElsewhere: Number.NaN }
  return { rows, verdict: 'inconclusive', ...none, ...shares, looksLike: [] }
}

/** How foreign a group is: the larger of the share that is taken for the class and the share of the class that has its mark, as -ln with half a row more. */
function foreignness({ own, shared, rows, groupRows }: Finding): number {
  const n = Math.min(COUNTED_MAX, groupRows, rows - groupRows)
  return -logFast((Math.max(own, shared) * n + 0.5) / (n + 1))
}

/** Classes are compared with those that show no foreign group, so that two poisoned ones do not hide one another. */
function chances(found: (Judged | null)[], alpha: number): number[] {
  const some = found.flatMap((one) => (one ? [one] : []))
  const barred = some.map(({ finding }) => Number(isForeign(finding, alpha)))
  if (barred.filter((is) => is === 0).length < PEERS_MIN - 1 || some.length < PEERS_MIN)
    return found.map((one) => one?.finding.splitP ?? Number.NaN)
  const ps = peerPs(
    Float64Array.from(some, ({ finding }) => foreignness(finding)),
    barred,
  )
  return found.map((one) => (one ? ps[some.indexOf(one)] : Number.NaN))
}

/** Whether all is as in a poisoned class but for how it compares with the others. */
function isForeign(found: Finding, alpha: number): boolean {
  const { own, shared, marked, markedElsewhere, groupRows, rows, splitP } = found
  const isMarked = marked >= MARKED_MIN && markedElsewhere <= ELSEWHERE_MAX
  const { groupRowsMin, groupShareMax } = FOREIGN_LIMITS
  const isGroup = groupRows >= groupRowsMin && groupRows <= groupShareMax * rows
  return own <= OWN_MAX && shared <= SHARED_MAX && isMarked && isGroup && splitP <= alpha
}

function spread(rows: Int32Array, most: number): Int32Array {
  if (rows.length <= most) return rows
  return Int32Array.from({ length: most }, (_, k) => rows[Math.floor((k * rows.length) / most)])
}

function taken({ width, points }: DenseRows, at: Int32Array): DenseRows {
  const out = new Float64Array(at.length * width)
  at.forEach((row, i) => {
    out.set(points.subarray(row * width, (row + 1) * width), i * width)
  })
  return { nRows: at.length, width, points: out }
}

/** Neighbours of wide rows are looked for in the directions in which rows vary most. */
function neighbourView(inputs: DenseRows): DenseRows {
  if (inputs.width <= INPUT_DIMS) return inputs
  const some = taken(
    inputs,
    spread(
      rowsWhere(inputs.nRows, () => true),
      VIEW_ROWS,
    ),
  )
  const white = whitenRows(some, INPUT_DIMS, VIEW_ROUNDS)
  const turned = whitenAs(white, inputs)
  // Directions count by how far rows lie along them, as they do before.
  const scales = white.variances.map((v) => Math.sqrt(v))
  for (let at = 0; at < turned.points.length; at++) turned.points[at] *= scales[at % turned.width]
  return turned
}

function judgeClass(
  { hidden, inputs, labels }: LabelledViews,
  seen: DenseRows,
  label: number,
  rows: Int32Array,
  seed: number,
): Judged {
  const { classRowsMax, othersMax, besideMax } = FOREIGN_LIMITS
  const some = spread(rows, classRowsMax)
  const white = whitenRows(taken(hidden, some), GROUP_DIMS)
  const narrow = narrowed(white, SPLIT_DIMS)
  const split = splitTest(narrow, { seed: seed + label, replicates: NULL_SAMPLES })
  const others = rowsWhere(labels.length, (i) => labels[i] !== label)
  const votes = new Votes(seen, labels, some, spread(others, othersMax))
  const group = new Group(inputs, some, spread(others, besideMax), white, votes)
  group.start(splitsInTwo(narrow, DIVISIONS).map((division) => division.group))
  for (let round = 1; round <= ROUNDS && !group.refine(); round++)
    if (round >= ROUNDS_MIN && group.isOfClass()) break
  if (group.takeMarked(label)) for (let round = 0; round < ROUNDS_MIN; round++) group.refine()
  const odds =
    some.length === rows.length ? group.odds : group.oddsOf(whitenAs(white, taken(hidden, rows)), rows)
  return {
    odds,
    finding: {
      rows: rows.length,
      splitP: split.p,
      gap: split.gap,
      groupRows: odds.reduce((n, x) => n + Number(x > 0), 0),
      ...group.shares(label),
    },
  }
}

function narrowed({ nRows, width, points }: DenseRows, most: number): DenseRows {
  if (width <= most) return { nRows, width, points }
  const out = new Float64Array(nRows * most)
  for (let i = 0; i < nRows; i++) out.set(points.subarray(i * width, i * width + most), i * most)
  return { nRows, width: most, points: out }
}

/** The nearest rows of each row of a class: all of its own class, and as many of others as may vote. */
class Votes {
  private readonly own: { near: Int32Array; squares: Float64Array }[] = []
  private readonly others: { labels: Int32Array; squares: Float64Array }[] = []

  constructor(seen: DenseRows, labels: ArrayLike<number>, rows: Int32Array, others: Int32Array) {
    const queries = { ...taken(seen, rows), nNumbers: seen.width }
    const sorter = new DistanceOrder(rows.length)
    eachDistances(queries, queries, 1, (i, squares) => {
      const near = Int32Array.from(sorter.sort(squares)).filter((k) => k !== i)
      this.own[i] = { near, squares: Float64Array.from(near, (k) => squares[k]) }
    })
    eachDistances({ ...taken(seen, others), nNumbers: seen.width }, queries, 1, (i, squares) => {
      const near = nearest(squares, NEIGHBOURS)
      this.others[i] = {
        labels: Int32Array.from(near, (k) => labels[others[k]]),
        squares: Float64Array.from(near, (k) => squares[k]),
      }
    })
  }

  /** Share of the votes of a row that are for its class, and the class it looks like, -1 for its own; rows of the group have no vote. */
  of(i: number, group: Uint8Array): { own: number; like: number } {
    const own = this.own[i]
    const others = this.others[i]
    const counts = new Map<number, number>()
    let [votes, a, b] = [0, 0, 0]
    let nOwn = 0
    while (votes < NEIGHBOURS) {
      while (a < own.near.length && group[own.near[a]] === 1) a++
      const isOwn = a < own.near.length && !(b < others.labels.length && others.squares[b] < own.squares[a])
      if (!isOwn && b >= others.labels.length) break
      if (isOwn) [nOwn, a] = [nOwn + 1, a + 1]
      else {
        counts.set(others.labels[b], (counts.get(others.labels[b]) ?? 0) + 1)
        b++
      }
      votes++
    }
    const [like, most] = [...counts].reduce((best, one) => (one[1] > best[1] ? one : best), [-1, 0])
    return { own: votes === 0 ? 1 : nOwn / votes, like: most > nOwn ? like : -1 }
  }
}

/** Indexes of the `k` smallest, smallest first, of equal ones the first. */
function nearest(values: Float64Array, k: number): Int32Array {
  const found: number[] = []
  for (let i = 0; i < values.length; i++) {
    if (found.length === k && values[i] >= values[found[k - 1]]) continue
    let at = found.length
    while (at > 0 && values[found[at - 1]] > values[i]) at--
    found.splice(at, 0, i)
    if (found.length > k) found.pop()
  }
  return Int32Array.from(found)
}

const clipped = (odds: number) => Math.max(-ODDS_MAX, Math.min(ODDS_MAX, odds))

/** The group within a class, put together anew by three views of each row: what the model makes of it, what it looks like, and the mark. */
class Group {
  odds: Float64Array
  private group: Uint8Array
  private readonly inputs: DenseRows
  private readonly rows: Int32Array
  private readonly beside: Int32Array
  private readonly white: Whitened
  private readonly votes: Votes

  constructor(inputs: DenseRows, rows: Int32Array, beside: Int32Array, white: Whitened, votes: Votes) {
    this.inputs = inputs
    this.rows = rows
    this.beside = beside
    this.white = white
    this.votes = votes
    this.group = new Uint8Array(rows.length)
    this.odds = new Float64Array(rows.length)
  }

  /** Begins with the one of these groups that looks least like the class. */
  start(groups: Uint8Array[]): void {
    const own = groups.map((group) => this.ownOf(group))
    this.group = groups[own.indexOf(Math.min(...own))] ?? this.group
    this.odds = Float64Array.from(this.group, (side) => (side === 1 ? 1 : -1))
  }

  private members(): Int32Array {
    return this.rows.filter((_, i) => this.group[i] === 1)
  }

  /** What sets the group apart from the rows beside. */
  private mark(): ReturnType<typeof markOf> {
    return markOf(this.inputs, spread(this.members(), FOREIGN_LIMITS.besideMax), this.beside)
  }

  /** Share of a group's votes that are for its class. */
  private ownOf(group: Uint8Array): number {
    const rows = rowsWhere(group.length, (i) => group[i] === 1)
    return rows.reduce((sum, i) => sum + this.votes.of(i, group).own, 0) / rows.length
  }

  private get isSome(): boolean {
    const n = this.group.reduce((sum, side) => sum + side, 0)
    return n >= FOREIGN_LIMITS.groupRowsMin && n < this.group.length
  }

  isOfClass(): boolean {
    return this.ownOf(this.group) > 0.5
  }

  /** Where the group is foreign and its mark is neither the class's nor the others', adds the rows of the class that surely bear it: they vote for one another until then. */
  takeMarked(label: number): boolean {
    const { own, shared, marked, markedElsewhere } = this.shares(label)
    if (own > OWN_MAX || shared > SHARED_MAX || marked < MARKED_MIN || markedElsewhere > ELSEWHERE_MAX)
      return false
    const mark = this.mark()
    this.group = Uint8Array.from(this.rows, (row, i) =>
      Number(this.group[i] === 1 || markOdds(mark, this.inputs, row) > SURE),
    )
    return true
  }

  /** One round; true when no row changed sides. */
  refine(): boolean {
    if (!this.isSome) return true
    const mark = this.mark()
    const hidden = groupOdds(this.white, this.white, this.group)
    this.odds = Float64Array.from(this.rows, (row, i) => {
      const { own } = this.votes.of(i, this.group)
      return (
        clipped(hidden[i]) + logFast((1.05 - own) / (own + 0.05)) + clipped(markOdds(mark, this.inputs, row))
      )
    })
    const next = Uint8Array.from(this.odds, (x) => Number(x > 0))
    const isSettled = next.every((side, i) => side === this.group[i])
    this.group = next
    return isSettled
  }

  /** Odds of more rows, by what the model makes of them and the mark. */
  oddsOf(white: DenseRows, rows: Int32Array): Float64Array {
    if (!this.isSome) return new Float64Array(rows.length).fill(-1)
    const mark = this.mark()
    const hidden = groupOdds(white, this.white, this.group)
    return Float64Array.from(rows, (row, i) => clipped(hidden[i]) + clipped(markOdds(mark, this.inputs, row)))
  }

  shares(label: number): Pick<ClassFinding, 'own' | 'shared' | 'marked' | 'markedElsewhere' | 'looksLike'> {
    if (!this.isSome) return { own: 1, shared: 1, marked: 0, markedElsewhere: 1, looksLike: [] }
    const inside = this.members()
    const mark = this.mark()
    const bears = (row: number) => markOdds(mark, this.inputs, row) > 0
    const rest = this.rows.filter((_, i) => this.group[i] === 0)
    const counts = new Map<number, number>()
    this.group.forEach((side, i) => {
      if (side === 0) return
      const { like } = this.votes.of(i, this.group)
      counts.set(like, (counts.get(like) ?? 0) + 1)
    })
    const own = counts.get(-1) ?? 0
    counts.delete(-1)
    counts.delete(label)
    return {
      own: own / inside.length,
      shared: rest.filter(bears).length / rest.length,
      ...this.heldOut(inside),
      looksLike: [...counts]
        .map(([like, rows]) => ({ label: like, rows }))
        .sort((a, b) => b.rows - a.rows || a.label - b.label),
    }
  }

  /** Of each half of the group and of the rows beside, what the mark of the other half finds. */
  private heldOut(inside: Int32Array): Pick<ClassFinding, 'marked' | 'markedElsewhere'> {
    let [found, elsewhere] = [0, 0]
    for (const half of [0, 1]) {
      const isHalf = (_: number, i: number) => i % 2 === half
      const isOther = (_: number, i: number) => i % 2 !== half
      const mark = markOf(this.inputs, inside.filter(isHalf), this.beside.filter(isHalf))
      const bears = (row: number) => markOdds(mark, this.inputs, row) > 0
      found += inside.filter(isOther).filter(bears).length
      elsewhere += this.beside.filter(isOther).filter(bears).length
    }
    return { marked: found / inside.length, markedElsewhere: elsewhere / this.beside.length }
  }
}
