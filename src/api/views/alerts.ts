/** Alerts, and what they are about. */
import type { Alert } from '../../core/records.ts'
import { allAlerts } from '../../watch/record.ts'
import type { Project } from './model-state.ts'

/** Alerts in one answer; older ones stay in the journal. */
export const ALERTS_MAX = 1000

/** Every alert, newest first. */
export async function alertsView({ store }: Pick<Project, 'store'>): Promise<Alert[]> {
  return (await allAlerts(store)).slice(0, ALERTS_MAX).map(({ alert }) => alert)
}

export const isOpen = (alert: Alert): boolean => alert.state !== 'resolved'

/** Whether a person is asked for: raised, and the loop has not acted on it. */
export const needsPerson = (alert: Alert): boolean => alert.state === 'raised' && !alert.action

/** Whether an alert is about a family (or a single model), itself or any of its members. */
export function isAboutFamily(alert: Alert, family: string): boolean {
  const [kind, name] = alert.finding.subject.split('/')
  return kind === 'models' && name === family
}

/** Whether an alert is about one member, as its subject or among what it affects. */
export function isAboutMember(alert: Alert, model: string): boolean {
  return alert.finding.subject === `models/${model}` || alert.affected.includes(model)
}

/** Members of a family that open alerts touch: how many of them wait for a person. */
export function affectedMembers(alerts: readonly Alert[], family: string): Set<string> {
  const names = alerts.flatMap((alert) => [alert.finding.subject.replace(/^models\//, ''), ...alert.affected])
  return new Set(names.filter((name) => name.startsWith(`${family}/`)))
}
