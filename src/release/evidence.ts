/**
 * What the log knows of candidate against live: a test that may be looked at after every row, fed with the losses of both on the same requests.
 *
 * Losses are those of one row. Binary: log loss in nats, differences cut to ±2. Regression: absolute error in units of the live version's typical
 * error (MAE of its card, else its RMSE), differences cut to ±4. Several classes: log loss of the class that it was, cut to ±2. Ranking: one minus the
 * NDCG of a group, once the outcome of each of its rows is known. A cut difference keeps its sign, so a few wild rows cannot decide alone; how many
 * were cut is counted by the test. The tolerance of the release is in the same units.
 */

import { probabilityOf, type Said } from '../core/class-vectors.ts'
import { assert } from '../core/errors.ts'
import { GroupRows } from '../core/group-rows.ts'
import type { PredictionBlock } from '../core/log-blocks.ts'
import { type Answer, answersOf, type JoinedRow } from '../core/log-join.ts'
import type { ModelCard, ModelTask, Release } from '../core/records.ts'
import { Waiting } from '../core/waiting.ts'
import type { ReleaseDef } from '../define/types.ts'
import { rowClassLoss } from '../model/measures/classes.ts'
import { ndcgOf } from '../model/measures/ranking.ts'
import { rowLogLoss } from '../stats/metrics.ts'
import { type CanaryDecision, type CanaryTest, nextCanary, openCanary } from '../stats/sequential.ts'
import { candidateRoute, type Evidence, liveRoute } from './machine.ts'

/** Largest difference of loss that one row (or group) may show, in the units of the task. */
export const DIFFERENCE_MAX: Readonly<Record<ModelTask, number>> = {
  binary: 2,
  regression: 4,
  multiclass: 2,
  ranking: 1,
}

/** How the answers of a task are held against what happened. */
interface Comparison {
  isOutcome(row: JoinedRow): boolean
  isOutput(answer: Answer): boolean
  loss(answer: Answer, row: JoinedRow, scale: number): number
}

const COMPARISONS: Readonly<Record<ModelTask, Comparison>> = {
  binary: {
    isOutcome: ({ outcome }) => outcome === 0 || outcome === 1,
    isOutput: ({ output }) => output >= 0 && output <= 1,
    loss: ({ output }, { outcome }) => rowLogLoss(output, outcome),
  },
  regression: {
    isOutcome: ({ outcome }) => Number.isFinite(outcome),
    isOutput: ({ output }) => Number.isFinite(output),
    loss: ({ output }, { outcome }, scale) => Math.abs(output - outcome) / scale,
  },
  multiclass: {
    isOutcome: ({ label }) => label !== undefined,
    isOutput: ({ said }) => said?.probabilities.every((p) => p >= 0 && p <= 1) ?? false,
    loss: ({ said }, { label }) => rowClassLoss(probabilityOf(said as Said, label as string)),
  },
  /** Rows are compared as groups: see `#addGroup`. */
  ranking: {
    isOutcome: ({ outcome }) => outcome >= 0 && Number.isFinite(outcome),
    isOutput: ({ output }) => Number.isFinite(output),
    loss: () => 0,
  },
}

/** The whole state, as plain JSON. */
export interface EvidenceState {
  kind: 'ReleaseEvidence'
  task: ModelTask
  /** Versions that are compared. */
  live: number
  candidate: number
  /** Losses are divided by this. */
  scale: number
  test: CanaryTest
  /** Rows answered from here on count for the present stage. */
  stageFromAt: number
  nStage: number
  errors: number
  /** Outcomes that the task cannot take, and answers of the live version that are no numbers. */
  refused: number
}

/** Rows whose other answer has not been read that are kept; of more, the oldest say nothing. */
export const HALVES_MAX = 100_000

/**
 * Paired differences of loss of one release under way. Fed in any order of blocks; each joined row once. A shadow may be logged after the outcome of its
 * request: the row waits for it, so that what is counted does not depend on which was read first.
 */
export class ReleaseEvidence {
  readonly #state: EvidenceState
  /** Joined rows by id of which one of the two versions has not been heard. */
  readonly #halves = new Waiting<JoinedRow>()
  readonly #groups = new GroupRows<JoinedRow>()

  private constructor(state: EvidenceState) {
    this.#state = state
  }

  /** Starts with nothing known. `card` is that of the live version. The release must be in shadow or canary. */
  static begin(
    release: Release,
    def: Pick<ReleaseDef, 'alpha' | 'tolerance'>,
    task: ModelTask,
    card: Pick<ModelCard, 'metrics'>,
  ): ReleaseEvidence {
    const live = liveRoute(release)
    const candidate = candidateRoute(release)
    assert(live && candidate, `a release in state ${release.state} compares two versions`)
    return new ReleaseEvidence({
      kind: 'ReleaseEvidence',
      task,
      live: live.version,
      candidate: candidate.version,
      scale: task === 'regression' ? typicalError(card) : 1,
      test: openCanary({ alpha: def.alpha, tolerance: def.tolerance, bound: DIFFERENCE_MAX[task] }),
      stageFromAt: release.at,
      nStage: 0,
      errors: 0,
      refused: 0,
    })
  }

