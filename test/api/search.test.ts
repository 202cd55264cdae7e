import { expect, test } from 'vitest'
import { searchView } from '../../src/api/index.ts'
import { refs } from '../../src/core/names.ts'
import { gbdt } from '../../src/define/index.ts'
import type { SearchReport, TrialRow } from '../../src/loop/search.ts'
import { move, NONE, openProject, plain } from './fixture.ts'

const trial = (number: number, value: number | null, over: Partial<TrialRow> = {}): TrialRow => ({
  number,
  params: { leaves: 8 + number },
  state: 'done',
  share: 1,
  losses: value === null ? [] : [-value],
  value,
  ...over,
})

const report = (higherIsBetter: boolean, trials: TrialRow[]): SearchReport => ({
  kind: 'SearchReport',
  model: 'late',
  definition: NONE,
  dataset: NONE,
  method: 'tpe',
  metric: higherIsBetter ? 'auc' : 'logLoss',
  higherIsBetter,
  folds: [{ rows: { train: 10, test: 5 } }],
  trials,
  best: 1,
  trainer: gbdt({ leaves: 9 }),
  looks: trials.length,
  endedBy: 'trials',
})

test('a search is null before the first, then its trials with the best of those that were measured on everything', async () => {
  const f = await openProject()
  try {
    expect(await searchView(f.rt, 'late')).toBeNull()
    const put = async (found: SearchReport) =>
      await move(f.store, 'search.finished', 'models/late', {
        [refs.search('late')]: await f.store.putRecord(plain(found)),
      })
    const trials = [
      trial(0, 0.6),
      trial(1, 0.7),
      trial(2, 0.9, { state: 'stopped', share: 0.5 }),
      trial(3, null, { state: 'failed', error: 'MR_MODEL_ONE_CLASS: no' }),
      trial(4, 0.65),
    ]
    await put(report(true, trials))
    const found = await searchView(f.rt, 'late')
    expect(found).toMatchObject({ metric: 'auc', folds: 1, best: 1, looks: 5 })
    expect(found?.sentence).toBe('5 trials by tpe chose leaves 9 with auc 0.7')
    expect(found?.trials.map((t) => t.bestSoFar)).toEqual([0.6, 0.7, 0.7, 0.7, 0.7])
    expect(found?.trials.map((t) => t.error)).toEqual([null, null, null, 'MR_MODEL_ONE_CLASS: no', null])
    await put(
      report(false, [trial(0, null, { state: 'failed' }), trial(1, 0.4), trial(2, 0.5), trial(3, 0.3)]),
    )
    const lower = await searchView(f.rt, 'late')
    expect(lower?.trials.map((t) => t.bestSoFar)).toEqual([null, 0.4, 0.4, 0.3])
  } finally {
    await f.drop()
  }
})
