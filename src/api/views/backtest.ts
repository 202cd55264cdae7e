/** The backtest of a model: trained on windows of different age, tested on the same later one. */
import { refs } from '../../core/names.ts'
import type { BacktestReport } from '../../loop/backtest.ts'
import { modelDef } from '../../loop/runtime.ts'
import type { Backtest } from '../contract.ts'
import type { Project } from './model-state.ts'

/** Null before the first backtest. Errors: MR_LOOP_UNKNOWN. */
export async function backtestView(rt: Project, name: string): Promise<Backtest | null> {
  const { name: model } = modelDef(rt, name)
  const ref = await rt.store.meta.ref(refs.backtest(model))
  if (!ref) return null
  const report = await rt.store.getRecord<BacktestReport>(ref.digest, 'BacktestReport')
  return {
    model,
    metrics: { lead: report.leadMetric, loss: report.lossMetric },
    testWindow: report.test,
    rows: report.rows.map(
      ({ label, window, ageMonths, rowsTrained, lead, loss, meanPredicted, meanActual }) => ({
        label,
        fromAt: window.fromAt,
        toAt: window.toAt,
        ageMonths,
        rowsTrained,
        auc: lead,
        logLoss: loss,
        meanPredicted,
        meanActual,
      }),
    ),
    lesson: report.lesson,
  }
}
