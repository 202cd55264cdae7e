/** What is said of a check once its rows were counted or its number measured: the finding, with its sentence. */
import { grouped } from '../core/grouped.ts'
import { subjects } from '../core/names.ts'
import type { Finding } from '../core/records.ts'
import { tableMetricText } from '../define/table-metrics.ts'
import type { CheckDef } from '../define/types.ts'
import type { Measurement } from './table-metrics.ts'

/** Rows that were judged and that failed. */
export interface Tally {
  judged: number
  failed: number
}

/** Verdict of a rule that holds for a share of the rows. */
export function shareFinding(dataset: string, check: CheckDef, tally: Tally): Finding {
  const { judged, failed } = tally
  const value = judged === 0 ? null : (judged - failed) / judged
  const verdict = value === null ? 'inconclusive' : value >= check.atLeast ? 'pass' : 'fail'
  return finding(
    dataset,
    check,
    value,
    `>= ${check.atLeast} of rows`,
    judged,
    verdict,
    shareText(check, tally),
  )
}

function shareText(check: CheckDef, { judged, failed }: Tally): string {
  if (judged === 0) return `${check.name}: no row could be judged`
  if (failed === 0) return `${check.name}: holds for all ${grouped(judged)} rows`
  const share = `${grouped(failed)} of ${grouped(judged)} rows ${failing(check)} (${percent(failed / judged)})`
  return check.onFail === 'quarantine' ? `${share}; quarantined` : share
}

function failing({ name, rule }: CheckDef): string {
  switch (rule.kind) {
    case 'unique':
      return rule.columns.length === 0
        ? 'repeat another row exactly'
        : `repeat the ${rule.columns.join(', ')} of another row`
    case 'inWindow':
      return 'lie outside the period that was delivered'
    case 'exists':
      return `have a ${rule.columns.join(', ')} that ${rule.in} does not have`
    case 'determines':
      return `have another ${rule.column} than most rows of the same ${rule.columns.join(', ')}`
    default:
      return `fail "${name}"`
  }
}

/** Verdict on how many rows came. */
export function rowCountFinding(dataset: string, check: CheckDef, rows: number): Finding {
  const { min, max } = check.rule as { min?: number; max?: number }
  const limit = boundsText({ min, max })
  const holds = rows >= (min ?? 0) && rows <= (max ?? Number.POSITIVE_INFINITY)
  const text = `${check.name}: ${grouped(rows)} rows were delivered, ${holds ? 'as' : 'but'} ${limit || 'any number'} is asked`
  return finding(dataset, check, rows, limit, rows, holds ? 'pass' : 'fail', text)
}

function boundsText({ min, max }: { min?: number; max?: number }): string {
  return [min === undefined ? '' : `>= ${min}`, max === undefined ? '' : `<= ${max}`]
    .filter(Boolean)
    .join(' and ')
}

/** Verdict on a number of all rows. One that has no value, such as the mean of nothing, is inconclusive. An infinite one is judged and not kept. */
export function metricFinding(dataset: string, check: CheckDef, { value, n, isNear }: Measurement): Finding {
  const { metric, min, max } = check.rule as Extract<CheckDef['rule'], { kind: 'metric' }>
  const limit = boundsText({ min, max })
  const text = tableMetricText(metric)
  if (value === null)
    return finding(
      dataset,
      check,
      null,
      limit,
      n,
      'inconclusive',
      `${check.name}: ${text} has no value over ${grouped(n)} rows`,
    )
  const holds = value >= (min ?? Number.NEGATIVE_INFINITY) && value <= (max ?? Number.POSITIVE_INFINITY)
  const message = `${check.name}: ${text} of ${grouped(n)} rows is ${isNear ? 'about ' : ''}${figure(value)}, ${holds ? 'as' : 'but'} ${limit} is asked`
  return finding(
    dataset,
    check,
    Number.isFinite(value) ? value : null,
    limit,
    n,
    holds ? 'pass' : 'fail',
    message,
  )
}

export const figure = (value: number): string =>
  Number.isInteger(value) && Math.abs(value) < 1e15 ? grouped(value) : String(Number(value.toPrecision(6)))

/** Verdict on the age of the newest row, judged at `now`. */
export function freshFinding(
  dataset: string,
  check: CheckDef,
  newestAt: number | null,
  rows: number,
  now: number,
): Finding {
  const { ageMsMax } = check.rule as { ageMsMax: number }
  const limit = `<= ${ageMsMax} ms old`
  if (newestAt === null)
    return finding(dataset, check, null, limit, 0, 'inconclusive', `${check.name}: no row has a time`)
  const age = now - newestAt
  const text = `${check.name}: the newest row is ${hours(age)} old, at most ${hours(ageMsMax)} is asked`
  return { ...finding(dataset, check, age, limit, rows, age <= ageMsMax ? 'pass' : 'fail', text), at: now }
}

const hours = (ms: number): string =>
  Math.abs(ms) < 3_600_000 ? `${(ms / 60_000).toFixed(1)} minutes` : `${(ms / 3_600_000).toFixed(1)} hours`

/** A check that crashed: its verdict is `error`, which opens nothing. */
export function errorFinding(dataset: string, check: CheckDef, why: string): Finding {
  return finding(
    dataset,
    check,
    null,
    limitText(check),
    0,
    'error',
    `${check.name} could not be evaluated: ${why}`,
  )
}

function limitText({ rule, atLeast }: CheckDef): string {
  if (rule.kind === 'metric' || rule.kind === 'rowCount') return boundsText(rule)
  return rule.kind === 'fresh' ? `<= ${rule.ageMsMax} ms old` : `>= ${atLeast} of rows`
}

export function finding(
  dataset: string,
  check: CheckDef,
  value: number | null,
  limit: string,
  n: number,
  verdict: Finding['verdict'],
  message: string,
): Finding {
  return {
    kind: 'Finding',
    check: check.name,
    subject: subjects.dataset(dataset),
    value,
    limit,
    n,
    verdict,
    message,
    ...(check.owner !== undefined && { owner: check.owner }),
    at: 0,
  }
}

/** Two significant digits at the small end: `0.0002 %`. */
function percent(share: number): string {
  const value = share * 100
  return `${value >= 0.1 ? value.toFixed(1) : Number(value.toPrecision(1)).toFixed(Math.min(12, Math.ceil(-Math.log10(value))))} %`
}
