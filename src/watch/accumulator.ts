/** What one open window has seen so far. Fed block by block as the log is read; bounded in memory whatever the traffic. */
import type { PredictionBlock } from '../core/log-blocks.ts'
import type { JoinedRow } from '../core/log-join.ts'
import type { FeatureInfo, Histogram, ModelTask, TimeWindow } from '../core/records.ts'
import { mix32 } from '../core/rng.ts'
import type { Row } from '../expr/ast.ts'
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
  /** When the first prediction of the window came. */
  firstAt = Number.POSITIVE_INFINITY
  driftRows = 0
  /** Rows whose outcome or output the task cannot take, e.g. an outcome of 0.5 for a classifier. */
  refused = 0
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
    const columns = Object.entries(block.inputs)
    for (let i = 0; i < block.ids.length; i++) {
      if (block.routes[i] === 'shadow') continue
      this.predictions++
      this.firstAt = Math.min(this.firstAt, block.at)
      this.byVersion.set(block.versions[i], (this.byVersion.get(block.versions[i]) ?? 0) + 1)
      addTo(this.scores, block.outputs[i])
      if (this.classMix && block.classes && block.labels)
        addLabel(this.classMix, block.classes[block.labels[i]])
      if (this.#sampled(block.ids[i])) this.#addFeatures(columns, i)
    }
  }

  addJoined(row: JoinedRow): void {
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
      for (const histogram of this.drift) halve(histogram)
      for (const tally of this.checks) halveTally(tally)
    }
    return true
  }

  #judgeRow(raw: Row): void {
    for (const [i, { holds }] of (this.#reference.checks ?? []).entries()) {
      const held = holds(raw)
      if (held === null) continue
      this.checks[i].judged++
      if (!held) this.checks[i].failed++
    }
  }

  #addFeatures(columns: [string, unknown[]][], i: number): void {
    const raw: Record<string, unknown> = {}
    for (const [name, values] of columns) raw[name] = values[i]
    this.#judgeRow(raw)
    this.#featuresOf(raw, this.#row, 0)
    for (let j = 0; j < this.drift.length; j++) addTo(this.drift[j], this.#row[j])
  }
}

function halveTally(tally: Tally): void {
  tally.judged /= 2
  tally.failed /= 2
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

/** Halves are kept as they are: rounding would raise cells with few rows. */
function halve(histogram: Histogram): void {
  histogram.counts = histogram.counts.map((n) => n / 2)
  histogram.nulls /= 2
  if (histogram.kind === 'category') histogram.other /= 2
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
