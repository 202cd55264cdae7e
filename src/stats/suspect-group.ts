/** The group of a class that looks most foreign to it: what divides the class is looked at, and a judge that learned without the group says what it is. */
import { rowsWhere } from '../core/rows-where.ts'
import { ExclusionJudge, type JudgeScores, saidBy } from './exclusion-judge.ts'
import { distinctGroups, groupsOf, isOfSize, sizeOf } from './group-candidates.ts'
import { type GroupMark, markOdds, markOf } from './group-mark.ts'
import { logFast } from './log.ts'
import { groupOdds } from './two-groups.ts'
import { type DenseRows, type Whitened, whitenAs, whitenRows } from './whitening.ts'

export const SUSPECT_LIMITS = {
  /** Rows of a class that are looked at one by one; more are scored by what these say. */
  classRowsMax: 1_000,
  /** Rows of other classes that teach the judge, and that a mark is learned against. */
  othersMax: 2_000,
  besideMax: 800,
  /** A group is to be no larger than this share of its class, and no smaller than so many rows. */
  groupShareMax: 0.6,
  groupRowsMin: 8,
} as const

/** Directions of the layer in which a class is divided, once in fewer and once in more, and those by which rows are put to a group. */
const SPLIT_DIMS = [10, 20]
const GROUP_DIMS = 40
/** Directions of wide inputs that the judge sees, and those in which a mark is first looked for. */
const JUDGE_DIMS = 40
const MARK_DIMS = 100
/** Directions need no settled figures. */
const VIEW_ROWS = 1_000
const VIEW_ROUNDS = 5
/** Groups that are gone on with, and rounds in which they are put together anew. */
const STARTS = 4
const GROW_ROUNDS = 4
const POLISH_ROUNDS = 5
/** No single view says more than this about a row. */
const ODDS_MAX = 5

export interface SuspectFigures {
  /** Share of the group that a judge which learned without it, and cannot see what sets it apart, takes for the class. */
  own: number
  /** Share of the rest of the class that bears the group's mark. */
  shared: number
  /** Share of a half of the group that the mark learned from the other half finds, and of other classes' rows. */
  marked: number
  markedElsewhere: number
}

export interface Suspect extends SuspectFigures {
  /** Classes that the group is taken for, most rows first. */
  looksLike: { label: number; rows: number }[]
  nGroup: number
  /** By row of the class: log-odds of being of the group. */
  odds: Float64Array
  /** Figures of all the groups that were looked at to the end, the suspect's first. */
  looked: (SuspectFigures & { nGroup: number })[]
  /** The odds once more, now that the group is known to be foreign and the judge may say which rows are. */
  polish(): Float64Array
  /** The rest of the class as a group: of two kinds that a judge cannot do without, either may be the foreign one. Undefined where it is too large or too small. */
  otherSide(): Suspect | undefined
}

export interface ClassViews {
  hidden: DenseRows
  inputs: DenseRows
  labels: ArrayLike<number>
  nClasses: number
  /** Inputs in the directions in which rows vary most: what the judge sees, and what marks are looked for in. */
  judged: DenseRows
  wide: DenseRows
}

/** The views that all classes share. */
export function viewsOf(views: Omit<ClassViews, 'judged' | 'wide'>): ClassViews {
  const wide = inDirections(views.inputs, MARK_DIMS)
  return { ...views, wide, judged: wide.width > JUDGE_DIMS ? inDirections(wide, JUDGE_DIMS) : wide }
}

/** Rows in at most so many directions, each counted by how far rows lie along it. */
function inDirections(rows: DenseRows, dims: number): DenseRows {
  if (rows.width <= dims) return rows
  const all = rowsWhere(rows.nRows, () => true)
  const white = whitenRows(takenRows(rows, spread(all, VIEW_ROWS)), dims, VIEW_ROUNDS)
  const turned = whitenAs(white, rows)
  const scales = white.variances.map((v) => Math.sqrt(v))
  for (let at = 0; at < turned.points.length; at++) turned.points[at] *= scales[at % turned.width]
  return turned
}

