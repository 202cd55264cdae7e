/** The answer at the top of a screen: how is it, and who is needed, in words with numbers. Pure. */
import type { Alert, ModelTask, Release } from '../../core/records.ts'
import { LEAD_OF, METRICS } from '../../model/measure.ts'
import { candidateRoute, liveRoute } from '../../release/machine.ts'
import type { Fleet, QualityPoint } from '../contract.ts'
import { affectedMembers, isOpen, needsPerson } from './alerts.ts'
import type { Band } from './quality.ts'
import { count, figure, listed, metricWords, percent, plural, sinceWhen } from './words.ts'

/** What a sentence about a model is made of. */
export interface ModelFacts {
  model: string
  task: ModelTask
  members: number
  release: Release | null
  liveVersion: number | null
  liveSince: number | null
  /** Newest version that was trained, and whether its gates are open. */
  latestVersion: number | null
  latestPassed: boolean
  /** Lead metric by window, oldest first. */
  quality: readonly QualityPoint[]
  expected: Band | null
  /** The newest window's mean prediction and mean outcome where their test failed. */
  miscalibrated: { meanPredicted: number; meanActual: number } | null
  /** All alerts about the model. */
  alerts: readonly Alert[]
}

/** How a model is: what is live, whether quality holds, who is needed. */
export function modelSentence(facts: ModelFacts, now: number): string {
  if (facts.latestVersion === null && facts.liveVersion === null) return `${facts.model} is not trained yet.`
  if (facts.liveVersion === null) return `${notReleased(facts)}; ${needWords(facts)}.`
  return `${[liveWords(facts, now), qualityWords(facts), biasWords(facts), needWords(facts)].filter(Boolean).join('; ')}.`
}

function notReleased({ model, latestVersion, latestPassed, release }: ModelFacts): string {
  if (release) return `${model} has no version that answers: its release is ${release.state}`
  const gates = latestPassed
    ? 'its gates passed, and it is not released yet'
    : 'its gates are closed, so it is not released'
  return `${model} is trained as v${latestVersion}: ${gates}`
}

function liveWords(
  { model, release, liveVersion, liveSince, latestVersion, latestPassed }: ModelFacts,
  now: number,
): string {
  const live = `${model} is live at v${liveVersion}${liveSince === null ? '' : ` since ${sinceWhen(liveSince, now)}`}`
  const next = release && candidateRoute(release)
  if (release?.state === 'canary' && next)
    return `${live}, and v${next.version} answers ${percent(next.weight)} as a canary`
  if (release?.state === 'shadow' && next) return `${live}, and v${next.version} scores in its shadow`
  if (release?.state === 'paused')
    return `${live}, and the release${next ? ` of v${next.version}` : ''} is paused and waits for you`
  if (release?.state === 'rolled-back') return `${live}, where the last release went back to`
  if (latestVersion !== null && liveVersion !== null && latestVersion > liveVersion && !latestPassed)
    return `${live}; v${latestVersion} did not pass its gates`
  return live
}

/** The newest window that has a value, against its band. */
function qualityWords({
  quality,
  expected,
  task,
}: Pick<ModelFacts, 'quality' | 'expected' | 'task'>): string {
  const last = quality.findLast((point) => point.value !== null)
  if (last?.value == null) return 'quality is not measured yet, as no window has outcomes'
  const name = metricWords(LEAD_OF[task])
  const n = `${name} ${figure(last.value)} on ${plural(last.n, 'outcome')}`
  if (!expected) return `${n}, with nothing to hold it against`
  return `quality ${place(last, expected, task)} (${n}, ${figure(expected.low)} to ${figure(expected.high)} expected)`
}

function place({ value, verdict }: QualityPoint, { low, high }: Band, task: ModelTask): string {
  const higher = METRICS.get(LEAD_OF[task])?.higherIsBetter ?? true
  const at = value as number
  if (verdict === 'fail') return `${higher ? 'below' : 'above'} its band`
  if (at >= low && at <= high) return 'within its band'
  if (at > high === higher) return 'better than its band'
  return `a little ${higher ? 'below' : 'above'} its band, by less than matters`
}

/** What a promise that was not kept is told as. */
const BIAS: Readonly<Record<ModelTask, (predicted: number, actual: number) => string>> = {
  binary: (p, a) => `it promises ${percent(p)} on average where ${percent(a)} happened`,
  regression: (p, a) => `it promises ${figure(p)} on average where ${figure(a)} happened`,
  multiclass: (p, a) => `it is sure of ${percent(p)} on average and right in ${percent(a)}`,
  ranking: (p, a) => `it promises ${figure(p)} on average where ${figure(a)} happened`,
}

function biasWords({ miscalibrated, task }: ModelFacts): string {
  return miscalibrated ? BIAS[task](miscalibrated.meanPredicted, miscalibrated.meanActual) : ''
}

