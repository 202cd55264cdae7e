/**
 * The verdicts of a closed window: quality, calibration and drift, each tested against what matters (a tolerance), not against "no change at all",
 * which fails for any change once there are enough rows. All p-values of all windows run through one online procedure, so that the rate of
 * false alarms over columns, members and time stays below the model's `alpha`.
 */
import { grouped } from '../core/grouped.ts'
import type { Finding, Measured, ModelCard, ModelTask, Verdict } from '../core/records.ts'
import { LEAD_OF, metricOf } from '../model/measure.ts'
import { chiSquareSf, normalSf } from '../stats/distributions.ts'
import { driftTest } from '../stats/drift.ts'
import { type LordState, nextLord } from '../stats/multiplicity.ts'
import type { Reference, WindowAccumulator } from './accumulator.ts'
import type { QualityCells } from './quality-cells.ts'
import type { ColumnDrift, MemberWindow, WindowReport } from './records.ts'
import { type TrafficCheck, trafficVerdict } from './traffic-checks.ts'

/** How much of a change matters, as shares of the scale that each test lives on. */
export const MATTERS = {
  /** Population stability index: the usual border of a moderate shift. */
  psi: 0.1,
  /** Distance of mean prediction and mean outcome, of the base rate (binary), of the target's spread (regression), or of one half (several classes). */
  biasRelative: 0.1,
  /** Loss of the lead metric against the card: points of AUC, accuracy or NDCG, or the share of the RMSE. */
  leadLoss: 0.03,
} as const

/** Outcomes that a member or a window needs before it is judged. */
export const JOINED_MIN = 200

/** How late into the first window traffic may begin. */
const LATE_START_MS = 18 * 3_600_000

/** Rows that a histogram needs before it is compared. */
export const DRIFT_ROWS_MIN = 100

interface Test {
  finding: Omit<Finding, 'verdict' | 'message'>
  pValue: number
  /** Whether the change is large enough to matter. */
  matters: boolean
  message: string
}

/** Judges a window and returns its report with what is left of the alarm budget. Pure. */
export function judgeWindow(
  window: WindowAccumulator,
  reference: Reference,
  card: ModelCard,
  fdr: LordState,
  model: string,
): { report: WindowReport; fdr: LordState } {
  const subject = `models/${model}`
  const at = window.window.toAt
  const columns = reference.featureInfo.map((f, i) => ({
    name: f.name,
    result: driftTest(f.reference, window.drift[i]),
  }))
  const tests: Test[] = []
  if (window.total.n() >= JOINED_MIN)
    tests.push(...qualityTests(window.total, card, reference.task, subject, at))
  const compared = [
    {
      check: 'watch.prediction-drift',
      name: 'prediction',
      result: driftTest(reference.scores, window.scores),
    },
    ...(reference.classMix && window.classMix
      ? [
          {
            check: 'watch.class-drift',
            name: 'class said',
            result: driftTest(reference.classMix, window.classMix),
          },
        ]
      : []),
    ...columns.map((column) => ({ check: 'watch.drift', ...column })),
  ]
  const thin: Finding[] = []
  const begun = beganWithin(window, fdr)
  for (const { check, name, result } of compared) {
    const test = driftOf(name, result, subject, at, check)
    if (check === 'watch.drift' && window.unlogged.has(name) && result.n.current < DRIFT_ROWS_MIN)
      thin.push(notCompared(test.finding, 'its inputs are not in the log, by the policy of the model'))
    else if (begun) thin.push(notCompared(test.finding, 'the traffic began within this window'))
    else if (Math.min(result.n.current, result.n.reference) >= DRIFT_ROWS_MIN) tests.push(test)
    else thin.push(notCompared(test.finding, `${test.finding.n} rows, ${DRIFT_ROWS_MIN} needed`))
  }
  const members = [...window.members]
    .filter(([key, cells]) => key !== '' && cells.n() >= JOINED_MIN)
    .sort(([a], [b]) => (a < b ? -1 : 1))
  const inflation = dayInflation(members.map(([, cells]) => cells))
  for (const [key, cells] of members)
    tests.push(...biasTests(cells, card, reference.task, `${subject}/${key}`, at, inflation))
  for (const [i, check] of (reference.checks ?? []).entries()) {
    const found = trafficVerdict(check, window.checks[i], { subject, at })
    tests.push(...(found ? [found] : []))
  }
  const { findings, fdr: left } = decide(tests, fdr)
  const expected = expectedOf(card, reference.task, window.total.n())
  return {
    fdr: left,
    report: {
      kind: 'WindowReport',
      model,
      window: window.window,
      version: reference.version,
      predictions: window.predictions,
      ...(window.share < 1 && { sample: window.share, answered: Math.round(window.answered) }),
      joined: window.total.n(),
      refused: window.refused,
      byVersion: Object.fromEntries(window.byVersion),
      metrics: window.total.metrics(),
      meanPredicted: window.total.meanPredicted(),
      meanActual: window.total.meanActual(),
      expected,
      calibration: window.total.reliability(),
      members: membersOf(window),
      ...(reference.checks && { checks: checksOf(reference.checks, window) }),
      drift: columns.map(
        ({ name, result }, i): ColumnDrift => ({
          column: name,
          psi: result.effect.psi,
          pValue: driftPValue(result),
          n: Math.round(result.n.current),
          verdict:
            findings.find((f) => f.check === 'watch.drift' && f.slice === name)?.verdict ?? 'inconclusive',
          current: window.drift[i],
        }),
      ),
      ...(window.classMix && { classes: classesOf(window) }),
      findings: [...notJudged(window, subject, at), ...findings, ...thin],
    },
  }
}