/** At most so many of the rows, evenly. */
function spread(rows: Int32Array, most: number): Int32Array {
  if (rows.length <= most) return rows
  return Int32Array.from({ length: most }, (_, k) => rows[Math.floor((k * rows.length) / most)])
}

function takenRows({ width, points }: DenseRows, at: Int32Array): DenseRows {
  const out = new Float64Array(at.length * width)
  at.forEach((row, i) => {
    out.set(points.subarray(row * width, (row + 1) * width), i * width)
  })
  return { nRows: at.length, width, points: out }
}

function narrowed({ nRows, width, points }: DenseRows, most: number): DenseRows {
  if (width <= most) return { nRows, width, points }
  const out = new Float64Array(nRows * most)
  for (let i = 0; i < nRows; i++) out.set(points.subarray(i * width, i * width + most), i * most)
  return { nRows, width: most, points: out }
}

/** How foreign a group is at least by what decides: 0 for one that is wholly so, 1 for one that is not. */
export function sharedMost({ own, shared, marked }: SuspectFigures): number {
  return Math.max(own, shared, 1 - marked)
}

interface Looked extends SuspectFigures {
  group: Uint8Array
  nGroup: number
  scores: JudgeScores
}

export interface SuspectOptions {
  seed: number
  /** Whether all groups are looked at to the end, or those alone that may be the most foreign. */
  all: boolean
}

/**
 * The most foreign group of class `label`, whose rows are `rows`; undefined where nothing divides it. Groups come from the layer and the inputs, and grow by the layer and their
 * mark: the judge has no part in that, and picks one of at most four.
 */
export function suspectOf(
  views: ClassViews,
  label: number,
  rows: Int32Array,
  options: SuspectOptions,
): Suspect | undefined {
  const look = new ClassLook(views, label, rows)
  return suspectAmong(look, look.groups(options), rows)
}

function suspectAmong(look: ClassLook, found: Looked[], rows: Int32Array): Suspect | undefined {
  const [best] = found
  if (!best) return undefined
  return {
    ...figuresOf(best),
    nGroup: best.nGroup,
    looksLike: look.looksLike(best),
    odds: look.oddsOf(best.group, rows),
    looked: found.map((one) => ({ ...figuresOf(one), nGroup: one.nGroup })),
    polish: () => look.oddsOf(look.polished(best.group), rows, true),
    otherSide: () => suspectAmong(look, look.besides(best.group), rows),
  }
}

function figuresOf({ own, shared, marked, markedElsewhere }: SuspectFigures): SuspectFigures {
  return { own, shared, marked, markedElsewhere }
}

const clipped = (odds: number) => Math.max(-ODDS_MAX, Math.min(ODDS_MAX, odds))

class ClassLook {
  private readonly views: ClassViews
  private readonly label: number
  private readonly rows: Int32Array
  private readonly beside: Int32Array
  private readonly white: Whitened
  private readonly judge: ExclusionJudge
  private readonly sizes: { least: number; most: number }

  constructor(views: ClassViews, label: number, rows: Int32Array) {
    const { labels, nClasses, judged, hidden } = views
    const { classRowsMax, othersMax, besideMax, groupRowsMin, groupShareMax } = SUSPECT_LIMITS
    this.views = views
    this.label = label
    this.rows = spread(rows, classRowsMax)
    const others = rowsWhere(labels.length, (i) => labels[i] !== label)
    this.beside = spread(others, besideMax)
    this.white = whitenRows(takenRows(hidden, this.rows), GROUP_DIMS)
    const all = Int32Array.from([...this.rows, ...spread(others, othersMax)])
    const taught = { rows: takenRows(judged, all), labels: all.map((row) => labels[row]) }
    this.judge = new ExclusionJudge({ ...taught, nClasses, label, nOwn: this.rows.length })
    this.sizes = { least: groupRowsMin, most: Math.floor(groupShareMax * this.rows.length) }
  }

