/** When a model is trained again: plain rules over what was seen. Pure. */
import type { Alert, Release } from '../core/records.ts'
import type { WatchDef } from '../define/types.ts'

export interface RetrainState {
  /** Alerts of the model that are not resolved. */
  alerts: Alert[]
  release: Release | undefined
  /** When training last came to an end, in business time, whether or not it made anything new. */
  trainedAt: number | undefined
  /** When the policy last tried and failed, since that. */
  failedAt?: number
}

const DAY = 86_400_000
/** How long the policy rests after a try that failed: what failed a moment ago fails again. */
export const RETRY_MS = 3_600_000
const EVERY: Partial<Record<WatchDef['retrain'][number], number>> = {
  daily: DAY,
  weekly: 7 * DAY,
  monthly: 30 * DAY,
}

/** Alerts about quality or calibration are one trigger: both say that outcomes are not what the model promised. */
const TRIGGER_OF: Record<string, WatchDef['retrain'][number]> = {
  quality: 'quality',
  calibration: 'quality',
  drift: 'drift',
}

/**
 * Why to train again now, or undefined. Not while a release is under way (its verdict comes first) or shortly after a try that failed, and for alerts not
 * within the model's cooldown since the last training, whether or not that was released.
 */
export function planRetrain(state: RetrainState, watch: WatchDef, now: number): string | undefined {
  if (mustWait(state, now)) return undefined
  const age = state.trainedAt === undefined ? Number.POSITIVE_INFINITY : now - state.trainedAt
  for (const [name, every] of Object.entries(EVERY)) {
    if (watch.retrain.includes(name as WatchDef['retrain'][number]) && age >= (every as number))
      return `${name} retraining is due`
  }
  if (age < watch.cooldownMs) return undefined
  const alert = state.alerts.find((a) => concernsAll(a) && watch.retrain.includes(TRIGGER_OF[causeOf(a)]))
  return alert && `${causeOf(alert)} alert: ${alert.finding.message}`
}

/** Whether nothing may be begun now, whatever is due. A release that is paused waits for a person, and so does the policy. */
export function mustWait({ release, failedAt }: RetrainState, now: number): boolean {
  if (release?.state === 'shadow' || release?.state === 'canary' || release?.state === 'paused') return true
  return failedAt !== undefined && now - failedAt < RETRY_MS
}

/** Whether an open alert is about the model as a whole. One member that had a bad week is no reason to train hundreds. */
function concernsAll(alert: Alert): boolean {
  return alert.state !== 'resolved' && !alert.finding.subject.slice('models/'.length).includes('/')
}

/** The last piece of an alert's key names its cause. */
export function causeOf(alert: Pick<Alert, 'dedupeKey'>): string {
  return alert.dedupeKey.slice(alert.dedupeKey.lastIndexOf('/') + 1)
}
