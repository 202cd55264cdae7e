/**
 * The life of a release, as a pure state machine over Release records.
 *
 * A candidate that passed its gates is first a **shadow**: it scores what the live version answers, and nobody sees it. When both have scored enough
 * requests whose outcomes are known, and the candidate is not worse, it becomes a **canary** with the first share of traffic. Each step needs new
 * evidence; the last leads to **live**. Evidence that it is worse ends in **rolled-back** at any point, with all traffic on the version before.
 * **paused** keeps the split and waits for a person, who promotes it or rolls it back.
 *
 * The first release of a model has nothing to be compared with and goes live when its gates pass.
 */
import { assert } from '../core/errors.ts'
import { grouped } from '../core/grouped.ts'
import type { Digest, Finding, Release, Route } from '../core/records.ts'
import { opens } from '../core/verdicts.ts'
import type { ReleaseDef } from '../define/types.ts'
import type { CanaryDecision } from '../stats/sequential.ts'

/** A bundle as routes name it. */
export interface Candidate {
  bundle: Digest
  version: number
}

/** What is known of candidate against live on the same requests: loss of the candidate minus loss of the live version. */
export interface Evidence {
  /** Requests that both scored and whose outcome is known, since the release began. */
  n: number
  /** The same since the present stage began. */
  nStage: number
  mean: number
  /** Confidence sequence for the mean over the whole release: valid however often it is looked at, and around the mean. */
  interval: [number, number]
  /** What the bets of the canary test have settled; the interval only shows where the mean lies. */
  decision: CanaryDecision
  /** Requests that the candidate failed to answer. */
  errors: number
}

/** Begins a release: to shadow beside a live version, or straight to live when there is none (or no steps are wanted). */
export function beginRelease(
  model: string,
  def: ReleaseDef,
  candidate: Candidate,
  current: { digest: Digest; release: Release } | undefined,
  gates: Finding[],
  at: number,
): Release {
  assert(opens(gates), 'only bundles that passed their gates are released')
  const live = current && liveRoute(current.release)
  assert(live?.bundle !== candidate.bundle, 'what is live is not released again')
  const common = {
    kind: 'Release' as const,
    model,
    step: -1,
    steps: def.steps,
    salt: candidate.bundle.slice(7, 23),
    previous: current && stableBefore(current),
    findings: gates,
    at,
  }
  if (!live) {
    return {
      ...common,
      state: 'live',
      routes: [route(candidate, 'live', 1)],
      reason: `v${candidate.version} is the first release: its gates passed and there is nothing to compare it with`,
    }
  }
  if (def.steps.length === 0) {
    return {
      ...common,
      state: 'live',
      routes: [route(candidate, 'live', 1)],
      reason: `v${candidate.version} passed its gates; the release has no canary steps`,
    }
  }
  return {
    ...common,
    state: 'shadow',
    routes: [{ ...live, role: 'live', weight: 1 }, route(candidate, 'shadow', 0)],
    reason: `v${candidate.version} passed its gates and now scores in the shadow of v${live.version}`,
  }
}

export type Step =
  | { kind: 'wait'; reason: string }
  | { kind: 'advance'; release: Release }
  | { kind: 'promote'; release: Release }
  | { kind: 'rollBack'; release: Release }

/**
 * What the evidence allows now, by the steps that the release began with. Deterministic; the same evidence always gives the same step.
 */
export function nextStep(release: Release, def: ReleaseDef, evidence: Evidence, at: number): Step {
  if (release.state !== 'shadow' && release.state !== 'canary')
    return { kind: 'wait', reason: `the release is ${release.state}` }
  const { candidate, live } = sides(release)
  const finding = judge(release, def, evidence, at)
  if (finding.verdict === 'fail') {
    return {
      kind: 'rollBack',
      release: backTo(release, live, [finding], `v${candidate.version} went back: ${finding.message}`, at),
    }
  }
  if (finding.verdict !== 'pass') return { kind: 'wait', reason: finding.message }
  const step = release.step + 1
  if (step >= release.steps.length) {
    const reason = `v${candidate.version} is live: ${finding.message}`
    return { kind: 'promote', release: toLive(release, candidate, [finding], reason, at) }
  }
  const weight = release.steps[step]
  return {
    kind: 'advance',
    release: {
      ...release,
      state: 'canary',
      step,
      routes: [
        { ...live, role: 'live', weight: 1 - weight },
        route(candidate, 'canary', weight),
        { ...live, role: 'shadow', weight: 0 },
        route(candidate, 'shadow', 0),
      ],
      findings: [finding],
      reason: `v${candidate.version} answers ${percent(weight)} of requests: ${finding.message}`,
      at,
    },
  }
}

