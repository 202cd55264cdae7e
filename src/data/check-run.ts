/** Judging rows without importing them, as it happens in the child process. */
import { MillraceError } from '../core/errors.ts'
import { grouped } from '../core/grouped.ts'
import type { CheckDef } from '../define/types.ts'
import { relationFor } from './check-relation.ts'
import { type Judgement, judgeRows, type Scan } from './check-scan.ts'
import type { CheckedResult, CheckedRule, CheckJob } from './check-types.ts'
import { type Duck, quote } from './duck.ts'
import { writeFailing } from './failing-rows.ts'
import { type Report, rowsOfParts } from './import-context.ts'
import type { Measurement } from './table-metrics.ts'

/** Judges the checks of a job. Nothing is written but the file of failing rows, when one is asked for. */
export async function runCheck(duck: Duck, job: CheckJob, report: Report): Promise<CheckedResult> {
  report(0.02, 'looking at the files')
  const relation = await relationFor(duck, job.rows)
  if (relation.rows === 0)
    throw new MillraceError('MR_DATA_NO_ROWS', {
      dataset: job.dataset,
      files: filesOf(job),
      why: 'the files have no rows',
    })
  const scan: Scan = {
    duck,
    relation,
    checks: job.checks,
    dataset: job.dataset,
    period: job.period,
    examples: job.examples,
    others: (name, columns) => otherRelation(job.others, name, columns),
  }
  const judgement = await watched(
    duck,
    report,
    `judging ${job.checks.length} checks over ${grouped(relation.rows)} rows`,
    () => judgeRows(scan),
  )
  const failingRows = job.failing ? await writeFailing(scan, job.failing) : null
  const { rows, columns } = relation
  return {
    rows,
    columns: columns.map(({ name, type }) => ({ name, type })),
    rules: job.checks.map((check) => ruleOf(check, judgement)),
    passes: judgement.passes,
    failingRows,
  }
}

const WATCH_MS = 250
/** What a pass is of the whole, when it is not known whether another will come. */
const FIRST = 0.05
const OF_WHAT_IS_LEFT = 0.7

/** Says how far the running pass is, as long as the work goes on. */
async function watched<T>(duck: Duck, report: Report, note: string, work: () => Promise<T>): Promise<T> {
  let done = FIRST
  let before = 0
  report(done, note)
  const timer = setInterval(() => {
    const share = duck.share()
    if (share < before) done += (1 - done) * OF_WHAT_IS_LEFT * before
    before = share
    report(done + (1 - done) * OF_WHAT_IS_LEFT * share, note)
  }, WATCH_MS)
  try {
    return await work()
  } finally {
    clearInterval(timer)
  }
}

const filesOf = ({ rows }: CheckJob): string[] => (rows.kind === 'files' ? rows.files.map((f) => f.name) : [])

/** Columns of another dataset's rows. Errors: MR_DATA_OTHER_EMPTY, MR_EXPR_UNKNOWN_COLUMN. */
export function otherRelation(others: CheckJob['others'], name: string, columns: readonly string[]): string {
  const other = others[name]
  if (!other || other.parts.length === 0) throw new MillraceError('MR_DATA_OTHER_EMPTY', { dataset: name })
  const known = other.schema.columns
  const wanted = columns.map((column) => {
    const found = known.find((c) => c.name === column)
    if (found) return found
    throw new MillraceError('MR_EXPR_UNKNOWN_COLUMN', {
      column,
      close: [],
      columns: known.map((c) => c.name),
      place: `dataset "${name}"`,
    })
  })
  return `(SELECT ${columns.map(quote).join(', ')} FROM (${rowsOfParts(other.parts, wanted)}))`
}

/** What a check came to, as plain data. */
export function ruleOf({ name }: CheckDef, judged: Judgement): CheckedRule {
  const rule: CheckedRule = { check: name }
  const error = judged.broken.get(name)
  if (error !== undefined) return { ...rule, error }
  const tally = judged.tallies.get(name)
  if (tally) rule.tally = tally
  const measured = judged.measured.get(name)
  if (measured) rule.measured = plainMeasured(measured)
  const newestAt = judged.newest.get(name)
  if (newestAt !== undefined) rule.newestAt = newestAt
  const examples = judged.examples.get(name)
  if (examples) rule.examples = examples
  return rule
}

/** Infinities do not survive the way to the parent as numbers. */
function plainMeasured(measured: Measurement): NonNullable<CheckedRule['measured']> {
  const { value } = measured
  if (value === null || Number.isFinite(value)) return measured
  return { ...measured, value: null, infinite: value > 0 ? 1 : -1 }
}
