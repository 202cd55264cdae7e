/** How parameters of a model's trainer were chosen, trial by trial. */
import { refs } from '../../core/names.ts'
import { modelDef } from '../../loop/runtime.ts'
import { type SearchReport, sentenceOf } from '../../loop/search.ts'
import type { Search, SearchTrial } from '../contract.ts'
import type { Project } from './model-state.ts'

/** Null before the first search. Errors: MR_LOOP_UNKNOWN. */
export async function searchView(rt: Project, name: string): Promise<Search | null> {
  const { name: model } = modelDef(rt, name)
  const ref = await rt.store.meta.ref(refs.search(model))
  if (!ref) return null
  const report = await rt.store.getRecord<SearchReport>(ref.digest, 'SearchReport')
  const { method, metric, higherIsBetter, looks, endedBy, folds, best } = report
  return {
    model,
    method,
    metric,
    higherIsBetter,
    sentence: sentenceOf(report),
    looks,
    endedBy,
    folds: folds.length,
    best,
    trials: trialsOf(report),
  }
}

function trialsOf({ trials, higherIsBetter }: SearchReport): SearchTrial[] {
  let bestSoFar: number | null = null
  return trials.map(({ number, params, state, share, value, error }) => {
    if (state === 'done' && value !== null)
      bestSoFar = bestSoFar === null ? value : (higherIsBetter ? Math.max : Math.min)(bestSoFar, value)
    return { number, params, state, share, value, bestSoFar, error: error ?? null }
  })
}
