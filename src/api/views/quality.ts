/** Quality by window, from the summaries that watching keeps; reports are opened only where a window is not all right. */
import type { Finding, Measured, ModelCard, ModelTask, Verdict } from '../../core/records.ts'
import { LEAD_OF, METRICS } from '../../model/measure.ts'
import type { Store } from '../../store/ports.ts'
import { expectedOf } from '../../watch/judge.ts'
import type { WindowReport, WindowSummary } from '../../watch/records.ts'
import type { ModelPage, QualityPoint } from '../contract.ts'
import { remember } from './remember.ts'

export type Band = { value: number; low: number; high: number }
export type MetricSeries = ModelPage['quality']['metrics'][number]

/** What the tests of a window said of the model itself. */
export interface WindowVerdicts {
  quality: Verdict
  calibration: Verdict
}

/** Windows of the longest watch, for several models at once. */
const VERDICTS_MAX = 8192

/** Verdicts of one window. A window whose every finding passed needs no look into its report. */
export async function verdictsOf(store: Store, summary: WindowSummary): Promise<WindowVerdicts> {
  if (summary.verdict === 'pass') return { quality: 'pass', calibration: 'pass' }
  const read = async () => {
    const report = await store.getRecord<WindowReport>(summary.report, 'WindowReport')
    return {
      quality: ownVerdict(report, 'watch.quality'),
      calibration: ownVerdict(report, 'watch.calibration'),
    }
  }
  return await remember(store, 'windowVerdicts', summary.report, read, VERDICTS_MAX)
}

function ownVerdict(report: WindowReport, check: string): Verdict {
  const subject = `models/${report.model}`
  const own = (f: Finding) => f.check === check && f.subject === subject
  return report.findings.find(own)?.verdict ?? 'inconclusive'
}

/** One metric over the windows, oldest first. Metrics that no test looks at are `inconclusive`: they are shown, not judged. */
export async function pointsOf(
  store: Store,
  windows: readonly WindowSummary[],
  metric: string,
  task: ModelTask,
): Promise<QualityPoint[]> {
  const tested = metric === LEAD_OF[task] ? 'quality' : metric === 'calibrationError' ? 'calibration' : null
  return await Promise.all(
    windows.map(async (w) => {
      const verdict = tested === null ? 'inconclusive' : (await verdictsOf(store, w))[tested]
      return pointOf(w, w.metrics[metric] ?? null, verdict)
    }),
  )
}

export function pointOf(
  { window, version, joined }: Pick<WindowSummary, 'window' | 'version' | 'joined'>,
  measured: Measured | null,
  verdict: Verdict,
): QualityPoint {
  const point: QualityPoint = {
    ...window,
    value: measured?.value ?? null,
    n: measured?.n ?? joined,
    verdict: measured ? verdict : 'inconclusive',
    version,
  }
  if (measured?.interval) point.interval = measured.interval
  return point
}

/** The band that a card promises for a metric in a window of `n` outcomes; null when the card has no interval for it. */
export function bandOf(card: ModelCard, task: ModelTask, metric: string, n: number): Band | null {
  const reference = card.metrics[metric]
  if (!reference?.interval) return null
  const asLead = { ...card, metrics: { [LEAD_OF[task]]: reference } }
  return bare(expectedOf(asLead, task, n))
}

/** The band of the newest window, or of one as large as the test split where there is none. */
export function leadBand(
  windows: readonly WindowSummary[],
  card: ModelCard | undefined,
  task: ModelTask,
): Band | null {
  const newest = windows.findLast((w) => w.expected)
  if (newest) return bare(newest.expected)
  const reference = card?.metrics[LEAD_OF[task]]
  return card && reference ? bare(expectedOf(card, task, reference.n)) : null
}

function bare(expected: WindowReport['expected']): Band | null {
  return expected && { value: expected.value, low: expected.low, high: expected.high }
}

/** Every metric of the model's windows (or, before the first, of its card), the leading one first. */
export async function seriesOf(
  store: Store,
  windows: readonly WindowSummary[],
  card: ModelCard,
  task: ModelTask,
): Promise<MetricSeries[]> {
  const seen = new Set([LEAD_OF[task], ...windows.flatMap((w) => Object.keys(w.metrics))])
  const n = windows.findLast((w) => w.joined > 0)?.joined
  return await Promise.all(
    [...seen].map(async (name) => ({
      name,
      points: await pointsOf(store, windows, name, task),
      expected:
        name === LEAD_OF[task]
          ? leadBand(windows, card, task)
          : bandOf(card, task, name, n ?? card.metrics[name]?.n ?? 0),
      higherIsBetter: METRICS.get(name)?.higherIsBetter ?? false,
    })),
  )
}