/** How often each class was said and came true, classes of the model first. */
function classesOf({ classMix, outcomes }: WindowAccumulator): WindowReport['classes'] {
  if (classMix?.kind !== 'category') return undefined
  const said = new Map(classMix.categories.map((label, k) => [label, classMix.counts[k]]))
  const labels = [...new Set([...classMix.categories, ...outcomes.keys()])]
  return labels.map((label) => ({
    label,
    said: said.get(label) ?? 0,
    happened: outcomes.get(label) ?? 0,
    isKnown: said.has(label),
  }))
}

function checksOf(checks: readonly TrafficCheck[], window: WindowAccumulator): WindowReport['checks'] {
  return checks.map(({ name, training }, i) => ({ check: name, ...window.checks[i], training }))
}

function membersOf(window: WindowAccumulator): Record<string, MemberWindow> {
  const members: Record<string, MemberWindow> = {}
  for (const [key, cells] of window.members) {
    if (key !== '')
      members[key] = {
        joined: cells.n(),
        meanPredicted: cells.meanPredicted(),
        meanActual: cells.meanActual(),
        lead: cells.lead(),
      }
  }
  return members
}

function notJudged(window: WindowAccumulator, subject: string, at: number): Finding[] {
  const n = window.total.n()
  if (n >= JOINED_MIN) return []
  const message = `${n} outcomes known, ${JOINED_MIN} needed to judge quality`
  return [
    {
      kind: 'Finding',
      check: 'watch.quality',
      subject,
      value: null,
      limit: `n >= ${JOINED_MIN}`,
      n,
      verdict: 'inconclusive',
      message,
      at,
    },
  ]
}

function notCompared(finding: Test['finding'], why: string): Finding {
  const message = `${finding.slice ?? 'prediction'} is not compared: ${why}`
  return { ...finding, value: null, verdict: 'inconclusive', message }
}

/** Whether this is the first window and most of a day (a quarter of a shorter window) had passed: half a week has other weekdays than a whole one. */
function beganWithin({ window, firstAt }: WindowAccumulator, fdr: LordState): boolean {
  const late = Math.min(LATE_START_MS, (window.toAt - window.fromAt) / 4)
  return fdr.tests === 0 && firstAt - window.fromAt > late
}

/** Runs the tests in their fixed order through the online procedure. A discovery fails only when the change is also large enough to matter. */
function decide(tests: Test[], fdr: LordState): { findings: Finding[]; fdr: LordState } {
  const findings: Finding[] = []
  let state = fdr
  for (const test of tests) {
    const step = nextLord(state, test.pValue)
    state = step.state
    const verdict: Verdict = step.rejected && test.matters ? 'fail' : 'pass'
    findings.push({ ...test.finding, verdict, message: test.message })
  }
  return { findings, fdr: state }
}

function qualityTests(
  cells: QualityCells,
  card: ModelCard,
  task: ModelTask,
  subject: string,
  at: number,
): Test[] {
  return [...leadTest(cells, card, task, subject, at), ...biasTests(cells, card, task, subject, at)]
}

/** The lead metric against the card: worse by more than matters? */
function leadTest(
  cells: QualityCells,
  card: ModelCard,
  task: ModelTask,
  subject: string,
  at: number,
): Test[] {
  const measured = cells.lead()
  const reference = card.metrics[LEAD_OF[task]]
  if (!measured || !reference || reference.n === 0) return []
  const metric = metricOf(LEAD_OF[task])
  const scale = metric.higherIsBetter ? -1 : 1 / (reference.value || 1)
  const worse = (measured.value - reference.value) * scale
  const se = Math.hypot(standardError(measured), standardError(reference)) * Math.abs(scale)
  const pValue = upperTail(worse - MATTERS.leadLoss, se)
  return [
    {
      finding: {
        kind: 'Finding',
        check: 'watch.quality',
        subject,
        value: measured.value,
        interval: measured.interval,
        limit: `${metric.name} no worse than ${reference.value.toFixed(3)} by ${MATTERS.leadLoss}`,
        n: measured.n,
        at,
      },
      pValue,
      matters: worse > MATTERS.leadLoss,
      message: `${metric.name} ${measured.value.toFixed(3)} on ${grouped(measured.n)} outcomes, ${reference.value.toFixed(3)} when it was trained`,
    },
  ]
}

/**
 * How much wider the error of a mean is than independent rows would make it, over all members: a week has too few days to learn it of each alone,
 * and one whose days happen to agree would look surer than it is.
 */