/** One verdict on the evidence: fail when the candidate is surely worse beyond the tolerance, pass when surely not, else inconclusive. */
function judge(release: Release, def: ReleaseDef, evidence: Evidence, at: number): Finding {
  const base = {
    kind: 'Finding' as const,
    check: 'release.not-worse',
    subject: `models/${release.model}`,
    value: evidence.n > 0 ? evidence.mean : null,
    interval: evidence.n > 0 ? evidence.interval : undefined,
    limit: `loss difference <= ${def.tolerance}`,
    n: evidence.n,
    at,
  }
  const numbers = `loss against live ${signed(evidence.mean)} [${signed(evidence.interval[0])}, ${signed(evidence.interval[1])}] on ${grouped(evidence.n)} requests`
  if (evidence.errors > 0)
    return { ...base, verdict: 'fail', message: `the candidate failed to answer ${evidence.errors} requests` }
  if (evidence.decision === 'worse') return { ...base, verdict: 'fail', message: numbers }
  if (evidence.nStage < def.rowsMin) {
    const message = `${evidence.nStage} of the ${def.rowsMin} outcomes that this step needs`
    return { ...base, verdict: 'inconclusive', message }
  }
  if (evidence.decision === 'no-worse') return { ...base, verdict: 'pass', message: numbers }
  return { ...base, verdict: 'inconclusive', message: `${numbers}: not yet clear` }
}

/**
 * Back to the split before the newest change of traffic. During a shadow or canary that is all traffic on the live version; else it is `previous`, as
 * `releaseBefore` finds it, whose routes are restored as they were. Undefined when there is nothing to go back to.
 */
export function rollBack(
  current: Release,
  previous: Release | undefined,
  reason: string,
  at: number,
): Release | undefined {
  if (isUnderWay(current)) return backTo(current, sides(current).live, [], reason, at)
  return previous && { ...previous, state: 'live', findings: [], reason, at }
}

/** Straight to live by a person's decision. */
export function promote(current: Release, reason: string, at: number): Release | undefined {
  if (!isUnderWay(current)) return undefined
  return toLive(current, sides(current).candidate, [], reason, at)
}

/** The route of the version that is live, whatever the state. */
export function liveRoute(release: Release): Route | undefined {
  return release.routes.find((r) => r.role === 'live' && r.weight > 0)
}

/** The newer bundle of a release under way, if there is one. */
export function candidateRoute(release: Release): Route | undefined {
  return (
    release.routes.find((r) => r.role === 'canary') ??
    release.routes.find((r) => r.role === 'shadow' && r.bundle !== liveRoute(release)?.bundle)
  )
}

function isUnderWay({ state }: Release): boolean {
  return state === 'shadow' || state === 'canary' || state === 'paused'
}

function sides(release: Release): { live: Route; candidate: Route } {
  const live = liveRoute(release)
  const candidate = candidateRoute(release)
  assert(live && candidate, `a release in state ${release.state} has a live and a candidate route`)
  return { live, candidate }
}

function toLive(
  release: Release,
  candidate: Candidate,
  findings: Finding[],
  reason: string,
  at: number,
): Release {
  const routes = [route(candidate, 'live', 1)]
  return { ...release, state: 'live', step: release.steps.length, routes, findings, reason, at }
}

function backTo(release: Release, live: Route, findings: Finding[], reason: string, at: number): Release {
  return {
    ...release,
    state: 'rolled-back',
    step: -1,
    routes: [{ ...live, role: 'live', weight: 1 }],
    findings,
    reason,
    at,
  }
}

/** The release whose split a rollback restores: the newest one that was live, not the attempts since. */
function stableBefore(current: { digest: Digest; release: Release }): Digest | undefined {
  return current.release.state === 'live' ? current.digest : current.release.previous
}

function route(candidate: Candidate, role: Route['role'], weight: number): Route {
  return { bundle: candidate.bundle, version: candidate.version, role, weight }
}

function percent(share: number): string {
  return `${+(share * 100).toPrecision(3)} %`
}

function signed(x: number): string {
  return `${x >= 0 ? '+' : '−'}${Math.abs(x).toFixed(4)}`
}