  /** By how foreign they are, the most first. */
  groups({ seed, all }: SuspectOptions): Looked[] {
    const narrow = SPLIT_DIMS.map((dims) => narrowed(this.white, dims))
    const views = [...narrow, takenRows(this.views.judged, this.rows)]
    const ranked = groupsOf(views, narrow[narrow.length - 1], this.sizes, seed + this.label)
      .map((group) => ({ group, own: this.ownShare(this.judge.without(group)) }))
      .sort((a, b) => a.own - b.own)
      .map(({ group }) => group)
    const grown = distinctGroups(
      distinctGroups(ranked, STARTS).map((group) => this.grown(group)),
      STARTS,
    )
    const marked = grown
      .map((group) => ({ group, own: 0, ...this.figures(group) }))
      .sort((a, b) => sharedMost(a) - sharedMost(b))
    const found: Looked[] = []
    for (const one of marked) {
      if (!all && found.length > 0 && sharedMost(one) >= sharedMost(found[0])) break
      found.push(this.judged(one))
      found.sort((a, b) => sharedMost(a) - sharedMost(b))
    }
    return found
  }

  /** The rest of the class, grown; none where it is not of a size. */
  besides(group: Uint8Array): Looked[] {
    const rest = group.map((side) => 1 - side)
    if (!isOfSize(rest, this.sizes)) return []
    const grown = this.grown(rest)
    return [this.judged({ group: grown, own: 0, ...this.figures(grown) })]
  }

  private judged(one: SuspectFigures & { group: Uint8Array }): Looked {
    const scores = scoresOf(this.judge.apart(one.group), one.group, this.views.nClasses)
    return { ...one, own: this.ownShare(scores), nGroup: sizeOf(one.group), scores }
  }

  private ownShare(scores: JudgeScores): number {
    const said = saidBy(scores, this.views.nClasses)
    return said.reduce((n, k) => n + Number(k === this.label), 0) / said.length
  }

  private members(group: Uint8Array): Int32Array {
    return this.rows.filter((_, i) => group[i] === 1)
  }

  private mark(group: Uint8Array, inputs: DenseRows): GroupMark {
    return markOf(inputs, spread(this.members(group), SUSPECT_LIMITS.besideMax), this.beside)
  }

  /** The group put together anew by what the model makes of rows and by the group's mark, while it stays of a size. */
  private grown(start: Uint8Array): Uint8Array {
    let group = start
    for (let round = 0; round < GROW_ROUNDS; round++) {
      const mark = this.mark(group, this.views.wide)
      const hidden = groupOdds(this.white, this.white, group)
      const next = Uint8Array.from(this.rows, (row, i) =>
        Number(clipped(hidden[i]) + clipped(markOdds(mark, this.views.wide, row)) > 0),
      )
      if (!isOfSize(next, this.sizes)) break
      const isSettled = next.every((side, i) => side === group[i])
      group = next
      if (isSettled) break
    }
    return group
  }

  private figures(group: Uint8Array): Omit<SuspectFigures, 'own'> {
    const inputs = this.views.wide
    const inside = this.members(group)
    const mark = this.mark(group, inputs)
    const rest = this.rows.filter((_, i) => group[i] === 0)
    const nShared = rest.filter((row) => markOdds(mark, inputs, row) > 0).length
    return { shared: nShared / rest.length, ...heldOut(inputs, inside, this.beside) }
  }

  looksLike({ scores }: Looked): Suspect['looksLike'] {
    const counts = new Map<number, number>()
    for (const k of saidBy(scores, this.views.nClasses)) counts.set(k, (counts.get(k) ?? 0) + 1)
    counts.delete(this.label)
    return [...counts]
      .map(([label, rows]) => ({ label, rows }))
      .sort((a, b) => b.rows - a.rows || a.label - b.label)
  }

