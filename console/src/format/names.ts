/** Names of records as people say them: metrics, checks, subjects of the journal, causes of alerts. */
import type { Alert, JournalEvent } from '../api/types.ts'
import { plural } from './numbers.ts'

const METRICS: Record<string, string> = {
  auc: 'AUC',
  logLoss: 'log loss',
  averagePrecision: 'average precision',
  brier: 'Brier score',
  calibrationError: 'calibration error',
  rmse: 'RMSE',
  mae: 'mean absolute error',
  r2: 'R²',
  macroAuc: 'macro AUC',
  macroF1: 'macro F1',
  ndcg: 'NDCG@10',
  map: 'MAP',
  mrr: 'MRR',
}

export const metricName = (name: string): string => METRICS[name] ?? name

/** As a heading or a chip begins: `Log loss`. */
export function metricTitle(name: string): string {
  const words = metricName(name)
  return words[0]!.toUpperCase() + words.slice(1)
}

/** `watch.prediction-drift` is `prediction drift`, `gate.no-worse-than-live` is `no worse than live`; names that people gave stay. */
export function checkName(check: string): string {
  return /^(watch|gate)\./.test(check)
    ? check
        .replace(/^(watch|gate)\./, '')
        .replaceAll('-', ' ')
        .replaceAll('.', ', ')
    : check
}

/** A subject without its kind; a run by the digits it is known by: `late/ATL`, `run 91b311d6`. */
export function subjectName(subject: string): string {
  const [kind, ...rest] = subject.split('/')
  const name = rest.join('/')
  if (kind === 'runs')
    return /^(sha256:)?[0-9a-f]{16,}$/.test(name) ? `run ${name.replace('sha256:', '').slice(0, 8)}` : 'runs'
  return name === '' ? subject : name
}

/** Where it is, how many places share it, and what it is: `late/BDL and 9 more: predicted 18.5 % on average, …`. */
export function alertTitle({ finding, affected }: Alert): string {
  const where = subjectName(finding.subject)
  const others = affected.filter((name) => name.replace(/^models\//, '') !== where).length
  const slice = finding.slice === undefined ? '' : `, ${finding.slice}`
  return `${where}${slice}${others > 0 && affected.length > 1 ? ` and ${plural(others, 'other', 'others')}` : ''}: ${finding.message}`
}

/** Steps of work are in the list of runs; what happened to models and data is news. */
export const isNews = ({ type }: Pick<JournalEvent, 'type'>): boolean =>
  !type.startsWith('run.') || type === 'run.failed'
