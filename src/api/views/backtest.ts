/** The backtest of a model: trained on windows of different age, tested on every later period. */
import { refs } from '../../core/names.ts'
import type { BacktestReport } from '../../loop/backtest.ts'
import { modelDef } from '../../loop/runtime.ts'
import { metricOf } from '../../model/measure.ts'
import type { Backtest } from '../contract.ts'
import type { Project } from './model-state.ts'

/** Null before the first backtest. Errors: MR_LOOP_UNKNOWN. */
export async function backtestView(rt: Project, name: string): Promise<Backtest | null> {
  const { name: model } = modelDef(rt, name)
  const ref = await rt.store.meta.ref(refs.backtest(model))
  if (!ref) return null
  const report = await rt.store.getRecord<BacktestReport>(ref.digest, 'BacktestReport')
  // Reports of one test were written in another form; running the backtest again finds its trainings done.
  if (report.tests === undefined) return null
  return {
    model,
    metrics: {
      lead: report.leadMetric,
      loss: report.lossMetric,
      higherIsBetter: metricOf(report.leadMetric).higherIsBetter,
    },
    tests: report.tests,
    rows: report.rows.map(({ window, test, modelVersion: _, skill: __, ...row }) => ({
      ...row,
      fromAt: window.fromAt,
      toAt: window.toAt,
      testAt: test.fromAt,
    })),
    decay: report.decay ?? null,
    lesson: report.lesson,
  }
}