  /** The group with what the judge says of single rows. */
  polished(start: Uint8Array): Uint8Array {
    let group = start
    for (let round = 0; round < POLISH_ROUNDS; round++) {
      const odds = this.oddsOf(group, this.rows, true)
      const next = Uint8Array.from(odds, (x) => Number(x > 0))
      if (!isOfSize(next, this.sizes)) break
      const isSettled = next.every((side, i) => side === group[i])
      group = next
      if (isSettled) break
    }
    return group
  }

  /** Log-odds of rows of the class by what the model makes of them, by the mark, and by the judge, who knows the rows alone that were looked at one by one. */
  oddsOf(group: Uint8Array, rows: Int32Array, withJudge = false): Float64Array {
    const { hidden, inputs } = this.views
    const isAll = rows.length === this.rows.length
    const white = isAll ? this.white : whitenAs(this.white, takenRows(hidden, rows))
    const made = groupOdds(white, this.white, group)
    const foreign = withJudge && isAll ? this.foreignOdds(group) : undefined
    const marked = withJudge ? this.crossedMarks(group, inputs) : this.wideMark(group)
    return Float64Array.from(rows, (row, i) => clipped(made[i]) + clipped(marked(row)) + (foreign?.[i] ?? 0))
  }

  private wideMark(group: Uint8Array): (row: number) => number {
    const mark = this.mark(group, this.views.wide)
    return (row) => markOdds(mark, this.views.wide, row)
  }

  /** Odds of each row by marks that were not learned from it: of many inputs and few rows, a mark knows its own rows by heart. */
  private crossedMarks(group: Uint8Array, inputs: DenseRows): (row: number) => number {
    const members = this.members(group)
    const halves = [0, 1].map((half) => members.filter((_, i) => i % 2 === half))
    const halfOf = new Map(Array.from(members, (row, i) => [row, i % 2] as const))
    const marks = halves.map((half) => markOf(inputs, half, this.beside))
    return (row) => {
      const half = halfOf.get(row)
      if (half !== undefined) return markOdds(marks[1 - half], inputs, row)
      return (markOdds(marks[0], inputs, row) + markOdds(marks[1], inputs, row)) / 2
    }
  }

  private foreignOdds(group: Uint8Array): Float64Array {
    const { nClasses } = this.views
    const scores = this.judge.apart(group)
    return Float64Array.from({ length: group.length }, (_, i) => {
      const row = scores.subarray(i * nClasses, (i + 1) * nClasses).map((x) => Math.max(0, x))
      const total = row.reduce((sum, x) => sum + x, 0)
      const own = total > 0 ? row[this.label] / total : 0.5
      return logFast((1.05 - own) / (own + 0.05))
    })
  }
}

/** Scores of the rows that are marked. */
function scoresOf(scores: JudgeScores, group: Uint8Array, nClasses: number): JudgeScores {
  return scores.filter((_, at) => group[Math.floor(at / nClasses)] === 1)
}

/** Of each half of the group and of the rows beside, what the mark of the other half finds. */
function heldOut(
  inputs: DenseRows,
  inside: Int32Array,
  beside: Int32Array,
): Pick<SuspectFigures, 'marked' | 'markedElsewhere'> {
  let [found, elsewhere] = [0, 0]
  for (const half of [0, 1]) {
    const isHalf = (_: number, i: number) => i % 2 === half
    const isOther = (_: number, i: number) => i % 2 !== half
    const mark = markOf(inputs, inside.filter(isHalf), beside.filter(isHalf))
    const bears = (row: number) => markOdds(mark, inputs, row) > 0
    found += inside.filter(isOther).filter(bears).length
    elsewhere += beside.filter(isOther).filter(bears).length
  }
  return { marked: found / inside.length, markedElsewhere: elsewhere / beside.length }
}
