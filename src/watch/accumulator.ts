/** What one open window has seen so far. Fed block by block as the log is read; bounded in memory whatever the traffic. */
import { type PredictionBlock, unloggedOf } from '../core/log-blocks.ts'
import type { JoinedRow } from '../core/log-join.ts'
import { isKept } from '../core/log-sample.ts'
import type { FeatureInfo, Histogram, ModelTask, TimeWindow } from '../core/records.ts'
import { mix32 } from '../core/rng.ts'
import { columnsOf, type Row } from '../expr/ast.ts'
import type { FittedFeatures } from '../expr/features.ts'
import { featureRowFn } from '../expr/features.ts'
import { type QualityCells, qualityCells } from './quality-cells.ts'
import type { Tally, TrafficCheck } from './traffic-checks.ts'

/** Rows of a window whose features are evaluated for drift; more are sampled by a hash of their id. */
export const DRIFT_ROWS_MAX = 20_000
/** Score bins of one member: coarse, as there may be thousands of members. */
const MEMBER_BINS = 100
const TOTAL_BINS = 1000
/** Labels of outcomes that a window counts: those of a model, and some that it does not know. */
const LABELS_MAX = 2_000

/** What live traffic is held against: the version that answers. */
export interface Reference {
  version: number
  task: ModelTask
  features: FittedFeatures
  featureInfo: FeatureInfo[]
  scores: Histogram
  /** How often each class was said of the test rows, where the model tells several apart. */
  classMix?: Histogram
  /** Row rules of the dataset that requests are held to as well. */
  checks?: readonly TrafficCheck[]
}

export class WindowAccumulator {
  readonly window: TimeWindow
  readonly #reference: Reference
  readonly #featuresOf: (row: Record<string, unknown>, out: Float64Array, offset: number) => void
  readonly #row: Float64Array
  readonly drift: Histogram[]
  readonly scores: Histogram
  /** How often each class was said; of models that tell several apart. */
  readonly classMix: Histogram | undefined
  /** How often each class came true, by label. */
  readonly outcomes = new Map<string, number>()
  readonly total: QualityCells
  readonly members = new Map<string, QualityCells>()
  readonly byVersion = new Map<number, number>()
  /** Sampled rows that each check of the reference judged, and that failed. */
  readonly checks: Tally[]
  predictions = 0
  /** Answers that were given, of which the log kept `predictions`. */
  answered = 0
  /** Features that could not be compared of some rows, as their inputs are not in the log. */
  readonly unlogged = new Set<string>()
  /** When the first prediction of the window came. */
  firstAt = Number.POSITIVE_INFINITY
  driftRows = 0
  /** Rows whose outcome or output the task cannot take, e.g. an outcome of 0.5 for a classifier. */
  refused = 0
  /** Smallest share of answers that the log kept: all rows are thinned to it, so that each stands for as many. */
  #share = 1
  readonly #masks = new Map<string, Mask>()
  /** One row in so many is evaluated for drift; doubles as the window fills. */
  #sampleOneIn = 1

  constructor(window: TimeWindow, reference: Reference) {
    this.window = window
    this.#reference = reference
    this.#featuresOf = featureRowFn(reference.features)
    this.#row = new Float64Array(reference.featureInfo.length)
    this.drift = reference.featureInfo.map((f) => emptyLike(f.reference))
    this.scores = emptyLike(reference.scores)
    this.classMix = reference.classMix && emptyLike(reference.classMix)
    this.total = qualityCells(reference.task, TOTAL_BINS)
    this.checks = (reference.checks ?? []).map(() => ({ judged: 0, failed: 0 }))
  }

