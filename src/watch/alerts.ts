/** From failed findings to alerts: one story a cause, with everything it touches, and an end when the cause is gone. */
import type { Alert, Finding } from '../core/records.ts'
import type { WatchDef } from '../define/types.ts'
import type { WindowReport } from './records.ts'

/** What a check speaks of; findings of one cause are one story. */
const CAUSES: Record<string, { cause: 'quality' | 'calibration' | 'drift' | 'checks'; runbook: string }> = {
  'watch.quality': { cause: 'quality', runbook: 'docs/operating/quality.md' },
  'watch.calibration': { cause: 'calibration', runbook: 'docs/operating/calibration.md' },
  'watch.drift': { cause: 'drift', runbook: 'docs/operating/drift.md' },
  'watch.prediction-drift': { cause: 'drift', runbook: 'docs/operating/drift.md' },
  'watch.class-drift': { cause: 'drift', runbook: 'docs/operating/drift.md' },
  'watch.check': { cause: 'checks', runbook: 'docs/operating/checks.md' },
}

export type Cause = (typeof CAUSES)[string]['cause']

export interface AlertPlan {
  raise: Alert[]
  /** Open alerts that go on, with what they touch now. */
  update: Alert[]
  resolve: Alert[]
}

/** What a closed window means for the alerts that are open. Pure. */
export function planAlerts(report: WindowReport, open: Alert[], watch: Pick<WatchDef, 'owner'>): AlertPlan {
  const plan: AlertPlan = { raise: [], update: [], resolve: [] }
  for (const cause of ['quality', 'calibration', 'drift', 'checks'] as const) {
    const failed = report.findings.filter((f) => f.verdict === 'fail' && CAUSES[f.check]?.cause === cause)
    const judged = report.findings.some(
      (f) => CAUSES[f.check]?.cause === cause && f.verdict !== 'inconclusive',
    )
    const dedupeKey = `${report.model}/${cause}`
    const before = open.find((alert) => alert.dedupeKey === dedupeKey && alert.state !== 'resolved')
    if (failed.length === 0) {
      if (before && judged) plan.resolve.push({ ...before, state: 'resolved' })
      continue
    }
    const alert = alertOf(report, cause, dedupeKey, failed, watch.owner)
    if (before) plan.update.push({ ...before, finding: alert.finding, affected: alert.affected })
    else plan.raise.push(alert)
  }
  return plan
}

function alertOf(
  report: WindowReport,
  cause: Cause,
  dedupeKey: string,
  failed: Finding[],
  owner: string,
): Alert {
  const lead = failed.find((f) => f.subject === `models/${report.model}`) ?? failed[0]
  return {
    kind: 'Alert',
    id: `${report.model.replaceAll('/', '-')}-${cause}-${new Date(report.window.fromAt).toISOString().slice(0, 10)}`,
    finding: lead,
    owner,
    runbook: CAUSES[lead.check].runbook,
    dedupeKey,
    state: 'raised',
    raisedAt: report.window.toAt,
    affected: [...new Set(failed.map((f) => f.slice ?? f.subject.replace(/^models\//, '')))],
  }
}
