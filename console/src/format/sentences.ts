/** The answer at the top of a screen, in words, for the screens whose answer the server does not write. */
import type {
  Alert,
  DatasetDiff,
  DatasetPage,
  DatasetRow,
  DatasetVersionPage,
  RunRow,
  Why,
} from '../api/types.ts'
import { count, metric, NONE, plain, plural, share } from './numbers.ts'
import { relative, windowDays } from './times.ts'

/** Whether an alert asks for a person: raised, and the loop has not acted on it. */
export const needsPerson = (alert: Alert): boolean => alert.state === 'raised' && !alert.action

export function alertsSentence(alerts: readonly Alert[]): string {
  const stories = new Map(alerts.map((alert) => [alert.dedupeKey, alert]))
  const open = [...stories.values()].filter((alert) => alert.state !== 'resolved')
  if (open.length === 0) return 'Nothing needs you: no alert is open.'
  const waiting = open.filter(needsPerson).length
  const handled = open.filter((alert) => alert.state === 'raised' && alert.action).length
  const seen = open.filter((alert) => alert.state === 'acknowledged').length
  const parts = [
    waiting > 0
      ? `${plural(waiting, 'story needs', 'stories need')} a person`
      : 'No story waits for a person',
    handled > 0 ? `${count(handled)} the loop is handling` : '',
    seen > 0 ? `${count(seen)} acknowledged` : '',
  ]
  return `${parts.filter(Boolean).join('; ')}.`
}

export function datasetsSentence(rows: readonly DatasetRow[], now: number): string {
  const total = rows.reduce((sum, row) => sum + row.rows, 0)
  const aside = rows.reduce((sum, row) => sum + row.rowsQuarantined, 0)
  const failing = rows.filter((row) => row.findings.fail + row.findings.error > 0).length
  const newest = Math.max(...rows.map((row) => row.importedAt ?? 0))
  const dirt =
    aside === 0
      ? 'no row is in quarantine'
      : `${plural(aside, 'row is', 'rows are')} in quarantine (${share(aside / (total + aside))})`
  const checks =
    failing === 0 ? 'every check holds' : `${plural(failing, 'dataset has', 'datasets have')} failing checks`
  return `${plural(rows.length, 'dataset')} with ${plural(total, 'row')}; ${dirt}; ${checks}; newest import ${newest > 0 ? relative(newest, now) : 'not yet'}.`
}

export function datasetSentence(page: DatasetPage, now: number): string {
  const last = page.log[0]
  if (last === undefined) return `${page.dataset} has no version yet.`
  const window = page.window ? ` of ${windowDays(page.window.fromAt, page.window.toAt)}` : ''
  return `${count(page.rows)} rows${window} in ${plural(page.versions, 'version')}; the last, ${relative(last.at, now)}, ${last.rowsAdded < 0 ? 'took away' : 'added'} ${plural(Math.abs(last.rowsAdded), 'row')} and set ${count(last.rowsQuarantined)} aside.`
}

export function versionSentence(page: DatasetVersionPage): string {
  const bad = page.findings.filter((f) => f.verdict === 'fail' || f.verdict === 'error').length
  const moved = page.columns.filter((c) => (c.parent?.psi ?? 0) > 0.1).map((c) => c.name)
  const checks =
    page.findings.length === 0
      ? 'it has no checks'
      : bad === 0
        ? `all ${count(page.findings.length)} checks hold`
        : `${plural(bad, 'check')} of ${count(page.findings.length)} did not hold`
  const drift =
    moved.length === 0 ? 'no column moved against its parent' : `${list(moved, 3)} moved against its parent`
  return `${plural(page.rows, 'row')} in ${plural(page.parts.length, 'part')}, ${count(page.rowsQuarantined)} set aside; ${checks}; ${drift}.`
}

export function diffSentence(diff: DatasetDiff): string {
  const moved = diff.columns.filter((c) => (c.psi ?? 0) > 0.1).map((c) => c.column)
  const schema = diff.schema.added.length + diff.schema.removed.length + diff.schema.changed.length
  const rows = diff.keyed
    ? `${plural(diff.keyed.inserted, 'row')} added, ${count(diff.keyed.deleted)} removed and ${count(diff.keyed.updated)} changed`
    : `${plural(diff.rowsAdded, 'row')} added and ${count(diff.rowsRemoved)} removed`
  return `${rows}; ${
    schema === 0 ? 'the schema is the same' : `${plural(schema, 'column')} changed in the schema`
  }; ${moved.length === 0 ? 'no distribution moved' : `${list(moved, 3)} moved`}.`
}

export function runsSentence(runs: readonly RunRow[]): string {
  const of = (state: RunRow['state']) => runs.filter((run) => run.state === state).length
  const parts = [
    of('leased') > 0 ? `${count(of('leased'))} at work` : 'No run is at work',
    of('queued') > 0 ? `${count(of('queued'))} waiting` : '',
    `${count(of('done'))} done`,
    of('failed') > 0 ? `${count(of('failed'))} failed` : 'none failed',
  ]
  return `${parts.filter(Boolean).join(', ')}, of the last ${count(runs.length)}.`
}

/** Whether a prediction is a probability: its raw score is in log-odds. */
export const isBinary = (why: Why): boolean => why.explanation.scale === 'log-odds'

export function answerOf(why: Why): string {
  if (why.label !== undefined) return `${why.label} (${share(why.output)})`
  return isBinary(why) ? share(why.output) : metric(why.output)
}

/** What really happened: for a probability whether it did, else the value. */
export function outcomeOf({ outcome, ...why }: Why): string {
  if (outcome === null) return 'not known yet'
  if (typeof outcome.value === 'string') return outcome.value
  if (!isBinary({ outcome, ...why })) return plain(outcome.value)
  return outcome.value >= 0.5 ? 'it happened' : 'it did not happen'
}

/** What a prediction says and which feature did most for it. */
export function whySentence(why: Why): string {
  const top = [...why.explanation.contributions].sort(
    (a, b) => Math.abs(b.contribution) - Math.abs(a.contribution),
  )
  const lead = top[0]
  const pushed = lead ? `, ${lead.contribution >= 0 ? 'raised' : 'lowered'} most by ${lead.feature}` : ''
  const truth =
    why.outcome === null
      ? 'the outcome is not known yet'
      : isBinary(why)
        ? outcomeOf(why)
        : `it turned out ${outcomeOf(why)}`
  return `${why.member === '' ? why.model : `${why.model}/${why.member}`} v${why.version} answered ${answerOf(why)}${pushed}; ${truth}.`
}

/** `a, b and 4 more`. */
export function list(names: readonly string[], max: number): string {
  if (names.length === 0) return NONE
  const shown = names.slice(0, max)
  const more = names.length - shown.length
  if (more > 0) return `${shown.join(', ')} and ${count(more)} more`
  return shown.length === 1 ? shown[0]! : `${shown.slice(0, -1).join(', ')} and ${shown.at(-1)}`
}