  /** Takes the answered rows of a block that lies in the window; shadows are left to the release. */
  addPredictions(block: PredictionBlock): void {
    const mask = this.#maskOf(unloggedOf(block))
    const columns = Object.entries(block.inputs).filter(([column]) => !mask.columns.has(column))
    const share = block.sample ?? 1
    this.#thin(share)
    for (let i = 0; i < block.ids.length; i++) {
      if (block.routes[i] === 'shadow') continue
      this.predictions++
      this.answered += 1 / share
      this.firstAt = Math.min(this.firstAt, block.at)
      this.byVersion.set(block.versions[i], (this.byVersion.get(block.versions[i]) ?? 0) + 1)
      if (share > this.#share && !isKept(block.ids[i], this.#share)) continue
      addTo(this.scores, block.outputs[i])
      if (this.classMix && block.classes && block.labels)
        addLabel(this.classMix, block.classes[block.labels[i]])
      if (this.#sampled(block.ids[i])) this.#addFeatures(columns, i, mask)
    }
  }

  /** Share of answers that the window's numbers are of. */
  get share(): number {
    return this.#share
  }

  addJoined(row: JoinedRow): void {
    if ((row.sample ?? 1) > this.#share && !isKept(row.id, this.#share)) return
    if (!isJoinable(this.#reference.task, row)) {
      this.refused++
      return
    }
    this.total.add(row)
    if (row.label !== undefined && (this.outcomes.size < LABELS_MAX || this.outcomes.has(row.label)))
      this.outcomes.set(row.label, (this.outcomes.get(row.label) ?? 0) + 1)
    let member = this.members.get(row.member)
    if (member === undefined) {
      member = qualityCells(this.#reference.task, MEMBER_BINS)
      this.members.set(row.member, member)
    }
    member.add(row)
  }

  /** Whether a row is evaluated. When twice the sample is reached, what is counted weighs half and every second id is taken from here on. */
  #sampled(id: string): boolean {
    if (this.#sampleOneIn > 1 && hashOf(id) % this.#sampleOneIn !== 0) return false
    if (++this.driftRows > DRIFT_ROWS_MAX * 2) {
      this.#sampleOneIn *= 2
      this.driftRows /= 2
      for (const histogram of this.drift) scale(histogram, 0.5)
      for (const tally of this.checks) scaleTally(tally, 0.5)
    }
    return true
  }

  /** Where the log begins to keep fewer answers, what is counted weighs less, and what was kept of more is thinned from here on. */
  #thin(share: number): void {
    if (share >= this.#share) return
    const factor = share / this.#share
    this.#share = share
    for (const histogram of [...this.drift, this.scores, ...(this.classMix ? [this.classMix] : [])])
      scale(histogram, factor)
    for (const tally of this.checks) scaleTally(tally, factor)
    this.driftRows *= factor
  }

  /** What can be told of rows without the values of some inputs. */
  #maskOf(unlogged: readonly string[]): Mask {
    const key = unlogged.join('\n')
    const mask = this.#masks.get(key) ?? newMask(this.#reference, unlogged)
    this.#masks.set(key, mask)
    for (const name of mask.names) this.unlogged.add(name)
    return mask
  }

  #judgeRow(raw: Row, { checks }: Mask): void {
    for (const [i, { holds }] of (this.#reference.checks ?? []).entries()) {
      if (checks[i]) continue
      const held = holds(raw)
      if (held === null) continue
      this.checks[i].judged++
      if (!held) this.checks[i].failed++
    }
  }

  #addFeatures(columns: [string, unknown[]][], i: number, mask: Mask): void {
    const raw: Record<string, unknown> = {}
    for (const [name, values] of columns) raw[name] = values[i]
    this.#judgeRow(raw, mask)
    this.#featuresOf(raw, this.#row, 0)
    for (let j = 0; j < this.drift.length; j++) if (!mask.features[j]) addTo(this.drift[j], this.#row[j])
  }
}

/** Which features and checks read inputs that the log does not have. */
interface Mask {
  columns: ReadonlySet<string>
  features: boolean[]
  checks: boolean[]
  /** Names of these features. */
  names: string[]
}

function newMask({ features, featureInfo, checks = [] }: Reference, unlogged: readonly string[]): Mask {
  const columns = new Set(unlogged)
  const lacks = (names: readonly string[]) => names.some((name) => columns.has(name))
  const lacking = features.features.map(({ expr }) => lacks(columnsOf(expr)))
  return {
    columns,
    features: lacking,
    checks: checks.map((check) => lacks(check.columns)),
    names: featureInfo.flatMap(({ name }, i) => (lacking[i] ? [name] : [])),
  }
}

function scaleTally(tally: Tally, factor: number): void {
  tally.judged *= factor
  tally.failed *= factor
}

/** A histogram of the same bins without counts. */
function emptyLike(reference: Histogram): Histogram {
  return reference.kind === 'numeric'
    ? { ...reference, counts: reference.counts.map(() => 0), nulls: 0 }
    : { ...reference, counts: reference.counts.map(() => 0), other: 0, nulls: 0 }
}

function addTo(histogram: Histogram, value: number): void {
  if (typeof value !== 'number' || Number.isNaN(value)) histogram.nulls++
  else if (histogram.kind === 'numeric') histogram.counts[binOf(histogram.edges, value)]++
  else addLabel(histogram, String(value))
}

function addLabel(histogram: Histogram, label: string): void {
  if (histogram.kind !== 'category') return
  const at = histogram.categories.indexOf(label)
  if (at < 0) histogram.other++
  else histogram.counts[at]++
}

/** Bin of a value; values beyond the reference's range fall into the outermost bins. */
function binOf(edges: number[], value: number): number {
  let low = 0
  let high = edges.length - 2
  while (low < high) {
    const middle = (low + high + 1) >> 1
    if (value >= edges[middle]) low = middle
    else high = middle - 1
  }
  return Math.max(0, low)
}

/** Parts of rows are kept as they are: rounding would raise cells with few rows. */
function scale(histogram: Histogram, factor: number): void {
  histogram.counts = histogram.counts.map((n) => n * factor)
  histogram.nulls *= factor
  if (histogram.kind === 'category') histogram.other *= factor
}

const isYesOrNo = ({ output, outcome }: JoinedRow) =>
  (outcome === 0 || outcome === 1) && output >= 0 && output <= 1

/** Pairs of answer and outcome that a task can take, once both are numbers. */
const JOINABLE: Readonly<Record<ModelTask, (row: JoinedRow) => boolean>> = {
  binary: isYesOrNo,
  regression: () => true,
  multiclass: (row) => row.said !== undefined && row.label !== undefined && isYesOrNo(row),
  ranking: (row) => row.group !== undefined && row.outcome >= 0,
}

function isJoinable(task: ModelTask, row: JoinedRow): boolean {
  return Number.isFinite(row.output) && Number.isFinite(row.outcome) && JOINABLE[task](row)
}

function hashOf(text: string): number {
  let h = 0x811c9dc5
  for (let i = 0; i < text.length; i++) h = mix32(h ^ text.charCodeAt(i))
  return h
}
