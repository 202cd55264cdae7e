/**
 * What the log knows of candidate against live: a test that may be looked at after every row, fed with the losses of both on the same requests.
 *
 * Losses are those of one row. Binary: log loss in nats, differences cut to ±2. Regression: absolute error in units of the live version's typical
 * error (MAE of its card, else its RMSE), differences cut to ±4. A cut difference keeps its sign, so a few wild rows cannot decide alone; how many
 * were cut is counted by the test. The tolerance of the release is in the same units.
 */
import { assert } from '../core/errors.ts'
import type { JoinedRow } from '../core/log-join.ts'
import type { ModelCard, ModelTask, Release } from '../core/records.ts'
import type { ReleaseDef } from '../define/types.ts'
import { rowLogLoss } from '../stats/metrics.ts'
import { type CanaryDecision, type CanaryTest, nextCanary, openCanary } from '../stats/sequential.ts'
import { candidateRoute, type Evidence, liveRoute } from './machine.ts'

/** Largest difference of loss that one row may show, in the units of the task. */
export const DIFFERENCE_MAX: Readonly<Record<ModelTask, number>> = {
  binary: 2,
  regression: 4,
  multiclass: 2,
  ranking: 1,
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

/** Paired differences of loss of one release under way. Fed in any order of blocks; each joined row once. */
export class ReleaseEvidence {
  #state: EvidenceState

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
      scale: task === 'binary' ? 1 : typicalError(card),
      test: openCanary({ alpha: def.alpha, tolerance: def.tolerance, bound: DIFFERENCE_MAX[task] }),
      stageFromAt: release.at,
      nStage: 0,
      errors: 0,
      refused: 0,
    })
  }

  /** Goes on from a snapshot. */
  static restore(state: EvidenceState): ReleaseEvidence {
    return new ReleaseEvidence(structuredClone(state))
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

  /** Takes rows whose outcome is known. Rows that only one of the versions scored say nothing and are passed over. */
  add(rows: Iterable<JoinedRow>): void {
    for (const row of rows) this.#addRow(row)
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
    const live = outputOf(row, state.live)
    const candidate = outputOf(row, state.candidate)
    if (live === undefined || candidate === undefined) return
    if (!isOutcome(state.task, row.outcome) || !isOutput(state.task, live)) state.refused++
    else if (!isOutput(state.task, candidate)) state.errors++
    else {
      const difference = this.#loss(candidate, row.outcome) - this.#loss(live, row.outcome)
      state.test = nextCanary(state.test, difference)
      if (row.at >= state.stageFromAt) state.nStage++
    }
  }

  #loss(output: number, outcome: number): number {
    const { task, scale } = this.#state
    return task === 'binary' ? rowLogLoss(output, outcome) : Math.abs(output - outcome) / scale
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
function outputOf(row: JoinedRow, version: number): number | undefined {
  return row.version === version ? row.output : row.shadows.find((s) => s.version === version)?.output
}

function isOutput(task: ModelTask, output: number): boolean {
  return Number.isFinite(output) && (task === 'regression' || (output >= 0 && output <= 1))
}

function isOutcome(task: ModelTask, outcome: number): boolean {
  return task === 'binary' ? outcome === 0 || outcome === 1 : Number.isFinite(outcome)
}