function dayInflation(members: QualityCells[]): number {
  const ratios = members.map((cells) => cells.biasSe()).filter(({ rows }) => rows > 0)
  if (ratios.length === 0) return 1
  const mean = ratios.reduce((sum, { rows, days }) => sum + (days / rows) ** 2, 0) / ratios.length
  return Math.max(1, Math.sqrt(mean))
}

/** What a promise is measured by, and how it is told. */
interface Promised {
  scale(card: ModelCard): number
  tell(predicted: number, actual: number): string
}

const percent = (x: number) => `${(100 * x).toFixed(1)} %`

/** What the mean prediction of a task promises; nothing where an answer is no promise. */
const PROMISES: Readonly<Record<ModelTask, Promised | undefined>> = {
  binary: {
    scale: ({ baseRate }) => Math.max(baseRate, 0.01),
    tell: (predicted, actual) => `predicted ${percent(predicted)} on average, ${percent(actual)} happened`,
  },
  regression: {
    scale: ({ metrics }) => Math.max(metrics.rmse?.value ?? 1, Number.MIN_VALUE),
    tell: (predicted, actual) =>
      `predicted ${predicted.toPrecision(4)} on average, ${actual.toPrecision(4)} happened`,
  },
  multiclass: {
    scale: () => 0.5,
    tell: (predicted, actual) => `sure of ${percent(predicted)} on average, right in ${percent(actual)}`,
  },
  ranking: undefined,
}

/** Mean prediction against mean outcome: does the model still promise what happens? Rows of one day count as moving together. */
function biasTests(
  cells: QualityCells,
  card: ModelCard,
  task: ModelTask,
  subject: string,
  at: number,
  inflation = 1,
): Test[] {
  const promise = PROMISES[task]
  if (!promise) return []
  const bias = cells.meanPredicted() - cells.meanActual()
  const tolerance = MATTERS.biasRelative * promise.scale(card)
  const { rows, days } = cells.biasSe()
  const se = Math.max(inflation * rows, days)
  return [
    {
      finding: {
        kind: 'Finding',
        check: 'watch.calibration',
        subject,
        value: bias,
        interval: [bias - 1.96 * se, bias + 1.96 * se],
        limit: `|mean predicted - mean actual| <= ${tolerance.toPrecision(3)}`,
        n: cells.n(),
        at,
      },
      pValue: Math.min(1, 2 * upperTail(Math.abs(bias) - tolerance, se)),
      matters: Math.abs(bias) > tolerance,
      message: `${promise.tell(cells.meanPredicted(), cells.meanActual())} (${grouped(cells.n())} outcomes)`,
    },
  ]
}

/** Chance of an excess over the tolerance as large, when there is none. Without any noise the excess itself decides. */
function upperTail(excess: number, se: number): number {
  if (se > 0) return normalSf(excess / se)
  return excess > 0 ? 0 : 1
}

/**
 * Chance of a statistic as large when the stability index is just what matters: that of a non-central chi-square, by Patnaik's two moments.
 *
 * Not the chance under "nothing changed": rows of one day move together, so large windows of calm traffic differ from any reference beyond doubt and by
 * next to nothing. Near each other the index is the statistic over `nm/(n + m)`, which gives the non-centrality.
 * Source: Patnaik, 1949, "The non-central chi-square and F-distributions and their applications", Biometrika 36.
 */
function driftPValue({ statistic, df, n }: ReturnType<typeof driftTest>): number {
  if (df === 0) return 1
  const shift = (MATTERS.psi * n.reference * n.current) / (n.reference + n.current)
  const factor = (df + 2 * shift) / (df + shift)
  return chiSquareSf(statistic / factor, (df + shift) ** 2 / (df + 2 * shift))
}

function driftOf(
  name: string,
  result: ReturnType<typeof driftTest>,
  subject: string,
  at: number,
  check: string,
): Test {
  const { psi } = result.effect
  const pValue = driftPValue(result)
  return {
    finding: {
      kind: 'Finding',
      check,
      subject,
      slice: check === 'watch.drift' ? name : undefined,
      value: psi,
      limit: `population stability index <= ${MATTERS.psi}`,
      n: Math.round(result.n.current),
      at,
    },
    pValue,
    matters: psi > MATTERS.psi,
    message: `${name}: population stability index ${psi.toFixed(3)} against the training rows (p ${pValue < 0.001 ? '< 0.001' : pValue.toFixed(3)} that it is ${MATTERS.psi} at most)`,
  }
}

/** What the card promises for a window of n outcomes: the band widens with the window's own noise. */
export function expectedOf(card: ModelCard, task: ModelTask, n: number): WindowReport['expected'] {
  const reference = card.metrics[LEAD_OF[task]]
  if (!reference || reference.n === 0) return null
  const se = standardError(reference)
  const half = 1.96 * se * Math.sqrt(1 + reference.n / Math.max(n, 1))
  return {
    metric: LEAD_OF[task],
    value: reference.value,
    low: reference.value - half,
    high: reference.value + half,
  }
}

function standardError({ interval }: Measured): number {
  return interval ? (interval[1] - interval[0]) / (2 * 1.959963984540054) : 0
}