function needWords({ model, members, alerts }: Pick<ModelFacts, 'model' | 'members' | 'alerts'>): string {
  const open = alerts.filter(isOpen)
  const waiting = open.filter(needsPerson)
  const places = members > 0 ? affectedMembers(waiting, model).size : 0
  const handled = open.length - waiting.length
  const own = waiting.filter((alert) => affectedMembers([alert], model).size === 0).length
  const parts: string[] = []
  if (places > 0)
    parts.push(`${count(places)} of ${plural(members, 'member')} ${places === 1 ? 'needs' : 'need'} you`)
  if (places === 0 || own > 0)
    parts.push(waiting.length === 0 ? 'nothing needs you' : plural(own, 'alert needs you', 'alerts need you'))
  if (handled > 0) parts.push(`${plural(handled, 'alert is', 'alerts are')} in hand`)
  return parts.join(', ')
}

/** `act` when a person is needed now, `watch` when something is moving or in hand, else `good`. */
export function healthOf(models: readonly ModelFacts[], alerts: readonly Alert[]): Fleet['health'] {
  if (alerts.some(needsPerson) || models.some((m) => m.release?.state === 'paused')) return 'act'
  if (models.some((m) => m.latestVersion !== null && m.liveVersion === null && !m.latestPassed)) return 'act'
  const moving = models.some((m) => m.release?.state === 'canary' || m.release?.state === 'shadow')
  return moving || alerts.some(isOpen) ? 'watch' : 'good'
}

/** How everything is, in one sentence. One model is told by its own. */
export function fleetSentence(models: readonly ModelFacts[], alerts: readonly Alert[], now: number): string {
  if (models.length === 0) return 'No model is described in the config yet.'
  if (models.length === 1) return modelSentence(models[0], now)
  const live = models.filter((m) => m.liveVersion !== null)
  if (live.length === 0) return `${noneLive(models)}; ${fleetNeeds(alerts)}.`
  const parts = [
    live.length === models.length
      ? `All ${count(models.length)} models are live`
      : `${count(live.length)} of ${count(models.length)} models are live`,
    bandWords(live),
    movingWords(live),
    fleetNeeds(alerts),
  ]
  return `${parts.filter(Boolean).join('; ')}.`
}

function noneLive(models: readonly ModelFacts[]): string {
  const trained = models.filter((m) => m.latestVersion !== null).length
  return `None of ${count(models.length)} models is live, ${trained === 0 ? 'and none is trained yet' : `${count(trained)} ${trained === 1 ? 'is' : 'are'} trained`}`
}

function bandWords(live: readonly ModelFacts[]): string {
  const measured = live.filter((m) => m.quality.some((point) => point.value !== null))
  if (measured.length === 0) return 'quality is not measured yet, as no window has outcomes'
  const failing = measured.filter((m) => m.quality.findLast((p) => p.value !== null)?.verdict === 'fail')
  if (failing.length === 0)
    return `quality holds for ${measured.length === live.length ? (live.length === 1 ? 'it' : 'all of them') : `the ${count(measured.length)} that have outcomes`}`
  return `${listed(failing.map((m) => m.model))} ${failing.length === 1 ? 'is' : 'are'} out of ${failing.length === 1 ? 'its' : 'their'} band`
}

function movingWords(live: readonly ModelFacts[]): string {
  const moving = live.filter((m) => m.release && !liveOnly(m.release))
  if (moving.length === 0) return ''
  return `${listed(moving.map((m) => m.model))} ${moving.length === 1 ? 'has' : 'have'} a release under way`
}

function liveOnly(release: Release): boolean {
  return liveRoute(release)?.weight === 1 && release.state !== 'shadow' && release.state !== 'paused'
}

function fleetNeeds(alerts: readonly Alert[]): string {
  const waiting = alerts.filter(needsPerson).length
  const handled = alerts.filter(isOpen).length - waiting
  const need = waiting === 0 ? 'nothing needs you' : plural(waiting, 'alert needs you', 'alerts need you')
  return handled === 0 ? need : `${need}, ${plural(handled, 'alert is', 'alerts are')} in hand`
}

/** What a sentence about a member of a family is made of. */
export interface MemberFacts {
  name: string
  family: string
  task: ModelTask
  /** Why the parent answers instead, when it does. */
  heldReason: string | null
  rows: number
  quality: readonly QualityPoint[]
  expected: Band | null
  alerts: readonly Alert[]
}

export function memberSentence(facts: MemberFacts): string {
  const { name, family, heldReason, rows, quality, alerts } = facts
  const who = heldReason
    ? `${name} is answered by its parent ${family}: ${heldReason}`
    : `${name} answers for itself, trained on ${plural(rows, 'row')} of its own`
  const open = alerts.filter(isOpen)
  const waiting = open.filter(needsPerson).length
  const measured = quality.some((point) => point.value !== null)
  return [
    who,
    heldReason && !measured ? '' : memberQuality(facts),
    waiting > 0
      ? plural(waiting, 'alert needs you', 'alerts need you')
      : open.length > 0
        ? `${plural(open.length, 'alert is', 'alerts are')} in hand`
        : 'nothing needs you',
  ]
    .filter(Boolean)
    .join('; ')
    .concat('.')
}

/** A member is tested on whether it promises what happens, so its lead metric is placed by the band alone. */
function memberQuality({ quality, expected, task }: MemberFacts): string {
  const points = quality.map((point) => ({ ...point, verdict: 'inconclusive' as const }))
  return qualityWords({ quality: points, expected, task })
}
