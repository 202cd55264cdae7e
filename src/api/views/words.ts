/** Numbers and times as sentences say them. */
import { grouped as count } from '../../core/grouped.ts'
import type { ModelTask } from '../../core/records.ts'

export { count }

const DAY = new Intl.DateTimeFormat('en-GB', {
  day: 'numeric',
  month: 'long',
  year: 'numeric',
  timeZone: 'UTC',
})

/** `12 May 2001`, in UTC as the data are. */
function dayOf(at: number): string {
  return DAY.format(at)
}

/** `12 May 2001`, or `14:05 UTC` within the day that it is. What begins with its day is told by the day. */
export function sinceWhen(at: number, now: number): string {
  return dayOf(at) === dayOf(now) && at % 86_400_000 !== 0
    ? `${new Date(at).toISOString().slice(11, 16)} UTC`
    : dayOf(at)
}

/** `1 alert`, `3 alerts`. */
export function plural(n: number, one: string, many = `${one}s`): string {
  return `${count(n)} ${n === 1 ? one : many}`
}

/** Three decimals below ten, else four significant digits, with a true minus. */
export function figure(value: number): string {
  const size = Math.abs(value)
  const digits = size < 10 ? size.toFixed(3) : `${+size.toPrecision(4)}`
  return value < 0 && Number(digits) !== 0 ? `−${digits}` : digits
}

/** `10 %`. */
export function percent(share: number): string {
  return `${+(share * 100).toPrecision(3)} %`
}

/** `a`, `a and b`, `a, b and 3 more`. */
export function listed(names: readonly string[], max = 3): string {
  if (names.length <= 1) return names.join('')
  if (names.length <= max) return `${names.slice(0, -1).join(', ')} and ${names.at(-1)}`
  return `${names.slice(0, max - 1).join(', ')} and ${count(names.length - max + 1)} more`
}

const METRICS: Record<string, string> = {
  auc: 'AUC',
  logLoss: 'log loss',
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

export function metricWords(name: string): string {
  return METRICS[name] ?? name
}

/** What a model of a task answers, in words. */
export const TASK_WORDS: Readonly<Record<ModelTask, string>> = {
  binary: 'yes or no',
  regression: 'a number',
  multiclass: 'one of several classes',
  ranking: 'an order of rows',
}