  snapshot(): EvidenceState {
    return structuredClone(this.#state)
  }

  /** Whether this is the evidence of a release: of its two versions. */
  isOf(release: Release): boolean {
    return (
      liveRoute(release)?.version === this.#state.live &&
      candidateRoute(release)?.version === this.#state.candidate
    )
  }

  /** Takes rows whose outcome is known. Rows that only one of the versions has scored wait for the other. */
  add(rows: Iterable<JoinedRow>): void {
    for (const row of rows) this.#addRow(row)
  }

  /** Takes what shadows said of rows that were joined before. */
  addShadows(block: PredictionBlock): void {
    const answer = answersOf(block)
    for (const [i, id] of block.ids.entries()) {
      const half = block.routes[i] === 'shadow' ? this.#halves.get(id) : undefined
      if (half) this.#addRow({ ...half, shadows: [...half.shadows, answer(i)] })
    }
  }

  /** Counts requests that the candidate failed to answer. */
  addErrors(n: number): void {
    this.#state.errors += n
  }

  /** A new step of the same release began: what it needs is counted anew, the test goes on. */
  beginStage(at: number): void {
    this.#state.stageFromAt = at
    this.#state.nStage = 0
  }

  evidence(): Evidence {
    const { test, nStage, errors } = this.#state
    const { n, mean } = test.sequence
    return {
      n,
      nStage,
      mean: n === 0 ? 0 : mean,
      interval: intervalOf(test),
      decision: decisionOf(test),
      errors,
    }
  }

  #addRow(row: JoinedRow): void {
    const state = this.#state
    const live = answerOf(row, state.live)
    const candidate = answerOf(row, state.candidate)
    if (live === undefined || candidate === undefined) {
      if (live || candidate) this.#keepHalf(row)
      return
    }
    this.#halves.delete(row.id)
    const { isOutcome, isOutput, loss } = COMPARISONS[state.task]
    if (!isOutcome(row) || !isOutput(live)) state.refused++
    else if (!isOutput(candidate)) state.errors++
    else if (row.group !== undefined) this.#addToGroup(row)
    else this.#addDifference(loss(candidate, row, state.scale) - loss(live, row, state.scale), row.at)
  }

  #keepHalf(row: JoinedRow): void {
    this.#halves.set(row.id, row)
    if (this.#halves.size > HALVES_MAX) this.#halves.dropOldest()
  }

  /** A group whose outcomes are all known counts once, by the NDCG that each version's order of it has. */
  #addToGroup(row: JoinedRow): void {
    const rows = this.#groups.add(row)
    if (!rows?.some(({ outcome }) => outcome > 0)) return
    const relevances = Float64Array.from(rows, ({ outcome }) => outcome)
    const ndcg = (version: number) =>
      ndcgOf(
        Float64Array.from(rows, (r) => answerOf(r, version)?.output ?? Number.NEGATIVE_INFINITY),
        relevances,
      )
    this.#addDifference(ndcg(this.#state.live) - ndcg(this.#state.candidate), row.at)
  }

  #addDifference(difference: number, at: number): void {
    const state = this.#state
    state.test = nextCanary(state.test, difference)
    if (at >= state.stageFromAt) state.nStage++
  }
}

/** Rows at which the shown interval is tightest. */
const TIGHT_AT = 10_000

/**
 * Where the mean difference lies, at every look at once: an asymptotic confidence sequence around the mean of all rows so far. It moves with the mean when
 * the difference drifts, which the sequence inside the test, narrowed at each row, cannot; it is shown and decides nothing.
 *
 * `mean ± s·√(2(nρ² + 1)/(n²ρ²)·ln(√(nρ² + 1)/α))`, with ρ² chosen for `TIGHT_AT` rows. Source: Waudby-Smith, Arbour, Sinha, Kennedy and Ramdas, 2024,
 * "Time-uniform central limit theory and asymptotic confidence sequences", Annals of Statistics 52(6).
 */
function intervalOf({ sequence, alpha, bound }: CanaryTest): [number, number] {
  const { n, mean, spread, min, max } = sequence
  if (n < 2) return [-bound, bound]
  const deviation = (max - min) * Math.sqrt(spread / n)
  const rho2 = (-2 * Math.log(alpha) + Math.log(1 - 2 * Math.log(alpha))) / TIGHT_AT
  const half =
    deviation * Math.sqrt(((2 * (n * rho2 + 1)) / (n * n * rho2)) * Math.log(Math.sqrt(n * rho2 + 1) / alpha))
  return [Math.max(-bound, mean - half), Math.min(bound, mean + half)]
}

/**
 * The test keeps its first decision; here a later "worse" overrules an earlier "no worse", because a candidate may turn bad while it is a canary.
 * The chance of a false "worse", ever, stays at most alpha: it is that of the one bet.
 */
function decisionOf(test: CanaryTest): CanaryDecision {
  return test.worse.logMax >= -Math.log(test.alpha) ? 'worse' : test.decision
}

function typicalError({ metrics }: Pick<ModelCard, 'metrics'>): number {
  const error = metrics.mae?.value || metrics.rmse?.value || 1
  return Number.isFinite(error) && error > 0 ? error : 1
}

/** What a version said of a row, as the answer or in the shadow. */
function answerOf(row: JoinedRow, version: number): Answer | undefined {
  return row.version === version ? row : row.shadows.find((s) => s.version === version)
}
